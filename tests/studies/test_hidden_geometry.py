"""Oracles: statistics of results drawn by hand, claims that turn with them, and the whole study at smoke scale."""

import numpy as np
import pytest
import torch
import xarray as xr

from ontogeny.judging import judge
from ontogeny.locate import find
from ontogeny.prepared import prepare
from ontogeny.run import run
from ontogeny.store import load
from ontogeny.streams import Streams
from ontogeny.studies import hidden_geometry as hg

CLAIMS = {claim.id: claim for claim in hg.study.claims}
STEPS = [0, 600, 1_200]


class Nobody:
    """A watcher that looks away."""

    def begin(self, *_):
        pass

    look = end = say = begin


# By variable: before training, after the language, after noise; each at layers 0, 1, 2.
CLEAR = {
    "stable_rank": ([17, 3, 3], [1.1, 2.3, 4], [10, 5, 1]),
    "rank": ([0, 3, 3], [7, 5, 5], [9, 5, 5]),
    "low_frequency": ([0.08, 0.7, 0.8], [0.95, 0.8, 0.6], [0.11, 0.4, 0.02]),
    "low_frequency_permuted": ([0.05] * 3, [0.04] * 3, [0.05] * 3),
    "shuffled_pos_share": ([0.01] * 3, [0.01, 0.0105, 0.0094], [0.01] * 3),
    "shuffled_expected": ([0.01] * 3, [0.01] * 3, [0.01] * 3),
    "topics_found": ([0, 0, 0.01], [0.01, 0.1, 0.8], [0, 0, 0]),
    "topics_found_shuffled": ([0, 0, 0], [0.001, 0.002, 0.003], [0, 0, 0]),
    "contrast": ([0.001, 0, 0.01], [0.002, 0.01, 0.08], [0, 0, 0]),
    "cosine": ([0.1, 0.16, 0.17], [0.1, 0.12, 0.125], [0.1, 0.4, 0.9]),
    "cosine_rotated": ([0.1] * 3, [0.1] * 3, [0.1] * 3),
}


def drawn(**changes):
    """A run in which all is as claimed, but for the `changes`: four seeds, each a little apart."""
    apart = 1e-4 * np.arange(4)
    data = {}
    for name, values in (CLEAR | changes).items():
        before, language, noise = (np.array(v, float) for v in values)
        table = np.full((8, 3, 3), np.nan)
        table[:, 0] = before
        table[:4, 2], table[4:, 1] = language, noise
        data[name] = (("member", "step", "layer"), table + np.r_[apart, apart][:, None, None] * table)
    floor = np.full((8, 3), 0.01)
    coords = dict(
        step=STEPS, layer=[0, 1, 2], noise=("member", [0] * 4 + [2] * 4), steps=("member", [1_200] * 4 + [600] * 4),
        seed=("member", [1, 2, 3, 4] * 2), position=np.arange(63),
    )  # fmt: skip
    return xr.Dataset({**data, "noise_share": (("member", "step"), floor)}, coords)


def verdict(claim, planted=0.6, **changes):
    seen = planted + np.array([0, 0.01, 0.02, 0])
    tensor = xr.Dataset(dict(cosine=("member", seen)), dict(seed=("member", [1, 2, 3, 4])))
    return judge(CLAIMS[claim], {"main": drawn(**changes), "planted": tensor}, "desk").verdict


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_clear_case_is_reproduced(claim):
    assert verdict(claim) == "reproduced"


def test_each_kind_of_network_is_read_at_its_own_end():
    ds = drawn()
    ranks = hg.ranks_of(ds).values
    assert ranks[:4] == pytest.approx(1.1, rel=1e-3)
    assert ranks[4:] == pytest.approx(10, rel=1e-3)
    assert hg.smoothness_over_noise(ds).values == pytest.approx(0.84, rel=1e-3)
    assert hg.ranks_over_positions(ds.isel(member=slice(4))).values == pytest.approx(7 / 63, rel=1e-3)
    assert hg.coherence_gained(ds.isel(member=slice(4))).values == pytest.approx(-0.04, rel=1e-2)  # layer 1
    worst = hg.shuffled_over_expected(ds.isel(member=slice(4)))  # layer 2, at .0094 of .01
    assert worst.values == pytest.approx(0.94, rel=1e-3)


def with_(name, kind, values):
    """`CLEAR` with other values of a variable before training (0), after the language (1) or after noise (2)."""
    changed = list(CLEAR[name])
    changed[kind] = values
    return {name: tuple(changed)}


@pytest.mark.parametrize(
    ("claim", "change", "word"),
    [
        ("low-rank", with_("stable_rank", 1, [5, 1, 1]), "not reproduced"),
        ("low-rank", with_("stable_rank", 0, [4, 20, 20]), "invalid"),
        ("few-directions", with_("rank", 1, [16, 1, 1]), "not reproduced"),
        ("few-directions", with_("stable_rank", 2, [4, 20, 20]), "invalid"),
        ("positions-shuffled", with_("shuffled_pos_share", 1, [0.01, 0.01, 0.013]), "not reproduced"),
        ("smooth", with_("low_frequency", 1, [0.5, 0.9, 0.9]), "not reproduced"),
        ("smooth", with_("low_frequency_permuted", 1, [0.6, 0, 0]), "invalid"),
        ("smooth-by-learning", with_("low_frequency", 0, [0.9, 0, 0]), "not reproduced"),
        ("smooth-by-language", with_("low_frequency", 2, [0.9, 0, 0]), "not reproduced"),
        ("topics-found", with_("topics_found", 1, [0, 0.9, 0.5]), "not reproduced"),
        ("topics-found", with_("topics_found", 1, [0.3, 0, 0.9]), "invalid"),
        ("topics-found", with_("topics_found", 0, [0, 0, 0.3]), "invalid"),
        ("topics-found", with_("topics_found_shuffled", 1, [0, 0.03, 0]), "invalid"),
        ("contrast", with_("contrast", 1, [0, 0.1, 0.04]), "not reproduced"),
        ("contrast", with_("contrast", 0, [0, 0, 0.05]), "invalid"),
        ("incoherent", with_("cosine", 1, [0.1, 0.2, 0.1]), "not reproduced"),
        ("incoherent", dict(planted=0.2), "invalid"),
        ("as-rotated", dict(planted=0.2), "invalid"),
        ("coherent-from-noise", with_("cosine", 2, [0.9, 0.1, 0.2]), "not reproduced"),
        ("as-rotated", with_("cosine_rotated", 1, [0.1, 0.05, 0.1]), "not reproduced"),
        ("incoherent-by-learning", with_("cosine", 0, [0.1, 0.11, 0.2]), "not reproduced"),
    ],
)
def test_claims_turn(claim, change, word):
    assert verdict(claim, **change) == word


def test_the_planted_tensor_would_be_seen(seed):
    found = hg.planted(Streams((seed,)), contexts=128)
    # Contexts lie along the circle's first direction: mean |cos| over it is 2 / pi, less what the small rest takes.
    assert found["cosine"].values.item() == pytest.approx(0.6, abs=0.08)
    assert found["cosine_rotated"].values.item() < 0.2
    assert torch.equal(hg.planted(Streams((seed,)), contexts=128)["cosine"].values, found["cosine"].values)


def test_smoke_scale_runs_and_is_judged_and_drawn(tmp_path):
    prepared = prepare(find("hidden-geometry"), "smoke", {}, None, "cpu")
    run(prepared, tmp_path / "run", Nobody())
    results = {name: load(tmp_path / "run", experiment=name) for name in ("main", "planted")}
    assert results["main"].sizes["member"] == 4
    verdicts = [judge(claim, results, "smoke") for claim in hg.study.claims]
    assert {v.verdict for v in verdicts} == {"inconclusive"}
    assert all(np.isfinite(v.statistic) for v in verdicts)
    curves, layers = (figure(results) for figure in hg.study.figures)
    assert len(curves.panels) == len(layers.panels) == 3
