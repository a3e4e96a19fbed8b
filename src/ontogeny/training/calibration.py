"""Calibration: what updates and looks cost, timed on some with as many cohorts at work as the run will have."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass

import numpy as np
import torch

from ontogeny.labelled import Record
from ontogeny.machine import one_thread
from ontogeny.memory import keep_freed
from ontogeny.training.cohort import AHEAD, TrainingCohort

SECONDS = 4.0  # for all shapes of a plan together: those that are left are read off the others
WINDOW, SHARE, LEAST = 1.0, 0.2, 3  # a shape's updates are timed so long, or a share of its run, and so many at least
LOOKS, LOOKING = 3, 0.3  # records that are timed, as long as they have not taken so many seconds
LABELS = 200  # bytes of a stored array's name and place

Opens = Callable[[], TrainingCohort]


@dataclass(frozen=True)
class Shape:
    """Cohorts that cost alike: of one structure and size."""

    opens: Opens
    flops: float  # of an update
    updates: float  # that a core makes of them in the run


@dataclass(frozen=True)
class Timing:
    """Seconds of one cohort on one core while the others are at work, and the bytes of what it leaves."""

    opening: float
    update: float
    drawing: float  # data and rates for `AHEAD` updates
    record: float = 0.0
    record_bytes: float = 0.0
    state_bytes: float = 0.0


def calibrated(
    shapes: Mapping[Hashable, Shape], beside: int, *, looks: bool, seconds: float = SECONDS
) -> dict[Hashable, Timing]:
    """The timing of every shape; with `looks` measuring is timed, too. The cohorts that are opened are spent.

    The costliest shape comes first, then the smallest and the largest, then the others as far as `seconds` last; what
    is left over is interpolated by the operations of an update. 0 seconds are enough for the costliest.

    Raises: whatever a cohort raises.
    """
    found: dict[Hashable, Timing] = {}
    started = time.perf_counter()
    for key in _in_order(shapes):
        if not found or time.perf_counter() - started < seconds:
            found[key] = _time(shapes[key], beside, min(WINDOW, SECONDS / len(shapes)), looks)
    return {key: found[key] if key in found else _between(shapes, found, shape.flops) for key, shape in shapes.items()}


def _in_order(shapes: Mapping[Hashable, Shape]) -> list[Hashable]:
    costliest = sorted(shapes, key=lambda key: -shapes[key].flops * shapes[key].updates)
    ends = [find(shapes, key=lambda key: shapes[key].flops) for find in (min, max)]
    return list(dict.fromkeys([*costliest[:1], *ends, *costliest]))


def _between(shapes: Mapping[Hashable, Shape], found: Mapping[Hashable, Timing], flops: float) -> Timing:
    """Read off straight lines through the shapes that were timed, in logarithms; level beyond them."""
    known = sorted((np.log1p(shapes[key].flops), astuple(timing)) for key, timing in found.items())
    at, values = [x for x, _ in known], np.log(np.array([timing for _, timing in known]) + 1e-9)
    return Timing(*(float(np.exp(np.interp(np.log1p(flops), at, column)) - 1e-9) for column in values.T))


def _time(shape: Shape, beside: int, window: float, looks: bool) -> Timing:
    keep_freed()  # as the run will
    with one_thread():
        started = time.perf_counter()
        cohorts = [shape.opens() for _ in range(beside)]
        opening = (time.perf_counter() - started) / beside
        state = float(sum(value.nbytes for value in cohorts[0].state().values()))
    look = stored = 0.0
    if looks:
        timed = _side_by_side([lambda c=c: _time_record(c) for c in cohorts])
        look, stored = float(np.mean([seconds for seconds, _ in timed])), timed[0][1]
    updates = _side_by_side([lambda c=c: _time_updates(c, window, shape.updates) for c in cohorts])
    update, drawing = (float(x) for x in np.mean(updates, 0))
    return Timing(opening, update, drawing, look, stored, state)


def _side_by_side(work: Sequence[Callable[[], tuple[float, float]]]) -> list[tuple[float, float]]:
    def do(piece: Callable[[], tuple[float, float]]) -> tuple[float, float]:
        with one_thread():
            return piece()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(do, work))


def _time_updates(cohort: TrainingCohort, window: float, updates: float) -> tuple[float, float]:
    """Seconds of an update, and of what is made for `AHEAD` of them at once: the median of some blocks' means."""
    if cohort.to_capture:  # which a run does once
        cohort.update()
        _wait(cohort)
    started = time.perf_counter()
    cohort.update()
    _wait(cohort)
    first = time.perf_counter() - started
    if first > window:
        return first, 0.0
    seconds: list[float] = []
    fresh = cohort.data.examples is None
    started = time.perf_counter()
    until = started + min(window, SHARE * updates * first)
    while len(seconds) < LEAST or time.perf_counter() < until:
        before = time.perf_counter()
        cohort.update()
        _wait(cohort)
        if not fresh or (cohort.done - 1) % AHEAD:
            seconds.append(time.perf_counter() - before)
    update = float(np.median([block.mean() for block in np.array_split(seconds, min(8, len(seconds)))]))
    drawing = sum(_time_drawing(cohort, block) for block in (1, 2)) / 2 if fresh else 0.0
    return update, drawing


def _time_drawing(cohort: TrainingCohort, block: int) -> float:
    started = time.perf_counter()
    cohort.data.at(cohort.done + block * AHEAD)
    cohort.coming()
    _wait(cohort)
    return time.perf_counter() - started


def _time_record(cohort: TrainingCohort) -> tuple[float, float]:
    """Seconds of measuring once, and bytes of what is measured."""
    cohort.measured = frozenset({cohort.done})
    seconds: list[float] = []
    while len(seconds) < LOOKS and sum(seconds) < LOOKING:
        started = time.perf_counter()
        record = cohort.record()
        _wait(cohort)
        seconds.append(time.perf_counter() - started)
    return min(seconds), float(stored_bytes(record))


def stored_bytes(record: Record) -> int:
    """About what a record takes on the disk: its numbers, and the text of its labels."""
    arrays = record.values.values()
    labels = sum(len(str(list(values))) for array in arrays for values in array.coords.values())
    return sum(array.values.nbytes for array in arrays) + labels + LABELS * len(record.values)


def _wait(cohort: TrainingCohort) -> None:
    """A GPU is still at work when a call comes back."""
    if cohort.population.flat.is_cuda:
        torch.cuda.synchronize(cohort.population.flat.device)
