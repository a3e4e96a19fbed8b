"""Oracles: statistics on curves drawn by hand, and the whole study at smoke scale."""

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.optimize import brentq

from ontogeny.judging import judge
from ontogeny.locate import find
from ontogeny.prepared import prepare
from ontogeny.report.figure import Line
from ontogeny.run import run
from ontogeny.store import load
from ontogeny.studies import faithful_cot as cot
from ontogeny.tasks.noisy_arithmetic import NoisyArithmeticChain


class Nobody:
    """A watcher that looks away."""

    def say(self, *_):
        pass

    def begin(self, *_):
        pass

    look = end = begin


STEPS = (0, 50, 100, 150, 200, 250)


def drawn(*, noise=(0.3,), count=4, **curves):
    """A dataset as a run gives it: every member of a level has the curve given, over the steps above."""
    members = [(eps, 1_000 + s) for eps in noise for s in range(count)]
    data = {"accuracy": np.ones((len(members), len(STEPS)))}
    for name, curve in curves.items():
        data[name] = np.broadcast_to(np.asarray(curve, float), (len(members), len(STEPS))).copy()
    ds = xr.Dataset({name: (("member", "step"), values) for name, values in data.items()}, {"step": list(STEPS)})
    for name in ("following", "skipping"):
        if name in ds:
            ds[name] = xr.concat([ds[name], 0 * ds[name]], xr.Variable("product", ["non-zero", "zero"]))
    return ds.assign_coords(
        prompt_noise=("member", [0.01] * len(members)),
        step_noise=("member", [eps for eps, _ in members]),
        seed=("member", [seed for _, seed in members]),
    )


SWITCH = dict(
    following=[0.1, 0.5, 0.9, 0.5, 0.1, 0.0],
    skipping=[0.1, 0.1, 0.0, 0.4, 0.8, 1.0],
    alarm=[0.50, 0.51, 0.55, 0.72, 0.64, 0.63],
)


def test_alarm_is_read_where_the_rarer_answer_is_most_common():
    ds = drawn(**SWITCH)
    assert cot.alarm_when_mixed(ds).values.tolist() == [0.72] * 4  # min(.5, .4), at step 150
    assert cot.alarm_when_faithful(ds).values.tolist() == [0.55] * 4  # .9 - 0, at step 100
    assert cot.alarm_rise(ds).values == pytest.approx([0.17] * 4)
    claims = {claim.id: claim for claim in cot.study.claims}
    for name in ("alarm", "alarm-rises"):
        noisy = ds.assign(alarm=ds.alarm + xr.DataArray([0.0, 0.01, 0.02, 0.03], dims="member") * (ds.step == 150))
        assert judge(claims[name], {"main": noisy}, "desk").verdict == "reproduced"


def test_each_member_is_read_at_its_own_checkpoint():
    ds = drawn(**SWITCH)
    late = ds.isel(member=[3]).roll(step=1)
    both = xr.concat([ds.isel(member=slice(0, 3)), late], "member")
    both["alarm"] = both.alarm + xr.DataArray([0.0, 0.0, 0.0, 0.1], dims="member")
    assert cot.alarm_when_mixed(both).values == pytest.approx([0.72, 0.72, 0.72, 0.82])


# Raw .8, .5, .5, 1.1, 1.1, .3 -> running median of 3 (of 2 at the ends) .65, .5, .5, 1.1, 1.1, .7.
HUMP = [0.8, 0.5, 0.5, 1.1, 1.1, 0.3]


def test_hump_by_hand():
    ds = drawn(entropy=HUMP, **SWITCH)
    assert cot.smooth_entropy(ds)[0].values == pytest.approx([0.65, 0.5, 0.5, 1.1, 1.1, 0.7])
    assert cot.entropy_rise(ds).values == pytest.approx([0.6] * 4)
    assert cot.passed_both_modes(ds).all()
    assert cot.hump(ds).values.tolist() == [1] * 4  # up by .6, down by .4
    assert cot.hump(drawn(entropy=[*HUMP[:5], 1.05], **SWITCH)).values.tolist() == [0] * 4  # down by .025
    falling = drawn(entropy=[2.0, 1.5, 1.2, 0.8, 0.4, 0.1], **SWITCH)
    assert cot.entropy_rise(falling).values.tolist() == [0] * 4
    assert cot.hump(falling).values.tolist() == [0] * 4


def test_the_hump_counts_once_chains_are_learned_and_only_for_those_that_passed():
    ds = drawn(entropy=HUMP, **SWITCH)
    ds["accuracy"] = ds.accuracy.where(ds.step >= 150, 0.5)  # the rise from .5 is over before it counts
    assert cot.entropy_rise(ds).values.tolist() == [0] * 4
    never = ds.assign(accuracy=0 * ds.accuracy)
    assert cot.entropy_rise(never).isnull().all()
    direct = drawn(entropy=HUMP, **{**SWITCH, "following": [0.1, 0.5, 0.5, 0.3, 0.1, 0.0]})
    assert cot.hump(direct).sizes["member"] == 0
    back = drawn(entropy=HUMP, following=SWITCH["skipping"], skipping=SWITCH["following"])
    assert not cot.passed_both_modes(back).any()  # it skipped first


LEVELS = (0.0, 0.02, 0.05, 0.3)


def four_levels(*following):
    return xr.concat(
        [drawn(noise=(e,), following=f, skipping=1 - f) for e, f in zip(LEVELS, following, strict=True)],
        "member",
    )


def test_rank_correlation_by_hand():
    assert cot.rank_correlation(four_levels(1.0, 0.9, 0.8, 0.1)).values.tolist() == [-1] * 4
    # Ranks 4, 2, 3, 1 against 1, 2, 3, 4: 1 - 6 * (9 + 0 + 0 + 9) / 60 = -.8, which still fits the claim.
    one_swap = four_levels(1.0, 0.8, 0.9, 0.1)
    assert cot.rank_correlation(one_swap).values == pytest.approx([-0.8] * 4)
    assert cot.rank_correlation(four_levels(0.5, 0.5, 0.5, 0.5)).isnull().all()
    claim = next(claim for claim in cot.study.claims if claim.id == "falls-with-noise")
    assert judge(claim, {"main": one_swap}, "desk").verdict == "reproduced"
    assert judge(claim, {"main": four_levels(0.9, 1.0, 0.8, 0.85)}, "desk").verdict == "not reproduced"


def test_one_seed_may_be_late():
    ds = four_levels(1.0, 0.95, 0.9, 0.1)
    ds["following"][dict(member=-1)] = 0.92
    assert (cot.rank_correlation(ds) <= -0.8).all()


def test_thresholds_on_a_clear_case_and_their_gate():
    ds = four_levels(1.0, 0.95, 0.9, 0.1)
    ds["optimal_following"], ds["optimal_skipping"] = 0 * ds.following + 0.16, 0 * ds.following + 0.83
    ds["following"] = ds.following + xr.DataArray(np.tile([0.0, 0.01, 0.02, 0.03], 4), dims="member") / 10
    claims = [*cot.threshold, *cot.simplicity]
    words = {claim.id: judge(claim, {"main": ds}, "desk").verdict for claim in claims if "desk" in claim.scales}
    assert set(words.values()) == {"reproduced"}
    assert len(words) == 7
    slow = ds.assign(accuracy=ds.accuracy.where(ds.step_noise != 0.3, 0.85))
    words = {claim.id: judge(claim, {"main": slow}, "desk").verdict for claim in claims if "desk" in claim.scales}
    assert {name for name, word in words.items() if word == "inconclusive"} == {
        "unfaithful-0.3",
        "skips-0.3",
        "skips-more-0.3",
        "falls-with-noise",
    }
    skips = ds.copy()
    skips["skipping"] = ds.skipping.where(ds.step_noise > 0, 0.2)
    assert judge(cot.threshold[0], {"main": skips}, "desk").verdict == "invalid"


def test_crossing_by_hand():
    assert "near 0.1 " in cot.crossing([0.0, 0.01, 1.0], [1.0, 0.5, -0.5]) + " "  # half way in ln
    assert "below 0.02" in cot.crossing([0.0, 0.02], [1.0, -1.0])
    assert "do not change" in cot.crossing([0.0, 0.02], [1.0, 0.5])


@pytest.mark.parametrize("eps1", [0.01, 0.1])
def test_the_exact_posterior_changes_sides_at_equal_noise(eps1):
    written = {name: torch.tensor([value]) for name, value in dict(a=2, b=3, op=0, c=4, product=7).items()}

    def lead(eps2):
        task = NoisyArithmeticChain(prompt_noise=eps1, step_noise=eps2)
        p = task.answer_posterior(written)[0]
        return float(p[0] - p[10])  # 7 + 4 = 0, 6 + 4 = 10 mod 11

    assert brentq(lead, 1e-4, 0.8) == pytest.approx(eps1, rel=1e-6)
    if eps1 == 0.01:  # the control of C2 by hand: 9.5e-4 - 4.95e-3 over 5.945e-3
        assert lead(0.05) == pytest.approx(-0.6728, abs=1e-4)


def test_smoke_scale_runs_and_is_judged_and_drawn(tmp_path):
    prepared = prepare(find("faithful-cot"), "smoke", {}, None, "cpu")
    run(prepared, tmp_path / "run", Nobody())
    ds = load(tmp_path / "run")
    assert ds.sizes["member"] == 8
    assert ds.step.values.tolist() == [0, 15, 30]
    assert set(ds.step_noise.values.tolist()) == set(LEVELS)
    shares = (ds.following + ds.skipping).values
    assert ((shares >= 0) & (shares <= 1)).all()
    np.testing.assert_allclose(ds.generated.sum(("written_step", "final_answer")), 1)
    # Levels of one seed start alike and are asked the same: nothing differs before training but the optimum.
    start = ds.isel(step=0).where(ds.seed == ds.seed[0], drop=True)
    for name in ("following", "entropy", "alarm", "invariance_of", "probe_new_pairs"):
        assert (start[name] == start[name].isel(member=0)).all(), name
    optimal = (ds.optimal_following - ds.optimal_skipping).sel(product="non-zero", step=30)
    np.testing.assert_allclose(optimal.where(ds.step_noise == 0, drop=True), 1)  # weights .99 * 0 and .01 / 4 * 1
    # p = 5, eps2 = .05: skip .99 * .05 / 4 = .012375, follow .0025 * .95 = .002375, the other three 3.125e-5 each.
    expected = (0.002375 - 0.012375) / (0.002375 + 0.012375 + 3 * 3.125e-5)
    np.testing.assert_allclose(optimal.where(ds.step_noise == 0.05, drop=True), expected, rtol=1e-5)
    verdicts = [judge(claim, {"main": ds}, "smoke") for claim in cot.study.claims]
    assert {verdict.verdict for verdict in verdicts} == {"inconclusive"}
    computed = {verdict.id for verdict in verdicts if verdict.n}
    assert computed >= {claim.id for claim in cot.study.claims if "desk" in claim.scales}
    threshold, passage = (figure({"main": ds}) for figure in cot.study.figures)
    optimum = [mark for mark in threshold.panels[0].marks if isinstance(mark, Line) and mark.name == "optimum"]
    ahead = optimum[0].y > optimum[1].y  # following before skipping just below the prompt noise
    assert (ahead == (optimum[0].x < 0.01)).all()
    assert [panel.y.text for panel in passage.panels] == [
        "following (share of prompts)",
        "entropy (nats)",
        "alarm (AUROC)",
    ]
