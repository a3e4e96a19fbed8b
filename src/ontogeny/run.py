"""A run: one execution of a study, planned, kept on disk, taken up again where it was left."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch

from ontogeny.errors import CannotCompile, RunFailed, UserError, nearest
from ontogeny.experiment import Cohort, Experiment, Row, cohorts_at_once
from ontogeny.factors import FIRST_SEED
from ontogeny.files import write_json, writing
from ontogeny.labelled import Record
from ontogeny.locate import Found
from ontogeny.machine import hardware, one_thread, versions
from ontogeny.memory import keep_freed
from ontogeny.parts import describe, digest
from ontogeny.store import FORMAT, CohortStore, read_about
from ontogeny.study import definition

MODES = ("auto", "eager", "compiled")
COMMIT_SECONDS = 5.0  # at most this much work is done again after a kill


@dataclass(frozen=True)
class Prepared:
    """A study at one scale, with the user's changes, ready to run."""

    found: Found
    scale: str
    experiments: Mapping[str, Experiment]
    levels: Mapping[str, Sequence[Any]]
    device: torch.device
    mode: str = "auto"

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

    def say(self, text: str) -> None:
        """Something worth a line."""
        ...

    def begin(self, experiment: str, cohorts: Sequence[Sequence[Row]]) -> None:
        """An experiment starts."""
        ...

    def look(self, index: int, cohort: Cohort) -> None:
        """A cohort has come further."""
        ...

    def end(self, experiment: str, diverged: Sequence[Row]) -> None:
        """An experiment has been measured to its end."""
        ...


def prepare(
    found: Found,
    scale: str,
    levels: Mapping[str, Sequence[Any]],
    seeds: int | None,
    device: str,
    mode: str = "auto",
) -> Prepared:
    """A study at a scale, with other levels for some factors and another number of seeds.

    `mode` is how updates are made: "eager", operation by operation, "compiled", or "auto", which compiles where that
    saves more time than it takes. In either a member has the same bits in any company, but not those of the other.

    Raises: `UserError` for a scale or factor that the study has not, values that cannot work, or a device that is not
    there.
    """
    if mode not in MODES:
        raise UserError(f"no mode {mode!r}: {nearest(mode, MODES)}")
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
    return Prepared(found, scale, changed, levels, pick_device(device), mode)


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


def run(prepared: Prepared, folder: Path, watcher: Watcher) -> None:
    """Measures everything a study asks for into a folder, going on where an earlier run of it was left.

    Raises: `UserError` for a folder that holds another run, or that another process is writing; `RunFailed` when an
    experiment breaks.
    """
    keep_freed()
    about = _begin(prepared, folder, watcher)
    with _locked(folder):
        started = time.monotonic()
        for name, experiment in prepared.experiments.items():
            plan = about["experiments"][name]
            cohorts = [[plan["rows"][i] for i in members] for members in plan["cohorts"]]
            watcher.begin(name, cohorts)
            compiled = plan["mode"] == "compiled"
            watcher.end(name, _advance_all(experiment, cohorts, prepared.device, compiled, folder / name, watcher))
        if not about["finished"]:
            seconds = about["seconds"] + time.monotonic() - started
            write_json(folder / "run.json", {**about, "seconds": seconds, "finished": True})


def _advance_all(
    experiment: Experiment,
    cohorts: Sequence[Sequence[Row]],
    device: torch.device,
    compiled: bool,
    folder: Path,
    watcher: Watcher,
) -> list[Row]:
    """Takes all cohorts to their end, on a CPU one a core at a time; gives the rows that diverged.

    Two cohorts on a core each are faster than one on both, for much of an update is too small to be shared. When one
    breaks, or the user interrupts, the others stop at their next record, and commit it.
    """
    workers = cohorts_at_once(len(cohorts), device)
    stop = threading.Event()

    def advance(index: int) -> list[Row]:
        store = CohortStore(folder / f"cohort-{index:04d}")
        try:
            with one_thread():
                return _advance(experiment, cohorts[index], device, compiled, store, index, watcher, stop)
        except BaseException as error:
            stop.set()
            if isinstance(error, UserError) or not isinstance(error, Exception):
                raise
            values = ", ".join(f"{k}={v}" for k, v in cohorts[index][0].items())
            reason = f"{type(error).__name__}: {error}"
            raise RunFailed(f"experiment {folder.name!r} broke in the members from {values}: {reason}") from error

    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(advance, index) for index in range(len(cohorts))]
        try:
            return [row for future in futures for row in future.result()]
        except BaseException:
            stop.set()
            raise


def _advance(
    experiment: Experiment,
    rows: Sequence[Row],
    device: torch.device,
    compiled: bool,
    store: CohortStore,
    index: int,
    watcher: Watcher,
    stop: threading.Event,
) -> list[Row]:
    """Takes a cohort to its end, or to the next record once it is told to stop; gives the rows that diverged."""
    if stop.is_set():
        return []
    state = store.state()
    if state is not None and "finished" in state:
        return [row for row, alive in zip(rows, state.get("alive", torch.ones(len(rows))), strict=True) if not alive]
    cohort = experiment.open(rows, device, compiled)
    if state is not None:
        cohort.restore(state)
    pending: list[Record] = []
    committed = time.monotonic()
    for record in cohort.records():
        pending.append(record)
        watcher.look(index, cohort)
        if stop.is_set() or time.monotonic() - committed > COMMIT_SECONDS:
            store.commit(pending, cohort.state())
            pending, committed = [], time.monotonic()
        if stop.is_set():
            return []
    last = cohort.state()
    store.commit(pending, {**last, "finished": torch.tensor(True)})
    watcher.look(index, cohort)
    return [row for row, alive in zip(rows, last.get("alive", torch.ones(len(rows))), strict=True) if not alive]


def _begin(prepared: Prepared, folder: Path, watcher: Watcher) -> dict[str, Any]:
    """The run's description: that of the folder when it holds this very run, else a new one."""
    if (folder / "run.json").exists():
        about = read_about(folder)
        modes = {plan["mode"] for plan in about["experiments"].values()}
        if prepared.mode != "auto" and modes != {prepared.mode}:
            raise UserError(
                f"{folder} holds a run in mode {', '.join(sorted(modes))}: choose another folder with --out"
            )
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
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty and not a run: choose another folder with --out")
    experiments = {}
    for name, experiment in prepared.experiments.items():
        rows = experiment.factors.rows()
        cohorts = experiment.plan(rows, prepared.device)
        members = [[rows[i] for i in cohort] for cohort in cohorts]
        mode = _mode(prepared, experiment, members, watcher)
        experiments[name] = {"definition": describe(experiment), "rows": rows, "cohorts": cohorts, "mode": mode}
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
    write_json(folder / "run.json", about)
    return read_about(folder)


def _mode(
    prepared: Prepared, experiment: Experiment, cohorts: Sequence[Sequence[Row]], watcher: Watcher
) -> Literal["eager", "compiled"]:
    """How an experiment's updates are made, once and for all of its members."""
    wanted = prepared.mode == "compiled"
    if prepared.mode == "eager" or not (wanted or experiment.pays_to_compile(cohorts, prepared.device)):
        return "eager"
    watcher.say("compiling the updates, for half a minute or so; once for each shape")
    try:
        with one_thread():
            experiment.open(cohorts[0], prepared.device, True)
    except CannotCompile as error:
        if wanted:
            raise UserError(f"updates cannot be compiled here ({error}): use --mode eager") from None
        watcher.say(f"updates cannot be compiled here ({error}): they are made operation by operation")
        return "eager"
    return "compiled"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with writing(folder):
        handle = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise UserError(
            f"another process is writing {folder}: wait for it, or choose another folder with --out"
        ) from None
    try:
        yield
    finally:
        os.close(handle)
