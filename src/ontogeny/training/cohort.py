"""The training loop: some members of a population, trained together from one measured step to the next."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.labelled import Labelled, Record
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_sum
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Task
from ontogeny.training.objectives import Objective
from ontogeny.training.optimizers import Optimizer
from ontogeny.training.steps import Steps

AHEAD = 16  # updates whose data is drawn at once: random numbers cost less in bulk
BEATS = 100  # times in a training that it can be left and taken up again, beside the measured steps


class Data:
    """The batches of a training, fresh or from a finite set of examples, the same however it is interrupted."""

    def __init__(
        self, task: Task, world: Any, streams: Streams, batch: int, examples: int | None, dtype: torch.dtype
    ) -> None:
        self.task, self.world, self.streams, self.size, self.dtype = task, world, streams.of("data"), batch, dtype
        self.block = -1
        self.drawn: Batch | None = None
        self.examples = None
        if examples is not None:
            self.examples = self._cast(task.sample(world, self.streams.of("examples"), examples))
            self.count = examples

    def at(self, update: int) -> Batch:
        """The batch of an update, counted from 0."""
        if self.examples is not None:
            return self._from_examples(self.examples, update)
        block, place = divmod(update, AHEAD)
        if block != self.block or self.drawn is None:
            steps = range(block * AHEAD, (block + 1) * AHEAD)
            self.drawn = self._cast(self.task.sample(self.world, self.streams.at(*steps), AHEAD * self.size))
            self.block = block
        return self.drawn.take(slice(place * self.size, (place + 1) * self.size))

    def _from_examples(self, examples: Batch, update: int) -> Batch:
        if self.size == self.count:
            return examples
        epoch, place = divmod(update, self.count // self.size)
        if epoch != self.block:
            self.order = self.streams.at(epoch).permutation("order", (1,), self.count)[:, 0]
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
    ) -> None:
        self.population, self.task, self.world, self.streams = population, task, world, streams
        self.data, self.objective, self.optimizer, self.measures = data, objective, optimizer, measures
        self.steps = steps
        self.measured = frozenset(at.upto(steps))
        self.memory = optimizer.start(population.flat)
        self.alive: Bool[Tensor, member] = torch.ones(
            population.members, dtype=torch.bool, device=population.flat.device
        )
        self.done = 0
        self.fresh = True  # nothing has been recorded at the step where it stands
        self.losses: list[Tensor] = []
        self.last_loss: Tensor | None = None

    def records(self) -> Iterator[Record]:
        """Trains on, and stops at every measured step and a hundred times beside."""
        beat = max(1, self.steps // BEATS)
        if self.fresh and 0 in self.measured:
            self.fresh = False
            yield self._record()
        while self.done < self.steps:
            self.update()
            if self.done in self.measured or self.done % beat == 0:
                yield self._record()

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
        self.fresh = False

    def progress(self) -> dict[str, Any]:
        """Updates made and to make, and the latest losses."""
        loss = None if self.last_loss is None else self.last_loss.detach().cpu().numpy()
        return {"done": self.done, "total": self.steps, "loss": loss}

    def update(self) -> None:
        """One update of every member that is alive."""
        population = self.population
        batch = self.data.at(self.done)
        loss = self.objective(population(batch.inputs), batch)
        population.backward(loss)
        square = _square_norm(population.gradient)
        self.alive &= loss.detach().isfinite() & square.isfinite()
        # A frozen member's gradient may hold NaN, and NaN * 0 is NaN: it is taken out, not multiplied away.
        population.gradient.masked_fill_(~self.alive[:, None], 0.0)
        norm = square.where(self.alive, 0.0).sqrt()
        self.done += 1
        self.optimizer.step(
            population.flat, population.gradient, self.memory, self.done, self.alive.to(loss.dtype), norm
        )
        self.last_loss = loss.detach()
        self.losses.append(self.last_loss)

    def _record(self) -> Record:
        values: dict[str, Labelled] = {}
        if self.losses:
            updates = range(self.done - len(self.losses) + 1, self.done + 1)
            values["train_loss"] = Labelled(
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
        )
        values: dict[str, Labelled] = {}
        for measure in self.measures:
            values |= measure(at)
        # Copies: a record is kept for a while, and a measure may give a view of weights that go on changing.
        return {name: replace(array, values=array.values.detach().clone()) for name, array in values.items()}


def _square_norm(table: Float[Tensor, "member parameter"]) -> Float[Tensor, "member"]:
    # In 16 pieces a member: a whole row at once is summed in another order when it is the only one.
    pieces = table.view(table.shape[0], 16, -1)
    return member_sum(torch.linalg.vector_norm(pieces, dim=-1).square())
