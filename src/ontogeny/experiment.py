"""What an experiment is: whatever turns a table of conditions into labelled measurements."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.factors import EMPTY, Table
from ontogeny.labelled import Record
from ontogeny.parts import Part, resolve, structure

Row = dict[str, Any]
StateAt = Callable[[int], dict[str, Tensor]]  # a cohort's arrays as they were at a measured step
PRECISIONS = ("float32", "tf32", "bf16")  # of the products of updates, that a run can choose
TRACE = "train_loss"  # what a cohort gives of every update, whatever is measured
Self = TypeVar("Self", bound="Experiment")  # typing.Self, which beartype cannot check method by method


def plain(rows: Sequence[Row]) -> list[Row]:
    """Rows as a run's folder keeps them, and its members get them."""
    return json.loads(json.dumps(rows, default=str))


@dataclass(frozen=True)
class Cost:
    """What a cohort will take, as far as it can be told before it starts. None is unknown.

    Seconds are those of one core while its neighbours are at work, too.
    """

    members: int
    training: float | None = None  # seconds to open it and to make its updates
    measuring: float | None = None  # seconds of all its measured steps
    memory: int | None = None  # bytes that it holds at most
    disk: int | None = None  # bytes that it leaves in the run's folder
    parameters: int | None = None  # of all members
    flops: float | None = None  # matrix products of all updates

    @property
    def seconds(self) -> float | None:
        """All of its time."""
        return None if self.training is None or self.measuring is None else self.training + self.measuring


@dataclass(frozen=True)
class Compiling:
    """What compiling the updates of some cohorts takes, and what it saves."""

    seconds: float
    saved: Sequence[float]  # seconds of each cohort


@runtime_checkable
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
        """What a watcher sees: `done` and `total` (steps, of all members alike), where there is one `loss`, and `said`.

        `said`, where it is there and not empty, is a line for the user.
        """
        ...


def cohorts_at_once(cohorts: int, device: torch.device) -> int:
    """How many cohorts advance side by side: on a CPU one a core, on a GPU one."""
    return 1 if device.type == "cuda" else max(1, min(torch.get_num_threads(), cohorts))


class Experiment(Part):
    """Abstract: gives `plan` and `open`."""

    factors: Table

    def member(self: Self, row: Row) -> Self:
        """The experiment of one member: every factor replaced by the row's value, and no table of others.

        Raises: `UserError` for values that cannot work, with the row's factors.
        """
        return resolve(self.replace(factors=EMPTY), row)

    def populations(self, rows: Sequence[Row]) -> list[list[int]]:
        """Indices of the rows that share a structure, a list a population.

        Raises: `UserError` for a row whose values cannot work, or a table without seeds.
        """
        if rows and "seed" not in rows[0]:
            raise UserError("an experiment needs the factor seed: factors=vary(...) * seeds(4)")
        groups: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            groups.setdefault(structure(self.member(row)), []).append(i)
        return list(groups.values())

    def in_precision(self: Self, precision: str) -> Self:
        """The experiment in another numerical precision; itself where there is none to choose."""
        return self

    def plan(self, rows: Sequence[Row], device: torch.device) -> list[list[int]]:
        """Splits the rows into cohorts: what shares a structure stands together, in pieces that fit the machine."""
        raise NotImplementedError

    def open(self, rows: Sequence[Row], device: torch.device, compiled: bool = False) -> Cohort:
        """Starts the members of these rows, which share a structure.

        Raises: `CannotCompile` when compiled updates are asked for and not to be had.
        """
        raise NotImplementedError

    def unmeasured(self: Self) -> Self | None:
        """The experiment without what only looks at its members: on it rests what their states are at every step.

        None where members have no states that another measure could look at.
        """
        return None

    def measured(self, row: Row) -> tuple[int, ...]:
        """The steps at which a member is measured."""
        return ()

    def replay(self, rows: Sequence[Row], device: torch.device, state_at: StateAt) -> Cohort:
        """Measures the members of these rows, which share a structure, in states that were kept of them."""
        raise NotImplementedError

    def pays_to_compile(
        self, cohorts: Sequence[Sequence[Row]], device: torch.device, costs: Sequence[Cost] | None = None
    ) -> bool:
        """Whether compiled updates save more time in these cohorts than it takes to compile them.

        `costs` are those of updates that are not compiled, where they are known.
        """
        return False

    def compile(self, cohorts: Sequence[Sequence[Row]], device: torch.device) -> None:
        """Gets ready to open these cohorts compiled: nothing is compiled any more once they advance side by side.

        Raises: `CannotCompile`.
        """

    def costs(self, cohorts: Sequence[Sequence[Row]], device: torch.device, compiled: bool = False) -> list[Cost]:
        """What each of these cohorts will take, tried out within some seconds at most."""
        return [Cost(len(rows)) for rows in cohorts]

    def compiling(
        self, cohorts: Sequence[Sequence[Row]], costs: Sequence[Cost], device: torch.device
    ) -> Compiling | None:
        """What compiled updates would change, given what the cohorts cost without; None where there are none."""
        return None
