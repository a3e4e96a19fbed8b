"""Oracles: statistics on curves drawn by hand, and the whole study at smoke scale."""

import math

import numpy as np
import pytest
import xarray as xr

from ontogeny.claims import narrow
from ontogeny.judging import judge
from ontogeny.locate import find
from ontogeny.prepared import prepare
from ontogeny.run import run
from ontogeny.store import load
from ontogeny.studies import shattered_compositionality as sc


class Nobody:
    """A watcher that looks away."""

    def say(self, *_):
        pass

    def begin(self, *_):
        pass

    look = end = begin


STEPS = [0, 100, 200, 400, 800]
PLACES = ["hundreds", "tens", "units"]
CONSTANT = [0.53, 0.9, 0.9]
NEVER = [0.9] * 5
FOUND = [
    [0.9, 0.1, 0.1, 0.0, 0.0],  # half of 0.53 by step 100
    [0.9, 0.6, 0.4, 0.5, 0.1],  # half of 0.9 at 200, where it does not stay
    NEVER,
]
NOTHING = [[0.9, 0.55, 0.55, 0.55, 0.55], NEVER, NEVER]
CLAIMS = {claim.id: claim for claim in sc.study.claims}


def sums(plain=FOUND, leading=NOTHING, tens=(FOUND[0], NEVER, NEVER), units=FOUND, reverse=FOUND):
    """A dataset of additions: every member of a condition has the curves given."""
    curves = np.array([plain, leading, tens, units, reverse], float)
    errors = np.repeat(curves, 4, axis=0)  # [member, place, step]
    members = len(errors)
    told = np.full((members, 2, 3, 5), 0.1)
    told[..., 0] = 0.001
    dims = ("member", "place", "step")
    own = {
        "place_error": (dims, errors),
        "constant_error": (dims, np.broadcast_to(np.array(CONSTANT)[:, None], errors.shape)),
        "information": (("member", "input_place", "place", "step"), told),
        "data_information": (("member", "input_place", "place", "step"), np.full(told.shape, 0.1)),
        "units_information": (("member", "step"), np.full((members, 5), 0.01)),
    }
    ds = xr.Dataset(own, {"step": STEPS, "place": PLACES, "input_place": PLACES[1:]})
    return ds.assign_coords(
        condition=("member", np.repeat(sc.CONDITIONS, 4)),
        order=("member", [123] * 16 + [321] * 4),
        randomised=("member", np.repeat([0, 1, 2, 3, 0], 4)),
        steps=("member", np.repeat([800, 800, 400, 800, 400], 4)),
        seed=("member", list(range(1_000, 1_004)) * 5),
    )


def plain(ds):
    return narrow(ds, {"condition": sc.PLAIN})


def word(name, ds, of="addition", scale="desk"):
    return judge(CLAIMS[name], {of: ds}, scale).verdict


def test_times_and_order_by_hand():
    ds = sums()
    assert sc.acquired(plain(ds))[0].values.tolist() == [100, 200, math.inf]
    assert sc.reverse_order(plain(ds)).values.tolist() == [1] * 4
    assert sc.reverse_order(narrow(ds, {"condition": sc.NO_LEADING})).values.tolist() == [0] * 4
    assert word("reverse-order", ds) == "reproduced"
    human = sums(plain=FOUND[::-1])
    assert sc.reverse_order(plain(human)).values.tolist() == [-1] * 4
    assert word("reverse-order", human) == "not reproduced"
    assert word("reverse-order", sums(leading=FOUND)) == "invalid"


def test_one_network_that_goes_another_way_is_too_many():
    ds = sums()
    ds.place_error[1] = np.array([FOUND[0], NEVER, NEVER])
    assert sc.reverse_order(plain(ds)).values.tolist() == [1, 0.5, 1, 1]
    assert word("reverse-order", ds) == "not reproduced"


def test_scaffold_counts_doublings():
    ds = sums()
    assert sc.doublings_without_leading(ds).values.tolist() == [2] * 4  # 800 over 200, the end being 800
    assert sc.doublings_without_units(ds).values.tolist() == [0] * 4
    assert word("scaffold", ds) == "reproduced"
    twice = [FOUND[0], [0.9, 0.6, 0.6, 0.4, 0.4], NEVER]
    assert sc.doublings_without_leading(sums(leading=twice)).values.tolist() == [1] * 4
    assert word("scaffold", sums(leading=twice)) == "reproduced"  # twice as long, or more
    assert word("scaffold", sums(leading=FOUND)) == "not reproduced"
    assert word("scaffold", sums(units=twice)) == "invalid"  # a factor 2 is over 1.6


def test_information_is_read_when_the_tens_come():
    ds = sums()
    ds.information[..., 0, 0, 2] = 0.095  # at step 200
    assert sc.leading_when_tens_come(plain(ds)).values == pytest.approx([0.95] * 4)
    assert sc.units_when_tens_come(plain(ds)).values == pytest.approx([0.01 / math.log(10)] * 4)
    assert sc.informed_at_start(plain(ds)).values == pytest.approx([0.01] * 4)
    assert word("leading-correlation", ds) == "reproduced"
    assert word("units-ignored", ds) == "reproduced"
    ds.units_information[:, 2] = 0.12  # 5.2 % of ln 10
    assert word("units-ignored", ds) == "not reproduced"
    ds.information[..., 0, 0, 2] = 0.07
    assert word("leading-correlation", ds) == "not reproduced"
    assert word("units-ignored", ds) == "invalid"
    ds.information[..., 0, 0, 0] = 0.03
    assert word("leading-correlation", ds) == "invalid"
    never = sums(plain=NOTHING)
    assert sc.leading_when_tens_come(plain(never)).isnull().all()
    assert word("leading-correlation", never) == "inconclusive"


def test_meaningless_tens_stay_at_chance():
    ds = sums()
    assert word("meaningless", ds) == "reproduced"
    assert word("meaningless", sums(tens=FOUND)) == "not reproduced"
    late = (FOUND[0], [*NEVER[:4], 0.1], NEVER)  # after that condition's own end, at 400
    assert word("meaningless", sums(tens=late)) == "reproduced"
    assert word("meaningless", sums(plain=NOTHING)) == "invalid"


def pairs(balanced, free):
    """A dataset of comparisons: the steps at which each place comes to be right."""
    steps = [20, 50, 100, 200, 400, 600]
    right = np.array([[[0.9 if step >= time else 0.5 for step in steps] for time in row] for row in (balanced, free)])
    ds = xr.Dataset({"deciding_accuracy": (("member", "place", "step"), np.repeat(right, 4, axis=0))}, {"step": steps})
    return ds.assign_coords(balanced=("member", [1.0] * 4 + [0.0] * 4), seed=("member", list(range(1_000, 1_004)) * 2))


def test_parallel_places_by_hand():
    ds = pairs((50, 100, 200, 200), (20, 100, 999, 999))
    assert sc.place_times(ds)[0].values.tolist() == [50, 100, 200, 200]
    assert sc.place_times(ds)[4].values.tolist() == [20, 100, 600, 600]
    assert sc.time_ratio(ds).values.tolist() == [4] * 4 + [30] * 4
    assert word("parallel", ds, "comparison") == "reproduced"
    assert word("parallel", pairs((20, 100, 200, 200), (20, 999, 999, 999)), "comparison") == "not reproduced"
    assert word("parallel", pairs((50, 100, 200, 200), (50, 100, 200, 400)), "comparison") == "invalid"
    once = pairs((50, 100, 200, 200), (20, 100, 999, 999))
    once.deciding_accuracy[0, 0, 0] = 0.9  # right at 20
    once.deciding_accuracy[0, 0, 1] = 0.5  # and wrong again at 50: 100 and 200 are the first two in a row
    assert sc.place_times(once)[0].values.tolist() == [100, 100, 200, 200]


def test_conflict_ratio_by_hand():
    values = np.zeros((4, 2, 2, 5))  # [member, step, test, kind]
    values[:, 1, 0, 1:3] = 0.02, 0.01  # swaps and repeats on conflicting lists
    values[:, 1, 1, 1] = [0.005, 0.004, 0.005, 0.0]
    dims = ("member", "step", "test", "kind")
    kinds = ["right", "swap", "repeat", "misorder", "other"]
    ds = xr.Dataset(
        {"mixing": (dims, values)}, {"step": [0, 10], "test": ["conflicting", "agreeing"], "kind": kinds}
    ).assign_coords(seed=("member", list(range(1_000, 1_004))))
    assert sc.conflict_ratio(ds).values == pytest.approx([6, 7.5, 6, 60])  # the last with one in 2,000
    assert sc.conflict_ratio_at_start(ds).values.tolist() == [0] * 4
    assert judge(CLAIMS["mixing"], {"sorting": ds}, "desk").verdict == "inconclusive"
    even = ds.isel(member=[0, 1, 2, 0])
    assert judge(CLAIMS["mixing"], {"sorting": even}, "gpu").verdict == "reproduced"


def test_conditions_of_one_length_are_one_population():
    for name, experiment in sc.study.experiments("desk").items():
        lengths = {row.get("steps") for row in experiment.factors.rows()}
        assert len(experiment.populations(experiment.factors.rows())) == len(lengths), name
    rows = sc.addition().factors.rows()
    assert len(rows) == 30
    assert [(row["condition"], row["order"], row["randomised"]) for row in rows[::6]] == [
        (sc.PLAIN, 123, 0),
        (sc.NO_LEADING, 123, 1),
        (sc.NO_TENS, 123, 2),
        (sc.NO_UNITS, 123, 3),
        (sc.REVERSE, 321, 0),
    ]
    assert sc.addition(digits=3).factors.rows()[-1]["order"] == 4321


def test_smoke_scale_runs_and_is_judged_and_drawn(tmp_path):
    prepared = prepare(find("shattered-compositionality"), "smoke", {}, None, "cpu")
    run(prepared, tmp_path / "run", Nobody())
    results = {name: load(tmp_path / "run", name) for name in ("addition", "comparison", "sorting")}
    ds = results["addition"]
    assert ds.sizes["member"] == 10
    assert ds.place.values.tolist() == ["tens", "units"]
    # Conditions of one seed start alike; only what is written first makes a difference before training.
    start = ds.isel(step=0).where((ds.seed == 1_000) & (ds.order == 12), drop=True)
    for name in ("place_error", "information", "units_information", "sum_width"):
        assert (start[name] == start[name].isel(member=0)).all(), name
    np.testing.assert_allclose(results["sorting"].mixing.sum("kind"), 1)
    verdicts = [judge(claim, results, "smoke") for claim in sc.study.claims]
    assert {verdict.verdict for verdict in verdicts} == {"inconclusive"}
    titles = [[panel.title for panel in figure(results).panels] for figure in sc.study.figures]
    assert [len(panels) for panels in titles] == [6, 1, 4]
