"""Arrays with names: what a measure gives and what the dataset of a run is assembled from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Labelled:
    """An array with names: what its axes are, their coordinates where they have any, and its unit."""

    values: Tensor
    dims: tuple[str, ...]
    coords: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    unit: str = ""

    def __post_init__(self) -> None:
        assert self.values.ndim == len(self.dims), f"{tuple(self.values.shape)} is not {self.dims}"
        for name, labels in self.coords.items():
            assert len(labels) == self.values.shape[self.dims.index(name)], f"{name}: {len(labels)} labels"


@dataclass(frozen=True)
class Record:
    """What was measured at one step of a cohort, or once (`step` None). Every array has `member` as its first axis.

    An array with an axis `update` is a piece of a trace: pieces are joined along it, and it has no `step`.
    """

    step: int | None
    values: dict[str, Labelled]
