"""Oracles: statistics on layer curves drawn by hand, claims that turn with them, and the whole study at smoke scale."""

import numpy as np
import pytest
import xarray as xr

from ontogeny.judging import judge
from ontogeny.locate import find
from ontogeny.measures.context_geometry import ABLATED
from ontogeny.prepared import prepare
from ontogeny.run import run
from ontogeny.store import load
from ontogeny.studies import icl_geometry as icl

CLAIMS = {claim.id: claim for claim in icl.study.claims}
SEEDS, JITTER = 6, 0.001 * np.arange(6.0)[:, None]


class Nobody:
    """A watcher that looks away."""

    def begin(self, *_):
        pass

    look = end = say = begin


def drawn(
    separable=(0.5, 0.95, 1.0, 1.0), aligned=(0.5, 0.5, 0.6, 1.0), start=0.55, without=None, accuracy=1.0, seeds=SEEDS
):
    """A run as its measures give it; `without` is the separability and alignment of the last layer by what is gone."""
    steps, eta = [0, 700], [0.5, 0.0]
    jitter = JITTER[:seeds]
    both = np.stack([np.full((seeds, 4), start), np.array(separable) - jitter], 1)[:, :, None, :, None]
    half = np.stack([np.full((seeds, 4), 0.5), np.array(aligned) - jitter], 1)[:, :, None, :]
    # What is probed without noise must not be looked at.
    probes = np.concatenate([both, np.ones_like(both)], -1)
    ends = {"none": (1.0, 1.0), "previous-token": (0.6, 0.5), "induction": (0.99, 0.6)} | (without or {})
    gone = np.array([ends.get(name, (0.99, 0.95)) for name in ABLATED])  # [ablated, quantity]
    last = np.broadcast_to(gone[:, None, :], (seeds, 2, len(ABLATED), 4, 2)) - jitter[:, :, None, None, None]
    by = ("member", "step", "ablated", "layer")
    return xr.Dataset(
        {
            "separability": (("member", "step", "shots", "layer", "eta"), probes),
            "output_alignment": (("member", "step", "shots", "layer"), half),
            "ablated_separability": (by, last[..., 0]),
            "ablated_alignment": (by, last[..., 1] + jitter[:, :, None, None] * (np.arange(5) % 2)[:, None]),
            "query_accuracy": (("member", "step"), np.broadcast_to([0.25, 1.0], (seeds, 2)) * accuracy),
        },
        {
            "step": steps,
            "shots": [6],
            "layer": list(range(4)),
            "eta": eta,
            "ablated": list(ABLATED),
            "seed": ("member", list(range(seeds))),
        },
    )


def verdict(claim, ds, scale="desk"):
    return judge(CLAIMS[claim], {"main": ds}, scale).verdict


DESK = [claim.id for claim in icl.study.claims if "desk" in claim.scales]


def test_a_clear_case_reproduces_all():
    assert {verdict(claim, drawn()) for claim in DESK} == {"reproduced"}


def test_stages_by_hand():
    # 0.5 + 0.8 * (1 - 0.5) = 0.9: separable after block 1, aligned after block 3, where it is 0.5 before.
    separable, aligned = icl.stages(drawn())
    assert separable.values.tolist() == [1] * 6
    assert aligned.values.tolist() == [3] * 6
    assert icl.alignment_when_separable(drawn()).values == pytest.approx(0.5 - JITTER[:, 0])
    together = drawn(aligned=(0.5, 0.95, 1.0, 1.0))
    assert not icl.separable_first(together).any()
    never = drawn(aligned=(0.5, 0.5, 0.6, 0.7))
    assert not icl.separable_first(never).any()


def test_claims_turn_with_what_is_measured():
    together = drawn(aligned=(0.5, 0.95, 1.0, 1.0))
    assert verdict("separable-first", together) == "not reproduced"
    assert verdict("unaligned-when-separable", together) == "not reproduced"
    assert verdict("previous-token-heads", drawn(without={"previous-token": (0.82, 0.5)})) == "not reproduced"
    assert verdict("induction-heads", drawn(without={"induction": (1.0, 0.9)})) == "not reproduced"
    spared = drawn(without={"induction": (0.8, 0.6)})
    assert verdict("induction-heads-spare-separability", spared) == "not reproduced"
    risen = drawn(without={"none": (0.8, 1.0), "previous-token": (0.5, 0.5), "induction": (0.95, 0.6)})
    assert verdict("induction-heads-spare-separability", risen) == "not reproduced", "either way counts"


def test_controls_can_fail():
    assert verdict("separable-first", drawn(start=0.7)) == "invalid"
    shifted = drawn()
    shifted["output_alignment"][dict(step=0, layer=2)] = 0.4
    assert verdict("unaligned-when-separable", shifted) == "invalid"
    anything = drawn(without={"as many others": (0.7, 0.6)})
    assert verdict("previous-token-heads", anything) == "invalid"
    anything = drawn(without={"as many others (induction)": (0.99, 0.8)})
    assert verdict("induction-heads", anything) == "invalid"
    nothing = drawn(without={"previous-token": (0.95, 0.5)})
    assert verdict("induction-heads-spare-separability", nothing) == "invalid"


def test_networks_that_have_not_learned_are_left_out():
    ds = drawn()
    ds["query_accuracy"] = ds.query_accuracy.copy()
    ds["query_accuracy"][dict(member=slice(0, 2), step=1)] = 0.9
    assert icl.separability_lost(ds).sizes["member"] == 4
    assert verdict("induction-heads", ds) == "reproduced"
    ds["query_accuracy"][dict(member=slice(0, 3), step=1)] = 0.9
    assert {verdict(claim, ds) for claim in DESK} == {"inconclusive"}
    assert {verdict(claim, drawn(accuracy=0.5)) for claim in DESK} == {"inconclusive"}


def test_gain_of_shots_by_hand():
    one = drawn()
    two = xr.concat([one.assign_coords(shots=[2]), one], "shots", data_vars="minimal")
    two["output_alignment"] = two.output_alignment - 0.3 * (two.shots == 2)
    two["separability"] = two.separability - 0.08 * (two.shots == 2)
    assert icl.alignment_from_shots(two).values == pytest.approx([0.3] * 6)
    assert icl.separability_from_shots(two).values == pytest.approx([0.08 - 0.1] * 6)
    assert judge(CLAIMS["shots-align"], {"main": two}, "gpu").verdict == "reproduced"
    two["separability"] = two.separability - 0.2 * (two.shots == 2)
    assert judge(CLAIMS["shots-align"], {"main": two}, "gpu").verdict == "invalid"


def test_smoke_scale_runs_and_is_drawn(tmp_path):
    run(prepare(find("icl-geometry"), "smoke", {}, None, "cpu"), tmp_path / "run", Nobody())
    ds = load(tmp_path / "run", experiment="main")
    assert ds.sizes["member"] == 2
    # Before the first block all queries look alike.
    assert (ds.output_alignment.isel(layer=0) == 0.5).all()
    # Ablation is measured at the end only.
    assert ds.ablated_alignment.isel(step=0).isnull().all()
    np.testing.assert_allclose(
        ds.ablated_alignment.sel(ablated="none").isel(step=-1), ds.output_alignment.isel(step=-1, shots=-1)
    )
    assert (ds.heads_ablated.isel(step=-1).sel(ablated="none") == 0).all()
    first, routes, second, third = (figure({"main": ds}) for figure in icl.study.figures)
    assert len(routes.panels) == 1
    assert [panel.title for panel in first.panels][1] == "Without previous-token heads"
    assert "none has learned" in first.caption
    assert len(second.panels) == len(third.panels) == 2
