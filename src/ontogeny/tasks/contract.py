"""What a task is: a data-generating process with known ground truth."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from ontogeny.parts import Part
from ontogeny.streams import Streams


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a task's samples ask of a model: what goes in, and how many numbers come out."""

    outputs: int  # vocabulary, classes, or dimensions of a regression
    vocabulary: int | None = None  # inputs are tokens below it
    features: int | None = None  # inputs are real vectors of this size
    length: int | None = None  # positions a sample, where it is a sequence
    since: int = 0  # the first position whose output counts: targets before it weigh nothing


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Samples of every member. `latents` are the truth behind them, by name, `[member, sample, ...]`."""

    inputs: Tensor  # [member, sample, ...]
    targets: Tensor  # [member, sample, ...]
    weights: Tensor | None = None  # of each target in the loss; None weighs all alike
    latents: dict[str, Tensor] = field(default_factory=dict)

    def take(self, samples: slice | Tensor) -> "Batch":
        """Some of the samples: the same of every member."""
        return Batch(
            inputs=self.inputs[:, samples],
            targets=self.targets[:, samples],
            weights=None if self.weights is None else self.weights[:, samples],
            latents={name: value[:, samples] for name, value in self.latents.items()},
        )

    def tensors(self) -> list[Tensor]:
        """Inputs, targets, weights where there are any, and the latents, in this order."""
        weights = [] if self.weights is None else [self.weights]
        return [self.inputs, self.targets, *weights, *self.latents.values()]

    def made_of(self, tensors: Iterable[Tensor]) -> "Batch":
        """A batch like this one, of other tensors in the order of `tensors`."""
        given = iter(tensors)
        return Batch(
            inputs=next(given),
            targets=next(given),
            weights=None if self.weights is None else next(given),
            latents={name: next(given) for name in self.latents},
        )

    def since(self, position: int) -> "Batch":
        """The samples with their targets from a position on: inputs and latents are whole."""
        weights = None if self.weights is None else self.weights[:, :, position:]
        return replace(self, targets=self.targets[:, :, position:], weights=weights) if position else self


class Task(Part):
    """Draws samples for a population. Abstract: a task gives `shape` and `sample`."""

    @property
    def shape(self) -> Shape:
        """What goes into a model and what comes out."""
        raise NotImplementedError

    def world(self, streams: Streams) -> Any:
        """What a member's task holds fixed (its chains, its teacher...), drawn once from its seed. None for none."""
        return None

    def evaluated(self, world: Any) -> tuple["Task", Any]:
        """The task that measures look at, and its world: itself, unless it changes while training goes on."""
        return self, world

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """`size` samples a member. They may depend on the training step: `streams.step(size)` has each sample's.

        Computed sample by sample (no sum or normalisation across samples), so that it does not matter how many are
        drawn at once.
        """
        raise NotImplementedError
