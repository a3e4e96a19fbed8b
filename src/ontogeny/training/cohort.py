"""The training loop: some members of a population, trained together from one measured step to the next."""

import math
import time
from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.experiment import TRACE
from ontogeny.labelled import Labelled, Record
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.memory import is_out_of_memory
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Task
from ontogeny.training.captured import Draw, Graph, Update, captured_drawing, captured_update, cuda_graph
from ontogeny.training.compiled import Trace, compiled_update, reason
from ontogeny.training.objectives import Objective
from ontogeny.training.optimizers import Columns, Optimizer, sent
from ontogeny.training.precision import rounding, tensor_cores
from ontogeny.training.settle import settle
from ontogeny.training.steps import Steps

AHEAD = 16  # updates whose data and rates are made at once: in bulk they cost less
_BLOCK = 1 << 17  # numbers updated at once: the tables of a block stay in cache between the operations on it
BEATS = 100  # times in a training that it can be left and taken up again, beside the measured steps


class Data:
    """The batches of a training, fresh or from a finite set of examples, the same however it is interrupted."""

    def __init__(
        self, task: Task, world: Any, streams: Streams, batch: int, examples: int | None, dtype: torch.dtype
    ) -> None:
        self.task, self.world, self.streams, self.size, self.dtype = task, world, streams.of("data"), batch, dtype
        self.since = task.shape.since
        self.block = -1
        self.drawn: Batch | None = None
        self.draw: Draw = self._draw
        self.examples = None
        if examples is not None:
            self.examples = self._cast(task.sample(world, self.streams.of("examples"), examples))
            self.count = examples

    def held(self) -> list[Tensor]:
        """The examples, where there is a finite set of them."""
        return [] if self.examples is None else self.examples.tensors()

    def at(self, update: int) -> Batch:
        """The batch of an update, counted from 0, with the targets that count."""
        if self.examples is not None:
            return self._from_examples(self.examples, update).since(self.since)
        block, place = divmod(update, AHEAD)
        if block != self.block or self.drawn is None:
            self.drawn = self.draw(self.streams.during(range(block * AHEAD, (block + 1) * AHEAD)))
            self.block = block
        return self.drawn.take(slice(place * self.size, (place + 1) * self.size)).since(self.since)

    def capture(self, graph: Graph) -> None:
        """Launches the drawing of a block as one: see `ontogeny.training.captured`, and for what it raises."""
        if self.examples is None:
            self.draw = captured_drawing(self._draw, self.streams, AHEAD, graph)

    def _draw(self, streams: Streams) -> Batch:
        """`AHEAD` updates' data."""
        return self._cast(self.task.sample(self.world, streams, AHEAD * self.size))

    def _from_examples(self, examples: Batch, update: int) -> Batch:
        if self.size == self.count:
            return examples
        epoch, place = divmod(update, self.count // self.size)
        if epoch != self.block:
            self.order = self.streams.during(range(epoch, epoch + 1)).permutation("order", (1,), self.count)[:, 0]
            self.block = epoch
        chosen = self.order[:, place * self.size : (place + 1) * self.size]
        each = torch.arange(chosen.shape[0], device=chosen.device)[:, None]
        return replace(
            examples,
            inputs=examples.inputs[each, chosen],
            targets=examples.targets[each, chosen],
            weights=None if examples.weights is None else examples.weights[each, chosen],
            latents={name: value[each, chosen] for name, value in examples.latents.items()},
        )

    def _cast(self, batch: Batch) -> Batch:
        def cast(value: Tensor) -> Tensor:
            return value.to(self.dtype) if value.is_floating_point() else value

        return replace(
            batch,
            inputs=cast(batch.inputs),
            targets=cast(batch.targets),
            weights=None if batch.weights is None else cast(batch.weights),
        )


class TrainingCohort:
    """Members that train together. A member whose loss or gradient stops being finite is frozen where it stands."""

    def __init__(
        self,
        *,
        population: Population,
        task: Task,
        world: Any,
        streams: Streams,
        data: Data,
        objective: Objective,
        optimizer: Optimizer,
        measures: tuple[Measure, ...],
        at: Steps,
        steps: int,
        precision: str,
    ) -> None:
        self.population, self.task, self.world, self.streams = population, task, world, streams
        self.data, self.objective, self.optimizer, self.measures = data, objective, optimizer, measures
        self.steps, self.precision = steps, precision
        self.measured = frozenset(at.upto(steps))
        self.memory = optimizer.start(population.flat)
        self.alive: Bool[Tensor, member] = torch.ones(
            population.members, dtype=torch.bool, device=population.flat.device
        )
        self.kept: dict[Hashable, tuple[Any, Any]] = {}  # by its measures, from look to look
        self.done = 0
        self.fresh = True  # nothing has been recorded at the step where it stands
        self.learn: Update = self._learn
        self.to_capture = population.flat.is_cuda
        self.said = ""  # what the user should know
        self.columns: list[Columns] = []  # of the updates to come, the next one last
        self.losses: list[Tensor] = []
        self.last_loss: Tensor | None = None
        self.seen: tuple[float, Any] = (-math.inf, None)  # when a loss was read, and the loss

    def records(self) -> Iterator[Record]:
        """Trains on, and stops at every measured step and a hundred times beside."""
        beat = max(1, self.steps // BEATS)
        if self.fresh and 0 in self.measured:
            self.fresh = False
            yield self.record()
        while self.done < self.steps:
            self.update()
            if self.done in self.measured or self.done % beat == 0:
                yield self.record()

    def state(self) -> dict[str, Tensor]:
        """Parameters, the optimizer's memory, who is alive, and the updates made."""
        return {
            **{f"parameters.{name}": value for name, value in self.population.parameters().items()},
            "alive": self.alive,
            "done": torch.tensor(self.done),
            **{f"memory.{slot}": table for slot, table in self.memory.items()},
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Takes up a state."""
        for name, value in self.population.parameters().items():
            value.copy_(state[f"parameters.{name}"])
        self.alive.copy_(state["alive"])
        for slot, table in self.memory.items():
            table.copy_(state[f"memory.{slot}"])
        self.done = int(state["done"])
        self.columns = []
        self.fresh = False

    def progress(self) -> dict[str, Any]:
        """Updates made and to make, the latest losses, and what the user should know.

        A GPU is waited for, to read losses, once a second at most.
        """
        at, loss = self.seen
        if self.last_loss is not None and (not self.last_loss.is_cuda or time.monotonic() - at > 1.0):
            loss = self.last_loss.detach().cpu().numpy()
            self.seen = time.monotonic(), loss
        return {"done": self.done, "total": self.steps, "loss": loss, "said": self.said}

    def update(self) -> None:
        """One update of every member that is alive."""
        if self.to_capture:
            self.capture(cuda_graph)
        batch = self.data.at(self.done)
        if not self.columns:
            self.columns = self.coming()[::-1]
        self.done += 1
        self.last_loss = self.learn(batch, self.columns.pop())
        self.losses.append(self.last_loss)

    def coming(self) -> list[Columns]:
        """What the optimizer needs to know at each of the next `AHEAD` updates: worked out here, sent as one table."""
        flat = self.population.flat
        here = flat.new_empty(flat.shape[0], 0, device="cpu") if flat.is_cuda else flat
        columns = self.optimizer.columns_ahead(range(self.done + 1, self.done + 1 + AHEAD), here)
        return sent(columns, flat.device) if flat.is_cuda else columns

    def capture(self, graph: Graph) -> None:
        """Launches an update, and the drawing of data, as one: see `ontogeny.training.captured`.

        What cannot be recorded stays as it is, and `progress` says why.
        """
        self.to_capture = False
        for what, capture in (("updates are", self._capture_updates), ("the drawing of data is", self.data.capture)):
            try:
                capture(graph)
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                self.said = f"{what} launched operation by operation, and cannot be recorded: {reason(error)}"

    def _capture_updates(self, graph: Graph) -> None:
        two = [(self.data.at(self.done + i), columns) for i, columns in enumerate(self.coming()[:2])]
        held = [self.population.flat, self.alive, *self.memory.values()]
        self.learn = captured_update(self.learn, held, two, graph)

    def compile(self, structure: str) -> None:
        """Makes the updates a compiled program, with bits of its own: see `ontogeny.training.compiled`.

        Raises: `CannotCompile` with the reason.
        """
        self.learn = compiled_update(structure, *self._parts())

    def trace(self) -> Trace:
        """An update written down operation by operation.

        Raises: `CannotCompile` with the reason.
        """
        return Trace(*self._parts())

    def _parts(self) -> tuple[Any, ...]:
        """What an update is made of, as `Trace` takes it."""
        return (
            self.population,
            self.objective,
            self.optimizer,
            self.memory,
            self.alive,
            self.data.at(self.done),
            self.coming()[0],
            self.data.since,
            self.precision,
        )

    def _learn(self, batch: Batch, columns: Columns) -> Float[Tensor, "member"]:
        """An update as PyTorch does it operation by operation; gives the loss before it."""
        population = self.population
        with tensor_cores(self.precision, population.flat.device), rounding(self.precision):
            loss = self.objective(population(batch.inputs, self.data.since), batch)
            population.backward(loss)
        loss = loss.detach()
        norm = settle(self.alive, loss, population.gradient)
        for rows in _blocks(population.flat):
            self.optimizer.step(
                population.flat[rows],
                population.gradient[rows],
                {slot: table[rows] for slot, table in self.memory.items()},
                {name: column[rows] for name, column in columns.items()},
                self.alive[rows],
                norm[rows],
            )
        return loss

    def record(self) -> Record:
        """The losses since the last record, and at a measured step whatever is measured there."""
        values: dict[str, Labelled] = {}
        if self.losses:
            updates = range(self.done - len(self.losses) + 1, self.done + 1)
            values[TRACE] = Labelled(
                torch.stack(self.losses, -1), ("member", "update"), {"update": updates}, unit="objective"
            )
            self.losses = []
        if self.done not in self.measured:
            return Record(None, values)
        values["diverged"] = Labelled(~self.alive, ("member",))
        values |= self._measure()
        return Record(self.done, values)

    @torch.no_grad()
    def _measure(self) -> dict[str, Labelled]:
        task, world = self.task.evaluated(self.world)
        at = Checkpoint(
            population=self.population,
            task=task,
            world=world,
            streams=self.streams.of("evaluation"),
            step=self.done,
            memory=self.memory,
            kept=self.kept,
        )
        values: dict[str, Labelled] = {}
        for measure in self.measures:
            values |= measure(at)
        # Copies: a record is kept for a while, and a measure may give a view of weights that go on changing.
        return {name: replace(array, values=array.values.detach().clone()) for name, array in values.items()}


def _blocks(table: Float[Tensor, "member parameter"]) -> Iterator[slice]:
    """Rows of the table, a few at a time on a CPU, all at once on a GPU."""
    members, width = table.shape
    rows = members if table.is_cuda else max(1, _BLOCK // width)
    return (slice(i, i + rows) for i in range(0, members, rows))
