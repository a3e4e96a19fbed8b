"""Oracles: values by hand, the interval whose width is planned, and what runs really take."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_study import study

from ontogeny import Claim, Training, seeds, vary
from ontogeny.intervals import half_width, t_interval
from ontogeny.planning import compared, expected_interval, makespan, plan_experiment, plan_run
from ontogeny.training import calibration
from ontogeny.training.calibration import Shape, Timing, calibrated

CONFIGURATIONS = 200
MEDIAN_ERROR = 0.15
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("seconds", "workers", "expected"),
    [
        ([3.0, 1.0, 1.0, 1.0], 2, 3.0),  # 3 beside 1 + 1 + 1
        ([1.0, 1.0, 3.0], 2, 4.0),  # the last piece begins after 1: in another order it would be 3
        ([1.0, 2.0, 3.0], 1, 6.0),
        ([], 2, 0.0),
    ],
)
def test_work_side_by_side_by_hand(seconds, workers, expected):
    assert makespan(seconds, workers) == expected


def test_expected_width_is_that_of_the_interval():
    assert half_width(4) == pytest.approx(3.182446305 / 2)  # t(0.975, 3), from tables
    assert math.isnan(half_width(1))
    x = np.arange(7.0)
    low, high = t_interval(x / x.std(ddof=1))
    assert half_width(7) == pytest.approx(float(high - low) / 2)


def claim(**changes) -> Claim:
    return Claim(**{**dict(id="c", says="so", statistic=lambda ds: ds.x, above=0), **changes})


def test_seeds_of_a_claim():
    rows = (vary(lr=(0.1, 0.2), depth=(1, 2, 3)) * seeds(5)).rows()
    assert expected_interval(claim(where=dict(lr=0.1 + 1e-9)), rows) == {"seeds": 5, "half_width": half_width(5)}
    some = [row for row in rows if row["depth"] < 3 or row["seed"] < 1003]
    assert expected_interval(claim(where=dict(depth=3)), some)["seeds"] == 3
    assert expected_interval(claim(where=dict(depth=(2, 3))), some)["seeds"] == 5
    assert expected_interval(claim(interval="binomial"), rows)["half_width"] is None
    assert expected_interval(claim(decides="mean"), rows)["half_width"] is None
    assert expected_interval(claim(), rows[:1]) == {"seeds": 1, "half_width": None}


def shapes() -> dict[str, Shape]:
    def opens():
        raise AssertionError

    # The middle one costs most, for it is trained longest.
    sizes = {"a": (1e6, 1.0), "b": (1e8, 1.0), "c": (1e7, 99.0)}
    return {name: Shape(opens, flops, updates) for name, (flops, updates) in sizes.items()}


def test_the_costliest_is_timed_first_and_what_is_left_is_read_off(monkeypatch):
    timed = []

    def pretend(shape, *_):
        timed.append(shape.flops)
        return Timing(0.0, shape.flops / 1e9, 0.5)

    monkeypatch.setattr(calibration, "_time", pretend)
    found = calibrated(shapes(), 1, looks=True, seconds=0.0)
    assert [timing.update for timing in found.values()] == pytest.approx([0.01] * 3)
    assert timed == [1e7]
    timed.clear()
    calibrated(shapes(), 1, looks=True)
    assert timed == [1e7, 1e6, 1e8]
    ends = {name: pretend(shape) for name, shape in shapes().items() if name != "c"}
    between = calibration._between(shapes(), ends, 1e7)
    assert between.update == pytest.approx(0.01, rel=1e-3), "a power of the operations stands on a line"
    assert between.drawing == pytest.approx(0.5)


def parts(experiment):
    rows = experiment.factors.rows()
    return [[rows[i] for i in members] for members in experiment.plan(rows, CPU)]


def test_a_plan_by_hand():
    """20 updates of 6 members: 15 weights each, and a loss an update; 3 looks at 1 + 3 numbers and a flag a member."""
    experiments = study.experiments("smoke")
    cohorts = {name: parts(experiment) for name, experiment in experiments.items()}
    plan = plan_run(experiments, cohorts, study.claims, CPU, {"main": "eager", "drawn": "eager"})
    main = plan.experiments["main"]
    assert (main.members, main.populations, main.cohorts, main.largest, main.at_once) == (6, 1, 1, 6, 1)
    assert main.parameters == 6 * 15
    assert main.seconds is not None
    assert main.seconds > 0
    assert main.disk is not None
    assert main.disk > 6 * 4 * (3 * 15 + 20 + 3 * 4), "weights, two moments, losses, looks"
    assert plan.unknown == ["drawn"]
    assert plan.seconds == main.seconds
    assert plan.expected["learns"] == {"seeds": 2, "half_width": half_width(2)}
    assert json.loads(json.dumps(plan.as_json()))["experiments"]["main"]["seconds"] == main.seconds
    assert "drawn, of which the time is unknown" in str(plan)


def test_what_breaks_while_it_is_tried_out_is_left_to_the_run(monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    experiment = study.experiments("smoke")["main"]
    cohorts = parts(experiment)
    monkeypatch.setattr(Training, "costs", broken)
    plan = plan_experiment(experiment, cohorts, CPU, "eager")
    assert plan.seconds is None
    assert str(plan) == "6 members in 1 populations, 1 cohorts, time unknown"


def test_the_line_on_how_right_it_was():
    plan = {"seconds": 10.0, "unknown": ["b"], "memory": 2_000_000, "disk": 1_000}
    took = {"experiments": {"a": 11.0, "b": 5.0}, "memory": 1_000_000, "disk": None}
    assert compared(plan, took) == "11.0 s for 10.0 s planned; 1 MB for 2 MB planned"


def outcomes(count: int, seconds: float) -> list[dict]:
    """What runs took that were drawn at random, each in a process of its own."""
    script = Path(__file__).with_name("random_plans.py")
    command = [sys.executable, "-W", "ignore", str(script), "0", str(count), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(found: list[dict]) -> None:
    """Memory and disk as planned, whatever the machine was doing meanwhile."""
    for one in found:
        (planned, taken), (written, there) = one["memory"], one["disk"]
        assert taken < planned, one
        assert there == pytest.approx(written, rel=0.1, abs=50_000), one


def test_three_runs_keep_to_their_plans():
    found = outcomes(3, 0.2)
    assert len(found) == 3
    check(found)


@pytest.mark.slow
def test_plans_keep_their_word():
    """Needs a machine with two cores that does nothing else."""
    found = outcomes(CONFIGURATIONS, 2.0)
    check(found)
    errors = sorted(abs(planned / taken - 1) for planned, taken in (one["seconds"] for one in found))
    told = f"median {np.median(errors):.3f}, nine in ten below {np.quantile(errors, 0.9):.3f}"
    print(f"error of the planned time: {told}")  # noqa: T201
    assert np.median(errors) <= MEDIAN_ERROR, told
