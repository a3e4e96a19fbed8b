"""Training: an experiment that grows populations on a task and measures them along the way."""

import inspect
from collections.abc import Sequence

import torch
from torch import nn

from ontogeny.errors import CannotCompile, UserError
from ontogeny.experiment import Estimate, Experiment, Row, StateAt, cohorts_at_once
from ontogeny.measures.contract import Measure
from ontogeny.models.contract import Model
from ontogeny.models.population import Population
from ontogeny.parts import stack, structure
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Task
from ontogeny.training.cohort import Data, TrainingCohort
from ontogeny.training.compiled import SECONDS_TO_LOAD
from ontogeny.training.footprint import chunk_size, footprint, seconds_per_update
from ontogeny.training.objectives import CrossEntropy, Objective
from ontogeny.training.optimizers import Optimizer
from ontogeny.training.replay import Replay
from ontogeny.training.steps import Steps, at, log_spaced

# What compiled updates save: of their time by fusing, and the call of every operation. Measured on two cores.
SAVED_BY_FUSING, SECONDS_A_CALL, SAVED_AT_MOST = 0.2, 8e-6, 0.8
LEAST_TO_COMPILE = 20.0  # seconds of updates, below which it is not even looked at

DTYPES = {"float32": torch.float32, "float64": torch.float64}


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
    dtype: str = "float32"

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

    def plan(self, rows: Sequence[Row], device: torch.device) -> list[list[int]]:
        """Rows that share a structure, in chunks whose activations fit the cache (CPU) or the memory (GPU)."""
        cohorts: list[list[int]] = []
        for group in self.populations(rows):
            size = chunk_size(footprint(self.open([rows[group[0]]], device)), len(group), device)
            cohorts += [group[i : i + size] for i in range(0, len(group), size)]
        return cohorts

    def estimate(self, rows: Sequence[Row], device: torch.device) -> Estimate:
        """Counted on one member and timed on a few updates of every population's first cohort."""
        plan = self.plan(rows, device)
        workers = cohorts_at_once(len(plan), device)
        parameters, flops, most, seconds = 0, 0.0, 0, 0.0
        for group in self.populations(rows):
            one = footprint(self.open([rows[group[0]]], device))
            cohorts = [members for members in plan if members[0] in group]
            timed = self.open([rows[i] for i in cohorts[0]], device)
            parameters += one.parameters * len(group)
            flops += one.flops * len(group) * timed.steps
            most = max(most, (one.bytes + one.held) * len(cohorts[0]) * workers)
            seconds += seconds_per_update(timed) * timed.steps * len(group) / len(cohorts[0]) / workers
        return Estimate(len(rows), len(self.populations(rows)), len(plan), parameters, flops, most, seconds)

    def pays_to_compile(self, cohorts: Sequence[Sequence[Row]], device: torch.device) -> bool:
        """By timing the first cohort's updates for a second, and counting the operations to compile."""
        if device.type == "cuda":
            return False  # not tried there
        first = self.open(cohorts[0], device)
        update = seconds_per_update(first)
        seconds = update * first.steps * len(cohorts) / cohorts_at_once(len(cohorts), device)
        shapes = len({(structure(self.member(rows[0])), len(rows)) for rows in cohorts})
        if seconds < LEAST_TO_COMPILE * shapes:
            return False
        try:
            trace = first.trace()
        except CannotCompile:
            return False
        saved = min(SAVED_AT_MOST, SAVED_BY_FUSING + SECONDS_A_CALL * trace.operations / update)
        return saved * seconds > SECONDS_TO_LOAD + trace.seconds_to_compile * shapes

    def compile(self, cohorts: Sequence[Sequence[Row]], device: torch.device) -> None:
        """Makes a program for every structure and size among the cohorts."""
        for rows in {(structure(self.member(rows[0])), len(rows)): rows for rows in cohorts}.values():
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
        """A population with a member for every row, before its first update."""
        run: Training = stack([self.member(row) for row in rows], device=device)
        streams = Streams(tuple(row["seed"] for row in rows), device=device)
        world = run.task.world(streams.of("world"))
        cohort = TrainingCohort(
            population=Population(run._network(streams)),
            task=run.task,
            world=world,
            streams=streams,
            data=Data(run.task, world, streams, run.batch, run.examples, DTYPES[run.dtype]),
            objective=run.objective,
            optimizer=run.optimizer,
            measures=run.measures,
            at=run.at,
            steps=run.steps,
        )
        if compiled:
            cohort.compile(structure(self.member(rows[0])))
        return cohort

    def _network(self, streams: Streams) -> nn.Module:
        network = self.model.build(self.task.shape, streams.of("init"))
        if self.task.shape.since and "since" not in inspect.signature(network.forward).parameters:
            raise UserError(
                f"{type(self.task).__name__} asks for an answer at every position, and the network of "
                f"{type(self.model).__name__} does not give them: use Transformer or RNN"
            )
        return network.to(device=streams.device, dtype=DTYPES[self.dtype])
