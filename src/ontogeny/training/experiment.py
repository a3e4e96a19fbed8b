"""Training: an experiment that grows populations on a task and measures them along the way."""

import inspect
import os
from collections.abc import Hashable, Sequence
from functools import partial

import torch
from torch import nn

from ontogeny.errors import CannotCompile, UserError
from ontogeny.experiment import Compiling, Cost, Experiment, Row, StateAt, cohorts_at_once
from ontogeny.measures.contract import Measure
from ontogeny.models.contract import Model
from ontogeny.models.population import Population
from ontogeny.parts import stack, structure
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Task
from ontogeny.training.calibration import LABELS, SECONDS, Shape, Timing, calibrated
from ontogeny.training.cohort import AHEAD, BEATS, Data, TrainingCohort
from ontogeny.training.compiled import SECONDS_TO_LOAD, headers_apart
from ontogeny.training.footprint import Footprint, chunk_size, footprint
from ontogeny.training.objectives import CrossEntropy, Objective
from ontogeny.training.optimizers import Optimizer
from ontogeny.training.precision import DTYPES
from ontogeny.training.replay import Replay
from ontogeny.training.steps import Steps, at, log_spaced

# What compiled updates save: of their time by fusing, and the call of every operation. Measured on two cores.
SAVED_BY_FUSING, SECONDS_A_CALL, SAVED_AT_MOST = 0.2, 8e-6, 0.8
LEAST_TO_COMPILE = 20.0  # seconds of updates, below which it is not even looked at

DIGITS = 7  # bytes of an update's number in the labels of the losses

_footprints: dict[Hashable, Footprint] = {}


class Training(Experiment):
    """Trains a member for every row of `factors` and measures it at the steps `at`.

    Factors that only touch per-member fields (and the seed) vary inside a population; all others split it. Data is
    fresh at every update unless `examples` says how many there are; `examples` equal to `batch` is full-batch training.
    """

    task: Task
    model: Model
    optimizer: Optimizer
    objective: Objective = CrossEntropy()
    batch: int
    steps: int
    measures: tuple[Measure, ...] = ()
    at: Steps = log_spaced(40)
    examples: int | None = None
    dtype: str = "float32"  # of all numbers; or, of products alone, one of those that ontogeny.training.precision has

    def check(self) -> None:
        """Values that can work."""
        if self.batch < 1 or self.steps < 0:
            raise UserError(
                f"a training needs a batch of 1 or more and steps, got batch={self.batch}, steps={self.steps}"
            )
        if self.examples is not None and self.examples < self.batch:
            raise UserError(f"a batch of {self.batch} does not fit into {self.examples} examples: raise examples")
        if self.dtype not in DTYPES:
            raise UserError(f"no dtype {self.dtype!r}: known: {', '.join(DTYPES)}")

    def in_precision(self, precision: str) -> "Training":
        """Trained in this precision where it is float32 otherwise: what asks for another one needs it."""
        return self.replace(dtype=precision) if self.dtype == "float32" else self

    def plan(self, rows: Sequence[Row], device: torch.device) -> list[list[int]]:
        """Rows that share a structure, in chunks whose activations fit the cache (CPU) or the memory (GPU)."""
        cohorts: list[list[int]] = []
        for group in self.populations(rows):
            size = chunk_size(self._footprint(rows[group[0]], device), len(group), device)
            cohorts += [group[i : i + size] for i in range(0, len(group), size)]
        return cohorts

    def costs(self, cohorts: Sequence[Sequence[Row]], device: torch.device, compiled: bool = False) -> list[Cost]:
        """Timed on some updates, and a look, of a cohort of every structure and size."""
        return self._timed(cohorts, device, compiled, looks=True)

    def compiling(
        self, cohorts: Sequence[Sequence[Row]], costs: Sequence[Cost], device: torch.device
    ) -> Compiling | None:
        """By counting the operations of the costliest cohort."""
        if device.type == "cuda":
            return None  # not tried there
        known = [(cost.training, i) for i, cost in enumerate(costs) if cost.training is not None]
        if not known:
            return None
        try:
            trace = self.open(cohorts[max(known)[1]], device).trace()
        except CannotCompile:
            return None
        saved = []
        for rows, cost in zip(cohorts, costs, strict=True):
            calls = SECONDS_A_CALL * trace.operations * self.member(rows[0]).steps
            spent = cost.training or 0.0
            saved.append(min(SAVED_AT_MOST * spent, SAVED_BY_FUSING * spent + calls))
        return Compiling(SECONDS_TO_LOAD + trace.seconds_to_compile * len(self._shapes(cohorts)), saved)

    def pays_to_compile(
        self, cohorts: Sequence[Sequence[Row]], device: torch.device, costs: Sequence[Cost] | None = None
    ) -> bool:
        """By timing some updates of a cohort of every structure and size, and counting the operations to compile.

        Without `costs` it first asks of the costliest alone whether it is worth looking at.
        """
        if device.type == "cuda":
            return False  # not tried there
        workers, shapes = cohorts_at_once(len(cohorts), device), len(self._shapes(cohorts))
        least = LEAST_TO_COMPILE * shapes * workers
        for seconds in (0.0, SECONDS) if shapes > 1 else (SECONDS,):
            found = costs or self._timed(cohorts, device, False, looks=False, seconds=seconds)
            if sum(cost.training or 0.0 for cost in found) < least:
                return False
        change = self.compiling(cohorts, found, device)
        return change is not None and sum(change.saved) / workers > change.seconds

    def _shapes(self, cohorts: Sequence[Sequence[Row]]) -> dict[tuple[str, int], Sequence[Row]]:
        """A cohort of every structure and size, as far as their updates differ."""
        return {(self._updates(rows[0]), len(rows)): rows for rows in cohorts}

    def _updates(self, row: Row) -> str:
        """What members share whose updates are the same operations: not how many they make, nor what is measured."""
        return structure(self.member(row).replace(steps=1, at=at(), measures=()))

    def _timed(
        self,
        cohorts: Sequence[Sequence[Row]],
        device: torch.device,
        compiled: bool,
        *,
        looks: bool,
        seconds: float = SECONDS,
    ) -> list[Cost]:
        """What cohorts cost, of which some are timed for so many seconds."""
        beside = min(cohorts_at_once(len(cohorts), device), os.cpu_count() or 1)
        keys: list[Hashable] = [(*self._key(rows, device, looks), compiled) for rows in cohorts]
        updates: dict[Hashable, int] = {}
        for key, rows in zip(keys, cohorts, strict=True):
            updates[key] = updates.get(key, 0) + self.member(rows[0]).steps
        if compiled:
            self.compile(cohorts, device)
        shapes = {
            key: Shape(
                partial(self.open, rows, device, compiled),
                float(self._footprint(rows[0], device).flops * len(rows)),
                updates[key] / beside,
            )
            for key, rows in zip(keys, cohorts, strict=True)
        }
        found = calibrated(shapes, beside, looks=looks, seconds=seconds)
        return [self._cost(rows, found[key], device) for key, rows in zip(keys, cohorts, strict=True)]

    def _key(self, rows: Sequence[Row], device: torch.device, looks: bool) -> tuple[str, int, str]:
        """What cohorts share that cost alike: all but how long they are trained and when they are measured."""
        same = structure(self.member(rows[0]).replace(steps=1, at=at())) if looks else self._updates(rows[0])
        return same, len(rows), device.type

    def _footprint(self, row: Row, device: torch.device) -> Footprint:
        """What a member of this structure needs, found out once."""
        key = self._key([row], device, looks=False)
        if key not in _footprints:
            _footprints[key] = footprint(self.open([row], device))
        return _footprints[key]

    def _cost(self, rows: Sequence[Row], timing: Timing, device: torch.device) -> Cost:
        """What a cohort costs, given what an update and a look of it take."""
        member, one = self.member(rows[0]), self._footprint(rows[0], device)
        looks = len(member.at.upto(member.steps))
        draws = -(-member.steps // AHEAD) if member.examples is None else 0
        trace = member.steps * (len(rows) * DTYPES[member.dtype].itemsize + DIGITS) + BEATS * LABELS
        return Cost(
            members=len(rows),
            training=timing.opening + timing.update * member.steps + timing.drawing * draws,
            measuring=timing.record * looks,
            memory=(one.bytes + one.held) * len(rows),
            disk=round(timing.record_bytes * looks + timing.state_bytes + trace),
            parameters=one.parameters * len(rows),
            flops=float(one.flops) * len(rows) * member.steps,
        )

    def compile(self, cohorts: Sequence[Sequence[Row]], device: torch.device) -> None:
        """Makes a program for every structure and size among the cohorts."""
        shapes = self._shapes(cohorts)
        with headers_apart(len(shapes) > 1):
            for rows in shapes.values():
                self.open(rows, device, True)

    def unmeasured(self) -> "Training":
        """Neither measures nor when: a measure edits nothing, and what is drawn for it has streams of its own."""
        return self.replace(measures=(), at=at())

    def measured(self, row: Row) -> tuple[int, ...]:
        """Those of `at`, in updates made."""
        member = self.member(row)
        return member.at.upto(member.steps)

    def replay(self, rows: Sequence[Row], device: torch.device, state_at: StateAt) -> Replay:
        """The members in the states that they had at the measured steps."""
        return Replay(self.open(rows, device), state_at)

    def open(self, rows: Sequence[Row], device: torch.device, compiled: bool = False) -> TrainingCohort:
        """A population with a member for every row, before its first update.

        Raises: `UserError` for tf32 on a CPU.
        """
        if self.dtype == "tf32" and device.type != "cuda":
            raise UserError("tf32 is a precision of GPUs: use float32 or bf16 on a CPU")
        members = [self.member(row) for row in rows]
        run: Training = stack(members, device=device)
        streams = Streams(tuple(row["seed"] for row in rows), device=device)
        world = run.task.world(streams.of("world"))
        cohort = TrainingCohort(
            population=Population(run._network(streams)),
            task=run.task,
            world=world,
            streams=streams,
            data=Data(run.task, world, streams, run.batch, run.examples, DTYPES[run.dtype]),
            objective=run.objective,
            optimizer=stack([member.optimizer for member in members]),  # its numbers are worked out on the CPU
            measures=run.measures,
            at=run.at,
            steps=run.steps,
            precision=run.dtype,
        )
        if compiled:
            cohort.compile(self._updates(rows[0]))
        return cohort

    def _network(self, streams: Streams) -> nn.Module:
        network = self.model.build(self.task.shape, streams.of("init"))
        if self.task.shape.since and "since" not in inspect.signature(network.forward).parameters:
            raise UserError(
                f"{type(self.task).__name__} asks for an answer at every position, and the network of "
                f"{type(self.model).__name__} does not give them: use Transformer or RNN"
            )
        return network.to(device=streams.device, dtype=DTYPES[self.dtype])
