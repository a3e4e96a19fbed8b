"""Oracles: runs drawn by hand, claims that turn with them, and the whole study at smoke scale."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from ontogeny.judging import judge
from ontogeny.locate import find
from ontogeny.measures.concept_elicitation import MEANS
from ontogeny.prepared import prepare
from ontogeny.report.figure import Figure
from ontogeny.run import run
from ontogeny.store import load
from ontogeny.studies import concept_space as m
from ontogeny.tasks.coloured_discs import COMBINATIONS

CLAIMS = {claim.id: claim for claim in m.study.claims}
GPU = {"masking-delays", "masking-hides"}
STEPS = [10, 20, 40, 80, 160, 320, 640]
SEEDS = (1, 2, 3, 4)
BENT = np.array([[min(j, 3), max(j - 3, 0)] for j in range(7)], float)  # a right angle at the fourth measurement
STRAIGHT = np.arange(14.0).reshape(7, 2)


# The flip lies where the signals are as 8.8 * 0.15 to 4: by a factor of 3 apart.
EARLY_FLIP = dict(colour=lambda s: 30 * 0.15 / s, size=lambda s: 30.0)


class Nobody:
    """A watcher that looks away."""

    def begin(self, *_: Any, **__: Any) -> None:
        pass

    look = end = say = begin


def after(i):
    return 0.9 * (np.arange(7) >= i)


def never(_):
    return np.zeros(7)


def drawn(
    signals=m.SIGNALS,
    masked=(0.0,),
    colour=lambda s: 20 * (0.8 / s) ** 1.2,
    size=lambda s: 60.0,
    way=lambda s: STRAIGHT if s == 0.3 else BENT,
    prompts=lambda masked: after(3),
    plain=lambda masked: after(4),
    random=lambda masked: 0.5 * after(4),
    vector=lambda masked: after(2),
    random_vector=never,
):
    """A run whose learning times are `colour` and `size`, seeds differing by 2 %."""
    rows = [(seed, s, a) for seed in SEEDS for s in signals for a in masked]
    z, right, capability = np.zeros((len(rows), 7, 4, 2)), np.ones((len(rows), 7, 4)), np.zeros((len(rows), 7, 4))
    signal = np.zeros((len(rows), 7, 2))
    for i, (seed, s, a) in enumerate(rows):
        late = 1 + 0.02 * seed
        # Linear in the logarithm of the step, and at 0.8 just where it should be.
        z[i, :, 2, 0] = 0.8 + 0.3 * np.log(np.array(STEPS) / (late * colour(s)))
        z[i, :, 1, 1] = 0.8 + 0.3 * np.log(np.array(STEPS) / (late * size(s)))
        z[i, :, 3] = way(s)
        right[i, :, 3] = plain(a)
        capability[i] = np.stack([prompts(a), random(a), vector(a), random_vector(a)], -1)
        signal[i] = 8.8 * s, 4.0
    return xr.Dataset(
        dict(
            z=(("member", "step", "combination", "concept"), z),
            right=(("member", "step", "combination"), right),
            capability=(("member", "step", "means"), capability),
            signal=(("member", "step", "concept"), signal),
        ),
        dict(
            step=STEPS,
            combination=list(COMBINATIONS),
            means=list(MEANS),
            concept=["colour", "size"],
            seed=("member", [r[0] for r in rows]),
            colour_signal=("member", [r[1] for r in rows]),
            masked=("member", [r[2] for r in rows]),
            size_signal=("member", [0.4] * len(rows)),
        ),
    )


def verdict(claim, scale="desk", four=None, large=None, **changes):
    results = dict(
        main=drawn(**changes),
        all_four=drawn(
            signals=m.CONTROLS, **{**dict(prompts=lambda a: after(2), plain=lambda a: after(2)), **(four or {})}
        ),
        large_only=drawn(signals=m.CONTROLS, **{**dict(prompts=never, vector=never, plain=never), **(large or {})}),
    )
    return judge(CLAIMS[claim], results, scale).verdict


@pytest.mark.parametrize("claim", sorted(CLAIMS.keys() - GPU))
def test_a_clear_case_is_reproduced(claim):
    assert verdict(claim) == "reproduced"


@pytest.mark.parametrize(
    ("claim", "changes", "word"),
    [
        ("signal-speed", dict(colour=lambda s: 100.0), "not reproduced"),
        ("signal-speed", dict(size=lambda s: 60 * (0.8 / s) ** 0.8), "invalid"),
        ("strong-colour-first", EARLY_FLIP, "invalid"),
        ("weak-colour-last", EARLY_FLIP, "invalid"),
        ("order-flips", dict(size=lambda s: 1_000.0), "invalid"),
        ("turns", dict(way=lambda s: STRAIGHT), "not reproduced"),
        ("turns-by-order", dict(way=lambda s: BENT), "not reproduced"),
        ("turn-is-capability", dict(prompts=lambda a: after(5)), "not reproduced"),
        ("turn-is-capability", dict(prompts=never), "inconclusive"),
        ("hidden-capability", dict(plain=lambda a: after(3)), "not reproduced"),
        ("hidden-capability", dict(plain=never), "inconclusive"),
        ("hidden-capability", dict(random=lambda a: after(3)), "invalid"),
        ("hidden-capability-within", dict(vector=lambda a: after(4)), "not reproduced"),
        ("hidden-capability-within", dict(vector=never), "inconclusive"),
        ("hidden-capability-within", dict(random_vector=lambda a: after(2)), "invalid"),
        ("not-before-the-turn", dict(prompts=lambda a: after(2)), "not reproduced"),
        ("not-without-small-discs", dict(large=dict(prompts=lambda a: after(5))), "not reproduced"),
        ("not-without-small-discs", dict(four=dict(prompts=never)), "invalid"),
        ("not-within-without-small-discs", dict(large=dict(vector=lambda a: after(5))), "not reproduced"),
        ("not-within-without-small-discs", dict(four=dict(vector=never)), "invalid"),
        ("not-when-shown", dict(four=dict(plain=lambda a: after(4))), "not reproduced"),
    ],
)  # fmt: skip
def test_claims_turn(claim, changes, word):
    assert verdict(claim, **changes) == word


def test_masking_is_judged_with_a_gpu():
    both = (0.0, 0.6)
    later: dict[str, Any] = dict(plain=lambda a: after(5 if a else 4))
    for claim in GPU:
        assert verdict(claim, "gpu", masked=both, **later) == "reproduced"
        assert verdict(claim, "gpu", masked=both) == "not reproduced"
        assert verdict(claim, masked=both, **later) == "inconclusive"
        assert verdict(claim) == "inconclusive"
    assert (
        verdict("masking-hides", "gpu", masked=both, prompts=lambda a: after(4 if a else 3), **later)
        == "not reproduced"
    )


def test_smoke_scale_runs_and_is_judged_and_drawn(tmp_path):
    prepared = prepare(find("concept-space"), "smoke", {}, None, "cpu")
    run(prepared, tmp_path / "run", Nobody())
    results = {name: load(tmp_path / "run", experiment=name) for name in prepared.experiments}
    assert results["main"].sizes["member"] == 4
    assert {judge(claim, results, "smoke").verdict for claim in m.study.claims} == {"inconclusive"}
    assert all(isinstance(figure(results), Figure) for figure in m.study.figures)
