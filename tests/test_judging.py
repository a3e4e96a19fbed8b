"""Oracles: results made so that the verdict is known, one test a rule."""

import functools

import numpy as np
import pytest
import xarray as xr

from ontogeny.claims import Bound, Claim, Control, Gate
from ontogeny.errors import RunFailed, UserError
from ontogeny.judging import judge


def run(**columns):
    """A dataset of members from columns; `x` is measured, the rest are factors."""
    n = len(next(iter(columns.values())))
    values = {name: ("member", np.asarray(columns[name])) for name in ("x", "y") if name in columns}
    factors = {name: ("member", np.asarray(v)) for name, v in columns.items() if name not in values}
    return xr.Dataset(values, {"member": range(n), **factors})


def x(ds):
    return ds.x


def verdict(values, scale="desk", **fields):
    return judge(Claim("c", "it is so", x, **fields), {"main": run(x=values)}, scale)


# --- what an interval decides ---

NARROW = [0.89, 0.90, 0.91, 0.90]  # t interval 0.887 to 0.913


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (dict(above=0.8), "reproduced"),
        (dict(above=0.9), "inconclusive"),
        (dict(above=0.95), "not reproduced"),
        (dict(below=0.95), "reproduced"),
        (dict(below=0.9), "inconclusive"),
        (dict(below=0.8), "not reproduced"),
        (dict(between=(0.8, 1.0)), "reproduced"),
        (dict(between=(0.9, 1.0)), "inconclusive"),
        (dict(between=(0.895, 0.905)), "inconclusive"),
        (dict(between=(0.92, 1.0)), "not reproduced"),
        (dict(between=(0.7, 0.8)), "not reproduced"),
    ],
)
def test_interval_against_threshold(bound, expected):
    found = verdict(NARROW, **bound)
    assert found.verdict == expected
    # mean 0.9; squared deviations 2e-4, s = sqrt(2e-4 / 3), half = 3.18245 s / 2 = 0.012993
    assert (found.statistic, found.low, found.high) == pytest.approx((0.9, 0.887007, 0.912993), abs=1e-6)
    assert (found.n, found.unit, found.interval) == (4, "seeds", "t")
    assert found.threshold == next(iter(bound.values()))


@pytest.mark.parametrize(
    ("bound", "expected"), [(dict(above=0.0), "not reproduced"), (dict(below=0.0), "not reproduced")]
)
def test_on_the_threshold_is_not_beyond_it(bound, expected):
    assert verdict([0.0] * 4, **bound).verdict == expected
    for decides in ("mean", "median", "every"):
        assert verdict([0.0] * 4, decides=decides, **bound).verdict == expected


def test_a_constant_is_judged_by_its_value_without_rounding():
    assert verdict([0.1] * 6, above=0.1).verdict == "not reproduced"  # the sum of six 0.1 over 6 is not 0.1
    assert verdict([0.1] * 6, above=0.0999).verdict == "reproduced"


# --- what else can decide ---


@pytest.mark.parametrize(
    ("decides", "values", "expected", "statistic"),
    [
        ("mean", [0, 0, 0, 5], "reproduced", 1.25),
        ("mean", [2, 2, 2, -5], "not reproduced", 0.25),
        ("median", [0, 0, 0, 5], "not reproduced", 0),
        ("median", [2, 2, 2, -5], "reproduced", 2),
        ("every", [2, 2, 2, 5], "reproduced", 2.75),
        ("every", [2, 2, 2, 0.5], "not reproduced", 1.625),
    ],
)
def test_deciders_never_doubt(decides, values, expected, statistic):
    found = verdict(values, decides=decides, above=1.0)
    assert (found.verdict, found.statistic) == (expected, statistic)
    if decides != "mean":
        assert (found.interval, found.low, found.high) == ("range", min(values), max(values))
    else:
        assert found.interval == "t"


def test_every_says_how_many_do_not():
    assert verdict([2, 0, 0.5, 5], decides="every", above=1.0).why == "2 of 4 seeds, which span 0 to 5, not above 1"


# --- how many replicates ---


@pytest.mark.parametrize("values", [[5.0, 5.1, 5.2], [-5.0, -5.1, -5.2], [5.0]])
@pytest.mark.parametrize("decides", ["interval", "mean", "median", "every"])
def test_fewer_than_four_are_inconclusive(values, decides):
    found = verdict(values, decides=decides, above=1.0)
    assert found.verdict == "inconclusive"
    assert found.why == f"a verdict needs at least 4 seeds, got {len(values)}"
    assert found.statistic == pytest.approx(np.mean(values), abs=0.1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("interval", ["t", "none"])
def test_an_undefined_replicate_is_inconclusive(bad, interval):
    found = verdict([5.0, 5.1, bad, 5.2, 5.3, bad], interval=interval, above=1.0)
    assert found.verdict == "inconclusive"
    assert found.why == "2 of 6 seeds diverged or have no value"
    assert (found.n, found.statistic) == (4, pytest.approx(5.15))
    assert verdict([-5.0, -5.1, bad, -5.2, -5.3], interval=interval, above=1.0).verdict == "inconclusive"


@pytest.mark.parametrize("values", [[np.nan] * 4, []])
def test_nothing_to_judge_by(values):
    found = verdict(np.array(values, float), above=1.0)
    assert (found.verdict, found.n, found.interval) == ("inconclusive", 0, "none")
    assert np.isnan([found.statistic, found.low, found.high]).all()


def test_an_exact_result_needs_no_interval_and_no_number():
    found = verdict([2.0], interval="none", above=1.0)
    assert (found.verdict, found.interval) == ("reproduced", "none")
    assert np.isnan([found.low, found.high]).all()
    # A theorem holds everywhere: one exception refutes it, whatever the mean.
    assert verdict([2.0, 9.0, 0.5], interval="none", above=1.0).verdict == "not reproduced"
    assert verdict([2.0, 9.0, 0.5], interval="none", decides="mean", above=1.0).verdict == "reproduced"


def test_a_single_number_is_one_replicate():
    claim = Claim("c", "", lambda ds: ds.x.mean(), above=0.0, interval="none")
    assert judge(claim, {"main": run(x=[1.0, 2.0])}, "desk").n == 1


# --- true or false ---


@pytest.mark.parametrize("values", [[True] * 8, [1.0] * 8])
def test_binomial(values):
    kind = "t" if values[0] is True else "binomial"  # a boolean is known by its type
    found = verdict(values, interval=kind, above=0.63)
    assert (found.verdict, found.interval, found.statistic) == ("reproduced", "binomial", 1.0)
    assert (found.low, found.high) == pytest.approx((0.025 ** (1 / 8), 1.0))  # 0.6306
    assert verdict(values, interval=kind, above=0.64).verdict == "inconclusive"


def test_binomial_wants_true_or_false():
    with pytest.raises(UserError, match=r"claim 'c': interval='binomial' needs values that are 0 or 1, got 0\.5"):
        verdict([1, 0, 0.5, 1], interval="binomial", above=0.3)


# --- controls and gates ---

TWO = {"main": run(x=[5.0, 5.1, 5.2, 5.1, 0.0, 0.1, 0.2, 0.1], y=[0.0] * 8, depth=[2] * 4 + [1] * 4)}


def judged(control=None, gate=None, **fields):
    return judge(
        Claim("c", "it is so", x, where=dict(depth=2), above=1.0, control=control, gate=gate, **fields), TWO, "desk"
    )


def test_a_control_that_holds_is_reported():
    found = judged(Control("shallow", where=dict(depth=1), below=1.0))
    assert found.verdict == "reproduced"
    assert found.control is not None
    assert found.control.as_json() == {
        "says": "shallow", "statistic": pytest.approx(0.1), "direction": "below", "threshold": 1.0, "n": 4,
        "held": True,
    }  # fmt: skip


def test_a_failed_control_makes_the_claim_invalid():
    found = judged(Control("shallow", where=dict(depth=1), below=0.05))
    assert found.verdict == "invalid"
    assert found.why == "the control 'shallow' failed: the mean over 4 seeds, 0.1, does not lie below 0.05"
    assert found.control is not None
    assert found.control.held is False


def test_a_control_fails_even_when_the_claim_does():
    assert judged(Control("shallow", where=dict(depth=1), above=1.0), decides="every").verdict == "invalid"
    lost = Claim("c", "", x, where=dict(depth=1), above=1.0, control=Control("deep", where=dict(depth=2), below=1.0))
    assert judge(lost, TWO, "desk").verdict == "invalid"


@pytest.mark.parametrize(("share", "held"), [(1, None), (0.5, False)])
def test_a_control_that_cannot_be_computed_makes_the_claim_invalid(share, held):
    def undefined(ds):
        return ds.y.where(np.arange(ds.sizes["member"]) >= share * ds.sizes["member"])

    found = judged(Control("no effect", undefined, below=1.0))
    assert found.verdict == "invalid"
    assert found.why == f"the control 'no effect' failed: {4 * share:.0f} of 4 replicates have no value"
    assert found.control is not None
    assert found.control.held is held


def test_what_a_control_leaves_out_is_the_claims_own():
    seen = []

    def look(ds):
        seen.append(sorted(set(ds.depth.values.tolist())))
        return ds.y

    judged(Control("same members", look, below=1.0))
    judged(Control("all members", look, where={}, below=1.0))
    assert seen == [[2], [1, 2]]


def test_a_control_on_another_experiment_leaves_the_claims_where_behind():
    results = TWO | {"other": run(x=[0.0] * 5, width=[1] * 5)}
    claim = Claim("c", "", x, where=dict(depth=2), above=1.0, control=Control("other", of="other", below=1.0))
    found = judge(claim, results, "desk")
    assert found.verdict == "reproduced"
    assert found.control is not None
    assert found.control.n == 5


def test_a_control_by_interval_must_lie_wholly_inside_its_bound():
    wide = Control("shallow", where=dict(depth=1), below=0.15, decides="interval")  # 0.1 -+ 0.13
    assert judged(wide).verdict == "invalid"
    few = Control("shallow", lambda ds: ds.y[:3], below=1.0, decides="interval")
    assert judged(few).why == "the control 'shallow' failed: an interval needs at least 4 seeds, got 3"


def test_a_gate_that_is_met_changes_nothing():
    assert judged(gate=Gate("learned", x, above=4.0)).verdict == "reproduced"


@pytest.mark.parametrize("bound", [dict(above=5.05), dict(below=4.0)])
def test_a_gate_that_is_not_met_is_inconclusive(bound):
    found = judged(gate=Gate("learned", x, **bound))
    assert found.verdict == "inconclusive"
    assert found.why.startswith("the gate 'learned' is not met: ")
    assert found.statistic == pytest.approx(5.1)


def test_a_gate_asks_every_replicate_unless_told():
    assert judged(gate=Gate("learned", x, above=5.05)).verdict == "inconclusive"  # one of four has 5.0
    assert judged(gate=Gate("learned", x, above=5.05, decides="mean")).verdict == "reproduced"


def test_an_undefined_gate_is_not_met():
    found = judged(gate=Gate("learned", lambda ds: ds.x.where(ds.x > 5.05), above=1.0))
    assert found.why == "the gate 'learned' is not met: 1 of 4 replicates have no value"


def test_a_gate_goes_before_the_control():
    # What has not learned says nothing, of the control either.
    found = judged(Control("shallow", where=dict(depth=1), above=1.0), Gate("learned", x, above=9.0))
    assert found.verdict == "inconclusive"


# --- scales ---


@pytest.mark.parametrize(("scale", "scales"), [("smoke", ("smoke", "gpu")), ("smoke", ("gpu",)), ("desk", ("gpu",))])
@pytest.mark.parametrize("values", [[5.0, 5.1, 5.2, 5.1], [-5.0, -5.1, -5.2, -5.1]])
def test_elsewhere_a_claim_is_inconclusive_with_its_numbers(scale, scales, values):
    found = verdict(values, scale, scales=scales, above=1.0)
    assert (found.verdict, found.why) == ("inconclusive", f"judged at gpu scale, not at {scale}")
    assert found.statistic == pytest.approx(np.mean(values))
    assert found.low < found.high


def test_elsewhere_a_failed_control_is_not_invalid():
    control = Control("shallow", where=dict(depth=1), above=1.0)
    found = judged(control, scales=("gpu",))
    assert found.verdict == "inconclusive"
    assert found.control is not None
    assert found.control.held is False


def test_elsewhere_what_cannot_be_computed_is_said():
    claim = Claim("c", "", x, where=dict(depth=3), above=1.0, control=Control("deep", where=dict(depth=2), below=9.0))
    found = judge(claim, TWO, "smoke")
    assert (found.verdict, found.n) == ("inconclusive", 0)
    assert "not computed here: claim 'c': no member has depth=3" in found.why
    assert found.control is not None
    assert found.control.statistic == pytest.approx(5.1)


# --- mistakes in a study's file ---


def broken(ds):
    return ds.accuracy  # the line that the error names


def test_a_statistic_that_raises_is_named_with_its_line():
    line = broken.__code__.co_firstlineno + 1
    for statistic in (broken, functools.partial(broken)):
        with pytest.raises(RunFailed) as caught:
            judge(Claim("c", "", statistic, above=1.0), TWO, "desk")
        assert str(caught.value).startswith(
            f"claim 'c': its statistic failed at test_judging.py, line {line}: AttributeError: "
        )
        assert "\n" not in str(caught.value)
        assert isinstance(caught.value.__cause__, AttributeError)


def test_an_error_inside_a_library_is_placed_in_the_study():
    def statistic(ds):
        return ds.x.sel(member=99)

    with pytest.raises(RunFailed, match=rf"test_judging\.py, line {statistic.__code__.co_firstlineno + 1}: KeyError"):
        judge(Claim("c", "", statistic, above=1.0), TWO, "desk")


def test_an_error_of_a_control_says_so():
    with pytest.raises(RunFailed, match="claim 'c', its control: its statistic failed at"):
        judged(Control("broken", broken, below=1.0))
    with pytest.raises(RunFailed, match="claim 'c', its gate: its statistic failed at"):
        judged(gate=Gate("broken", broken, below=1.0))


@pytest.mark.parametrize(
    ("statistic", "match"),
    [
        (lambda ds: 3.0, "gives a float: return a DataArray"),
        (lambda ds: ds.x.expand_dims(step=2), "has the dimensions step, member: return one value a replicate"),
        (lambda ds: ds.x.astype(str), "values of type <U.*: return numbers"),
    ],
)
def test_a_statistic_of_the_wrong_shape(statistic, match):
    with pytest.raises(UserError, match=f"claim 'c': its statistic {match}|claim 'c': its statistic gives {match}"):
        judge(Claim("c", "", statistic, above=1.0), TWO, "desk")


def test_an_unknown_experiment():
    with pytest.raises(UserError, match="claim 'c': no experiment 'mian': did you mean 'main'"):
        judge(Claim("c", "", x, of="mian", above=1.0), TWO, "desk")


def test_bounds_in_words():
    assert [str(Bound("above", 0.5)), str(Bound("between", (-1.0, 2.5)))] == ["above 0.5", "between -1 and 2.5"]


def test_a_level_that_the_user_left_out_is_inconclusive_and_not_an_error():
    ds = xr.Dataset({"x": ("member", [1.0] * 4)}, coords={"noise": ("member", [0.0] * 4)})
    claim = Claim("a", "b", lambda d: d.x, where={"noise": 0.3}, above=0.0)
    verdict = judge(claim, {"main": ds}, "desk", changed=True)
    assert verdict.verdict == "inconclusive"
    assert "not computed with these levels: claim 'a': no member has noise=0.3" in verdict.why
    with pytest.raises(UserError, match="no member has noise=0.3"):
        judge(claim, {"main": ds}, "desk")
