"""Oracles: statistics on curves drawn by hand, claims that turn with them, and the whole study at smoke scale."""

import numpy as np
import pytest
import xarray as xr

from ontogeny.judging import judge
from ontogeny.locate import find
from ontogeny.measures.head_importance import WITHOUT
from ontogeny.prepared import prepare
from ontogeny.run import run
from ontogeny.store import load
from ontogeny.studies import icl_curriculum as icl

CLAIMS = {claim.id: claim for claim in icl.study.claims}
SEEDS = 8
STEPS = [0, 25, 50, 75, 100, 150, 300]  # blocks end at 100, 200 and 300


class Nobody:
    """A watcher that looks away."""

    def begin(self, *_):
        pass

    look = end = say = begin


# The error of linear, quadratic and cubic functions, and the quadratic updates seen, at each of the steps.
ERRORS = {
    "quadratic only": ([1, 1, 1, 1, 1, 1, 1], [1, 0.9, 0.8, 0.7, 0.4, 0.3, 0.2], [1] * 7),
    "sequential": ([1, 0.9, 0.6, 0.3, 0.1, 0.7, 0.8], [1, 1, 1, 1, 0.8, 0.2, 0.6], [1] * 7),
    "mixed": ([1, 0.9, 0.6, 0.3, 0.1, 0.2, 0.15], [1, 1, 1, 1, 0.8, 0.4, 0.3], [1, 1, 1, 1, 1, 1, 0.4]),
    "random": ([1, 0.9, 0.9, 0.9, 0.8, 0.5, 0.4], [1, 0.9, 0.9, 0.8, 0.7, 0.4, 0.3], [1] * 7),
    "reverse-mixed": ([1, 1, 1, 1, 1, 0.9, 0.8], [1, 1, 1, 1, 1, 0.8, 0.6], [1] * 7),
    "cubic only": ([1] * 7, [1] * 7, [1] * 7),
}
SEEN = {
    "quadratic only": [0, 25, 50, 75, 100, 150, 300],
    "sequential": [0, 0, 0, 0, 0, 50, 100],
    "mixed": [0, 0, 0, 0, 0, 25, 80],
    "random": [0, 8, 16, 25, 33, 50, 100],
    "reverse-mixed": [0, 0, 0, 0, 0, 25, 80],
    "cubic only": [0] * 7,
}


def drawn(without=None, **changes):
    """A run as its measures give it; `changes` are the errors of a schedule (`_` for the space or the dash)."""
    values = {name: changes.get(name.replace(" ", "_").replace("-", "_"), e) for name, e in ERRORS.items()}
    jitter = 0.001 * np.arange(SEEDS)
    error = np.stack([np.array(e, float).T - j for e in values.values() for j in jitter])
    seen = np.stack([np.array([np.zeros(7), s, np.zeros(7)]).T for s in SEEN.values() for _ in jitter])
    ends = {"none": 0.2, "most important": 0.9, "least important": 0.3, "random": 0.5, "other random": 0.5}
    gone = np.array([(ends | (without or {}))[name] for name in WITHOUT])
    ablated = np.broadcast_to(gone[:, None], (len(error), 7, 5, 3)) + np.zeros((3,))
    names = [name for name in values for _ in jitter]
    return xr.Dataset(
        {
            "error": (("member", "step", "degree"), error),
            "steps_of_each": (("member", "step", "degree"), seen),
            "ablated_error": (("member", "step", "without", "degree"), ablated),
        },
        {
            "step": STEPS,
            "degree": [1, 2, 3],
            "without": list(WITHOUT),
            "schedule": ("member", names),
            "plan": ("member", np.repeat(np.arange(len(values)), SEEDS)),
            "seed": ("member", np.tile(np.arange(SEEDS), len(values))),
        },
    )


def verdict(claim, ds, scale="gpu"):
    return judge(CLAIMS[claim], {"main": ds}, scale).verdict


def test_a_clear_case_reproduces_all():
    assert {name: verdict(name, drawn()) for name in CLAIMS} == dict.fromkeys(CLAIMS, "reproduced")
    judged = {name for name in CLAIMS if verdict(name, drawn(), "desk") == "reproduced"}
    assert set(CLAIMS) - judged == {"mixed-converges", "shared-heads"}


def test_statistics_by_hand():
    ds = drawn()
    kept = icl.forgetting(ds).groupby(ds.schedule).mean()
    assert kept.sel(schedule="sequential").item() == pytest.approx(0.7)
    assert kept.sel(schedule="mixed").item() == pytest.approx(0.05)
    count, reached = icl.quadratic_updates(ds)
    first = dict(zip(ds.schedule.values.tolist(), zip(count.values, reached.values, strict=True), strict=True))
    # Sequential passes 0.5 once, at step 150, and has lost it at the next: not two in succession.
    assert first == {
        "quadratic only": (100, True),
        "sequential": (100, False),
        "mixed": (25, True),
        "random": (50, True),
        "reverse-mixed": (80, False),
        "cubic only": (0, False),
    }
    assert icl.saved_by_mixing(ds).values.tolist() == [2.0] * SEEDS  # 100 to 25
    assert icl.saved_by_order(ds).values.tolist() == [1.0] * SEEDS
    assert icl.saved_in_reverse(ds).values == pytest.approx([np.log2(100 / 80)] * SEEDS)
    # Quadratic: both converge; cubic: mixed alone.
    assert icl.gain_of_convergence(ds).values.tolist() == [0.5] * SEEDS
    assert icl.gain_in_reverse(ds).values.tolist() == [-0.5] * SEEDS
    assert icl.room_for_gain(ds).values.tolist() == [1.0]
    # 0.7 more without the most important heads, 0.1 without the least, 0.3 without random ones.
    assert icl.shared_heads(ds).values == pytest.approx([0.4] * len(ds.member))
    assert icl.random_heads(ds).values == pytest.approx([-0.6] * len(ds.member))


def test_a_schedule_that_never_gets_there_does_not_flatter():
    never = drawn(mixed=(ERRORS["mixed"][0], [1, 1, 1, 1, 0.8, 0.7, 0.6], [1] * 7))
    assert icl.saved_by_mixing(never).isnull().all()
    assert verdict("fewer-hard-samples", never) == "inconclusive"


def test_claims_turn_with_what_is_measured():
    steady = drawn(sequential=([1, 0.9, 0.6, 0.3, 0.1, 0.2, 0.3], *ERRORS["sequential"][1:]))
    assert verdict("sequential-forgets", steady) == "not reproduced"
    assert verdict("mixed-keeps", steady) == "invalid", "nothing is there to be kept"
    lost = drawn(mixed=([1, 0.9, 0.6, 0.3, 0.1, 0.2, 0.5], *ERRORS["mixed"][1:]))
    assert verdict("mixed-keeps", lost) == "not reproduced"
    quick = drawn(quadratic_only=([1] * 7, [1, 0.4, 0.4, 0.3, 0.3, 0.3, 0.2], [1] * 7))
    assert verdict("fewer-hard-samples", quick) == "not reproduced"
    even = drawn(random=(ERRORS["random"][0], [1, 0.9, 0.9, 0.4, 0.4, 0.4, 0.3], [1] * 7))
    assert verdict("order-matters", even) == "not reproduced"
    assert verdict("order-saves-a-fifth", even) == "not reproduced"
    poor = drawn(mixed=(*ERRORS["mixed"][:2], [1] * 7))
    assert verdict("mixed-converges", poor) == "not reproduced"
    assert verdict("shared-heads", drawn(without={"least important": 0.6})) == "not reproduced"


def test_controls_can_fail():
    lost = drawn(random=([1, 0.4, 0.3, 0.3, 0.2, 0.4, 0.5], *ERRORS["random"][1:]))
    assert verdict("sequential-forgets", lost) == "invalid"
    quick = ([1] * 7, [1, 1, 1, 1, 1, 0.3, 0.3], [1, 1, 1, 1, 1, 1, 0.4])
    reverse = drawn(reverse_mixed=quick)
    assert verdict("fewer-hard-samples", reverse) == "invalid"
    assert verdict("order-matters", reverse) == "invalid"
    assert verdict("order-saves-a-fifth", reverse) == "invalid"
    assert verdict("mixed-converges", reverse) == "invalid"
    assert verdict("shared-heads", drawn(without={"other random": 0.2})) == "invalid"


def test_gates():
    desk = [name for name, claim in CLAIMS.items() if "desk" in claim.scales]
    slow = drawn(quadratic_only=([1] * 7, [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.45], [1] * 7))
    assert {verdict(name, slow) for name in desk} == {"inconclusive"}
    unlearned = drawn(mixed=([1, 0.9, 0.6, 0.3, 0.25, 0.2, 0.15], *ERRORS["mixed"][1:]))
    assert {verdict(name, unlearned) for name in desk} == {"inconclusive"}
    always = drawn(cubic_only=([1] * 7, [1] * 7, [1, 1, 1, 1, 1, 1, 0.3]))
    assert verdict("mixed-converges", always) == "inconclusive", "there is nothing to gain"


def test_smoke_scale_runs_and_is_drawn(tmp_path):
    run(prepare(find("icl-curriculum"), "smoke", {}, None, "cpu"), tmp_path / "run", Nobody())
    ds = load(tmp_path / "run", experiment="main")
    assert dict(ds.sizes)["member"] == 10
    assert ds.step.values.tolist() == [0, 7, 14, 20]
    counts = ds.steps_of_each.sel(step=14).isel(member=ds.schedule.values == "sequential")
    assert (counts == [7, 7, 0]).all()
    # Sequential and mixed are the same training until the first block ends.
    alike = [ds.error.sel(step=[0, 7]).isel(member=ds.schedule.values == name) for name in ("sequential", "mixed")]
    np.testing.assert_array_equal(*alike)
    figures = [figure({"main": ds}) for figure in icl.study.figures]
    assert [len(figure.panels) for figure in figures] == [3, 2, 3, 3, 2]
    assert "mixed 0 of 2 (0.00 to 0.84)" in figures[0].caption
