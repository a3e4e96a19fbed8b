"""A run: one execution of a study, planned, kept on disk, taken up again where it was left."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from ontogeny.advance import Advance
from ontogeny.errors import UserError, nearest
from ontogeny.executors.contract import Executor, Progress
from ontogeny.executors.local import Local
from ontogeny.experiment import Experiment, Row
from ontogeny.factors import FIRST_SEED
from ontogeny.files import to_json
from ontogeny.folder import Folder, Place, folder_at
from ontogeny.locate import Found
from ontogeny.machine import hardware, versions
from ontogeny.memory import keep_freed
from ontogeny.parts import describe, digest
from ontogeny.shard import WHOLE, Shard
from ontogeny.store import FORMAT, CohortStore, cohort_name, read_about
from ontogeny.study import definition


@dataclass(frozen=True)
class Prepared:
    """A study at one scale, with the user's changes, ready to run."""

    found: Found
    scale: str
    experiments: Mapping[str, Experiment]
    levels: Mapping[str, Sequence[Any]]
    device: torch.device

    @property
    def digest(self) -> str:
        """What the verdicts depend on: the experiments as they will run, and the claims."""
        return definition(self.experiments, self.found.study.claims)

    @property
    def folder(self) -> Path:
        """Where the run goes when the user names no place."""
        address = digest([dict(self.experiments), str(self.device.type), versions()["torch"]])[:8]
        return Path("runs") / f"{self.found.slug}-{self.scale}-{address}"


@runtime_checkable
class Watcher(Protocol):
    """Someone who looks on while a run goes; `look` is called from several threads."""

    def begin(self, experiment: str, cohorts: Sequence[Sequence[Row]]) -> None:
        """An experiment starts."""
        ...

    def look(self, index: int, seen: Progress) -> None:
        """A cohort has come further: `seen` is what its `progress` gives."""
        ...

    def end(self, experiment: str, diverged: Sequence[Row]) -> None:
        """An experiment has been measured to its end."""
        ...


def prepare(found: Found, scale: str, levels: Mapping[str, Sequence[Any]], seeds: int | None, device: str) -> Prepared:
    """A study at a scale, with other levels for some factors and another number of seeds.

    Raises: `UserError` for a scale or factor that the study has not, values that cannot work, or a device that is not
    there.
    """
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
    return Prepared(found, scale, changed, levels, pick_device(device))


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


def run(
    prepared: Prepared, place: Place, watcher: Watcher, executor: Executor | None = None, shard: Shard = WHOLE
) -> int:
    """Measures everything a study asks for into a folder, going on where an earlier run of it was left.

    `executor` says who does it (this process when none is given), `shard` which share of it; gives how many cohorts are
    left for other shards, so 0 for a run that is finished.

    Raises: `UserError` for a folder that holds another run, or that another process is writing; `RunFailed` when an
    experiment breaks.
    """
    keep_freed()
    folder = folder_at(place)
    about = _begin(prepared, folder)
    started = time.monotonic()
    with folder.locked(shared=not shard.whole):
        before = 0
        for name, experiment in prepared.experiments.items():
            plan = about["experiments"][name]
            mine = shard.of(range(len(plan["cohorts"])), before)
            before += len(plan["cohorts"])
            cohorts = [[plan["rows"][i] for i in plan["cohorts"][index]] for index in mine]
            work = [
                Advance(experiment, rows, prepared.device, folder, about["created"], name, index, not shard.whole)
                for index, rows in zip(mine, cohorts, strict=True)
            ]
            watcher.begin(name, cohorts)
            watcher.end(name, _advance_all(executor or Local(), work, prepared.device, watcher))
        left = 0 if shard.whole else _left(about, folder)
        if not about["finished"] and not left:
            seconds = about["seconds"] + time.monotonic() - started
            folder.write("run.json", to_json({**about, "seconds": seconds, "finished": True}).encode())
    return left


def _advance_all(executor: Executor, work: Sequence[Advance], device: torch.device, watcher: Watcher) -> list[Row]:
    """Takes cohorts to their end; gives the rows that diverged."""
    diverged: dict[int, list[Row]] = {}
    with closing(executor.results(work, device, watcher.look)) as results:
        for index, rows in results:
            diverged[index] = rows
    return [row for index in sorted(diverged) for row in diverged[index]]


def _left(about: Mapping[str, Any], folder: Folder) -> int:
    """How many cohorts have not come to their end."""
    names = ((name, i) for name, plan in about["experiments"].items() for i in range(len(plan["cohorts"])))
    stores = (CohortStore(folder.inside(name, cohort_name(i))) for name, i in names)
    return sum("finished" not in store.glance("finished") for store in stores)


def _begin(prepared: Prepared, folder: Folder) -> dict[str, Any]:
    """The run's description: that of the folder when it holds this very run, else a new one."""
    there = folder.names()  # before we look for run.json, which another process may be about to write
    if "run.json" in folder.names():
        return _same(prepared, folder)
    if there:
        raise UserError(f"{folder} is not empty and not a run: choose another folder with --out")
    experiments = {}
    for name, experiment in prepared.experiments.items():
        rows = experiment.factors.rows()
        cohorts = experiment.plan(rows, prepared.device)
        experiments[name] = {"definition": describe(experiment), "rows": rows, "cohorts": cohorts}
    about = {
        "format": FORMAT,
        "study": prepared.found.slug,
        "source": prepared.found.source,
        "finding": prepared.found.finding,
        "scale": prepared.scale,
        "definition": prepared.digest,
        "levels": {name: list(values) for name, values in prepared.levels.items()},
        "device": prepared.device.type,
        "versions": versions(),
        "hardware": hardware(prepared.device),
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "experiments": experiments,
        "seconds": 0.0,
        "finished": False,
    }
    folder.create("run.json", to_json(about))  # unless another shard was faster: then its plan is the plan
    return _same(prepared, folder)


def _same(prepared: Prepared, folder: Folder) -> dict[str, Any]:
    """The description of the run that a folder holds.

    Raises: `UserError` when it is not this very run.
    """
    about = read_about(folder)
    for what, mine in (("definition", prepared.digest), ("device", prepared.device.type)):
        if about[what] != mine:
            raise UserError(f"{folder} holds a run with another {what}: choose another folder with --out")
    for name, mine in versions().items():
        if name != "python" and about["versions"].get(name) != mine:
            raise UserError(
                f"{folder} was begun with {name} {about['versions'].get(name)}, this is {mine}: "
                "its numbers would not fit together; choose another folder with --out"
            )
    return about
