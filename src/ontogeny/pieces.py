"""Pieces: a cohort that is advanced some members at a time, where memory does not suffice for all of them at once."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ontogeny.experiment import Cohort, Experiment, Row
from ontogeny.labelled import Labelled, Record

State = dict[str, Tensor]


def divided(rows: Sequence[Row], pieces: int) -> list[list[Row]]:
    """Rows in so many pieces, in order, each as large as any other or one row larger."""
    ends = [len(rows) * i // pieces for i in range(pieces + 1)]
    return [list(rows[start:end]) for start, end in pairwise(ends)]


class Pieces:
    """A cohort of all the rows: one piece after another goes on to the next record, and these are joined.

    A member does not depend on its company, so records, states and bits are those of the rows in one. What an update
    or a measure holds beside the members' own tensors is there for one piece at a time; those tensors stay.
    """

    def __init__(
        self, experiment: Experiment, rows: Sequence[Row], pieces: int, device: torch.device, compiled: bool
    ) -> None:
        parts = divided(rows, pieces)
        self.sizes = [len(part) for part in parts]
        self.cohorts: list[Cohort] = [experiment.open(part, device, compiled) for part in parts]

    def records(self) -> Iterator[Record]:
        """Records of all members."""
        for records in zip(*(cohort.records() for cohort in self.cohorts), strict=True):
            names = records[0].values
            yield Record(records[0].step, {name: joined([r.values[name] for r in records]) for name in names})

    def state(self) -> State:
        """The state of all members; its single numbers are those that they share."""
        states = [cohort.state() for cohort in self.cohorts]
        return {name: torch.cat([s[name] for s in states]) if v.ndim else v for name, v in states[0].items()}

    def restore(self, state: State) -> None:
        """Takes up a state of all members."""
        cut = {name: value.split(self.sizes) for name, value in state.items() if value.ndim}
        for i, cohort in enumerate(self.cohorts):
            cohort.restore({name: cut[name][i] if name in cut else value for name, value in state.items()})

    def progress(self) -> dict[str, Any]:
        """As far as the last piece is."""
        seen = [cohort.progress() for cohort in self.cohorts]
        losses = [one["loss"] for one in seen]
        loss = None if any(one is None for one in losses) else np.concatenate(losses)
        return {**seen[-1], "loss": loss}


def joined(arrays: Sequence[Labelled]) -> Labelled:
    """One array of the members of all."""
    first = arrays[0]
    coords = dict(first.coords)
    member = first.dims[0]
    if member in coords:
        coords[member] = [label for array in arrays for label in array.coords[member]]
    return replace(first, values=torch.cat([array.values for array in arrays]), coords=coords)
