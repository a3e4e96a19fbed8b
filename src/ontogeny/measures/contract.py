"""What a measure is: a pure function from a checkpoint to named, labelled arrays."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.models.population import Population
from ontogeny.parts import Part
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Task

Made = TypeVar("Made")


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
    # What `once` has made. A cohort hands the same dictionary to all of its looks, and takes it along when it goes.
    kept: dict[Hashable, tuple[Any, Any]] = field(default_factory=dict)

    def batch(self, purpose: str, size: int) -> Batch:
        """Held-out samples: the same at every checkpoint, different for every purpose."""
        return self.task.sample(self.world, self.streams.of(purpose), size)

    def once(self, owner: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` gives, at the first look at these members; at later ones the same object, not to be edited.

        For what does not depend on the networks: `make` may read the task, the world and the streams, of which it is
        made again when they are others. `owner` is the measure that asks, and what tells its questions apart.
        """
        of = (self.task, self.world, self.streams)
        if owner not in self.kept or not _same(self.kept[owner][0], of):
            self.kept[owner] = of, make()
        return self.kept[owner][1]

    @property
    def members(self) -> int:
        """Number of members."""
        return self.population.members


def _same(before: tuple[Any, Any, Streams], now: tuple[Any, Any, Streams]) -> bool:
    """Whether these are the very same task and world, and equal streams, which every look makes anew."""
    return before[0] is now[0] and before[1] is now[1] and before[2] == now[2]


class Measure(Part):
    """Looks at a checkpoint. Abstract: gives `__call__`.

    Never edits what it is given, never prints, and never waits for the device (no `.item()`, no branch on a value).
    """

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """The measured arrays by the name they get in the dataset, each with `member` as its first axis."""
        raise NotImplementedError
