"""Curricula: what is trained on changes with the training step."""

from typing import Any

import torch
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


class Curriculum(Task):
    """Tasks one after another: each from its first step on, until the next one begins.

        stages=((0, easy), (1_000, hard))      easy at updates 0 to 999, hard from 1,000 on

    All stages need one shape. Measures look at the last.
    """

    stages: tuple[tuple[int, Task], ...]

    def check(self) -> None:
        """Stages in order, from step 0, of one shape."""
        starts = [start for start, _ in self.stages]
        if not starts or starts[0] != 0 or sorted(set(starts)) != starts:
            raise UserError(f"the stages of a curriculum start at 0 and then later and later, got {starts}")
        if len({task.shape for _, task in self.stages}) > 1:
            raise UserError("the stages of a curriculum need one shape: the same vocabulary, outputs and length")

    @property
    def shape(self) -> Shape:
        """That of every stage."""
        return self.stages[0][1].shape

    def world(self, streams: Streams) -> list[Any]:
        """The world of every stage."""
        return [task.world(streams.of(f"stage {i}")) for i, (_, task) in enumerate(self.stages)]

    def evaluated(self, world: list[Any]) -> tuple[Task, Any]:
        """The last stage."""
        return self.stages[-1][1], world[-1]

    def sample(self, world: list[Any], streams: Streams, size: int) -> Batch:
        """Each sample from the stage that its step belongs to."""
        batches = [task.sample(w, streams, size) for w, (_, task) in zip(world, self.stages, strict=True)]
        starts = torch.tensor([start for start, _ in self.stages], device=streams.device)
        stage = torch.searchsorted(starts, streams.step(size), right=True) - 1

        def pick(values: list[Tensor]) -> Tensor:
            chosen = values[0]
            for i, value in enumerate(values[1:], 1):
                chosen = torch.where((stage == i).view(1, -1, *[1] * (value.ndim - 2)), value, chosen)
            return chosen

        shared = set.intersection(*(set(batch.latents) for batch in batches))
        return Batch(
            inputs=pick([b.inputs for b in batches]),
            targets=pick([b.targets for b in batches]),
            weights=None if batches[0].weights is None else pick([b.weights for b in batches if b.weights is not None]),
            latents={name: pick([b.latents[name] for b in batches]) for name in sorted(shared)},
        )
