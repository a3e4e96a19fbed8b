"""What an experiment is: whatever turns a table of conditions into labelled measurements."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from ontogeny.factors import Table
from ontogeny.labelled import Record
from ontogeny.parts import Part, resolve

Row = dict[str, Any]


class Cohort(Protocol):
    """Some members of an experiment under way: it can be left at any record and taken up again from its state."""

    def records(self) -> Iterator[Record]:
        """Goes on from where the cohort stands, and gives what is measured."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that `restore` needs, as it was when the last record was given. Empty when nothing needs keeping."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Takes up a state that `state` gave."""
        ...

    def progress(self) -> dict[str, Any]:
        """What a watcher sees: `done` and `total` (steps, of all members alike) and, where there is one, `loss`."""
        ...


class Experiment(Part):
    """Abstract: gives `plan` and `open`."""

    factors: Table

    def member(self, row: Row) -> Self:
        """The experiment of one member: every factor replaced by the row's value."""
        return resolve(self, row)

    def plan(self, rows: Sequence[Row], device: torch.device) -> list[list[int]]:
        """Splits the rows into cohorts: what shares a structure stands together, in pieces that fit the machine."""
        raise NotImplementedError

    def open(self, rows: Sequence[Row], device: torch.device) -> Cohort:
        """Starts the members of these rows, which share a structure."""
        raise NotImplementedError
