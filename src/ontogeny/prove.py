"""Proving a run: one member of it is made again, alone, and every number is compared bit for bit."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ontogeny.errors import RunFailed, UserError
from ontogeny.experiment import Experiment, Row
from ontogeny.folder import Place
from ontogeny.labelled import Record
from ontogeny.locate import find
from ontogeny.machine import one_thread
from ontogeny.prepared import Prepared, prepare
from ontogeny.store import load, read_about


@dataclass(frozen=True)
class Proof:
    """What came of it."""

    experiment: str
    row: dict[str, Any]
    compared: int  # numbers
    differing: int
    where: str  # the first difference; empty when there is none
    exact: bool  # bit for bit on a CPU; on a GPU within 1e-4 of the largest number of an array

    @property
    def holds(self) -> bool:
        """Whether the run is what it says it is."""
        return self.differing == 0


def reopen(folder: Place) -> Prepared:
    """The study of a run as it was run.

    Raises: `UserError` when the study has changed since.
    """
    about = read_about(folder)
    levels = {name: tuple(values) for name, values in about["levels"].items()}
    precision = about.get("precision", "float32")
    prepared = prepare(find(about["source"]), about["scale"], levels, None, about["device"], precision=precision)
    if prepared.digest != about["definition"]:
        raise UserError(f"the study {about['study']} has changed since {folder} was made: run it again")
    return prepared


def prove(folder: Place, choice: int) -> Iterator[tuple[int, int] | Proof]:
    """Makes member `choice` (modulo their number) again, alone; gives its progress and at the end the proof.

    Raises: `UserError` for a run that is not finished or whose study has changed.
    """
    about = read_about(folder)
    if not about["finished"]:
        raise UserError(f"{folder} is not finished: run the study again to go on, then prove it")
    prepared = reopen(folder)
    members = [(name, i) for name, plan in about["experiments"].items() for i in range(len(plan["rows"]))]
    name, member = members[choice % len(members)]
    row = about["experiments"][name]["rows"][member]
    stored = load(folder, name).isel(member=[member])
    compiled = about["experiments"][name]["mode"] == "compiled"
    with one_thread():
        yield from _compared(prepared.experiments[name], name, row, prepared.device, compiled, stored)


def _compared(
    experiment: Experiment, name: str, row: Row, device: torch.device, compiled: bool, stored: Any
) -> Iterator[tuple[int, int] | Proof]:
    cohort = experiment.open([row], device, compiled)
    exact = device.type == "cpu"
    compared = differing = 0
    where = ""
    for record in cohort.records():
        for variable, there, here in _pairs(stored, record):
            compared += here.size
            unequal = ~_equal(there, here, exact)
            differing += int(unequal.sum())
            if unequal.any() and not where:
                where = f"{variable} at step {record.step}: {there[unequal][0]!r} is stored, {here[unequal][0]!r} came"
        progress = cohort.progress()
        yield progress["done"], progress["total"]
    if not compared:
        raise RunFailed(f"nothing was measured of {row} in {name!r}, so there is nothing to compare")
    yield Proof(name, row, compared, differing, where, exact)


def _pairs(stored: Any, record: Record) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Every array of a record beside the one in the store."""
    for variable, array in record.values.items():
        here = array.values.detach().cpu().numpy()
        there = stored[variable]
        if "update" in array.dims:
            there = there.sel(update=list(array.coords["update"]))
        elif record.step is not None:
            there = there.sel(step=record.step)
        # Members of another structure may have longer axes: beyond this one's the dataset holds NaN.
        there = there.isel({dim: slice(size) for dim, size in zip(array.dims, here.shape, strict=True)})
        yield variable, there.transpose(*array.dims).to_numpy(), here


def _equal(there: np.ndarray, here: np.ndarray, exact: bool) -> np.ndarray:
    same = (there == here) | ((there != there) & (here != here))
    if exact or not np.issubdtype(here.dtype, np.floating):
        return same
    return same | (np.abs(there - here) <= 1e-4 * max(float(np.nanmax(np.abs(here))), torch.finfo(torch.float32).tiny))
