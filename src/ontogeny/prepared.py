"""Prepared: a study at one scale, with the user's changes, ready to be run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ontogeny.errors import UserError, nearest
from ontogeny.experiment import PRECISIONS, Experiment
from ontogeny.factors import FIRST_SEED
from ontogeny.locate import Found
from ontogeny.machine import versions
from ontogeny.parts import digest
from ontogeny.study import definition

MODES = ("auto", "eager", "compiled")


@dataclass(frozen=True)
class Prepared:
    """A study at one scale, with the user's changes, ready to run."""

    found: Found
    scale: str
    experiments: Mapping[str, Experiment]
    levels: Mapping[str, Sequence[Any]]
    device: torch.device
    mode: str = "auto"
    precision: str = "float32"

    @property
    def digest(self) -> str:
        """What the verdicts depend on: the experiments as they will run, and the claims."""
        return definition(self.experiments, self.found.study.claims)

    @property
    def folder(self) -> Path:
        """Where the run goes when the user names no place."""
        address = digest([dict(self.experiments), str(self.device.type), versions()["torch"]])[:8]
        return Path("runs") / f"{self.found.slug}-{self.scale}-{address}"


def prepare(
    found: Found,
    scale: str,
    levels: Mapping[str, Sequence[Any]],
    seeds: int | None,
    device: str,
    mode: str = "auto",
    precision: str = "float32",
) -> Prepared:
    """A study at a scale, with other levels for some factors and another number of seeds.

    `mode` is how updates are made: "eager", operation by operation, "compiled", or "auto", which compiles where that
    saves more time than it takes. In either a member has the same bits in any company, but not those of the other.
    `precision` is that of the products of updates where the study says nothing else.

    Raises: `UserError` for a scale or factor that the study has not, values that cannot work, or a device that is not
    there.
    """
    if mode not in MODES:
        raise UserError(f"no mode {mode!r}: {nearest(mode, MODES)}")
    if precision not in PRECISIONS:
        raise UserError(f"no precision {precision!r}: {nearest(precision, PRECISIONS)}")
    levels = dict(levels)
    if seeds is not None:
        if seeds < 1:
            raise UserError(f"a study needs at least one seed, got {seeds}")
        levels["seed"] = tuple(range(FIRST_SEED, FIRST_SEED + seeds))
    experiments = found.study.experiments(scale)
    known = {column for experiment in experiments.values() for column in experiment.factors.columns}
    for name in levels:
        if name not in known:
            raise UserError(f"{found.slug} has no factor {name!r}: {nearest(name, known)}")
    changed = {
        name: experiment.replace(
            factors=experiment.factors.replace({k: v for k, v in levels.items() if k in experiment.factors.columns})
        )
        for name, experiment in experiments.items()
    }
    precise = {name: experiment.in_precision(precision) for name, experiment in changed.items()}
    if precision != "float32" and all(precise[name] is changed[name] for name in changed):
        raise UserError(f"nothing of {found.slug} is trained in float32: leave out --precision {precision}")
    return Prepared(found, scale, precise, levels, pick_device(device), mode, precision)


def pick_device(name: str) -> torch.device:
    """`auto` is the GPU where there is one.

    Raises: `UserError` when CUDA is asked for and absent, or for an unknown device.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"no device {name!r}: {nearest(name, ('auto', 'cpu', 'cuda'))}")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UserError("CUDA was asked for, but PyTorch finds no GPU here: use --device cpu")
    return torch.device("cuda" if there and name != "cpu" else "cpu")
