"""A trial: an experiment without training, one call of a function a member."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ontogeny.errors import UserError, nearest
from ontogeny.experiment import Experiment, Row
from ontogeny.labelled import Labelled, Record
from ontogeny.streams import Streams

Function = Callable[..., dict[str, Labelled]]


class Trial(Experiment):
    """Calls `function(streams, **factors)` for every row of `factors`, and keeps what it gives.

    `streams` are those of the member alone, and every array has an axis `member` of size 1 in front. A
    `functools.partial` fixes arguments that no factor varies.
    """

    function: Function

    def check(self) -> None:
        """Values that can work."""
        takes = inspect.signature(self.function).parameters
        for name in self.factors.columns:
            if name != "seed" and name not in takes:
                raise UserError(f"the trial's function takes no argument {name!r}: {nearest(name, takes)}")

    def plan(self, rows: Sequence[Row], device: torch.device) -> list[list[int]]:
        """Every member by itself."""
        return [[i] for group in self.populations(rows) for i in group]

    def open(self, rows: Sequence[Row], device: torch.device, compiled: bool = False) -> "TrialCohort":
        """Calls that are still to be made; a function is called as it is, compiled or not."""
        return TrialCohort(self.function, rows, device)


class TrialCohort:
    """The calls of a trial: nothing to keep between them, for a cohort is one member."""

    def __init__(self, function: Function, rows: Sequence[Row], device: torch.device) -> None:
        assert len(rows) == 1, "a trial's members stand alone"
        self.function, self.row, self.device, self.done = function, rows[0], device, 0

    def records(self) -> Iterator[Record]:
        """One record: what the function gives."""
        if not self.done:
            values = dict(self.row)
            streams = Streams((values.pop("seed"),), device=self.device)
            measured = self.function(streams, **values)
            self.done = 1
            yield Record(None, measured)

    def state(self) -> dict[str, Tensor]:
        """Whether the call has been made."""
        return {"done": torch.tensor(self.done)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Takes up a state."""
        self.done = int(state["done"])

    def progress(self) -> dict[str, Any]:
        """Calls made and to make."""
        return {"done": self.done, "total": 1, "loss": None}
