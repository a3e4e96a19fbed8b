"""What a measure is: a pure function from a checkpoint to named, labelled arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.models.population import Population
from ontogeny.parts import Part
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Task


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A population at one moment of its training, as a measure sees it."""

    population: Population
    task: Task
    world: Any
    streams: Streams  # for evaluation: the same at every checkpoint, apart from those of training
    step: int
    # The optimizer's tables `[member, parameter]` by slot, laid out as `Population.layout` says.
    memory: Mapping[str, Tensor] = field(default_factory=dict)

    def batch(self, purpose: str, size: int) -> Batch:
        """Held-out samples: the same at every checkpoint, different for every purpose."""
        return self.task.sample(self.world, self.streams.of(purpose), size)

    @property
    def members(self) -> int:
        """Number of members."""
        return self.population.members


class Measure(Part):
    """Looks at a checkpoint. Abstract: gives `__call__`.

    Never edits what it is given, never prints, and never waits for the device (no `.item()`, no branch on a value).
    """

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """The measured arrays by the name they get in the dataset, each with `member` as its first axis."""
        raise NotImplementedError
