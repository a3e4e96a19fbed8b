"""A run: one execution of a study, planned, kept on disk, taken up again where it was left."""

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch

from ontogeny.cache import MemberCache
from ontogeny.errors import CannotCompile, RunFailed, UserError, nearest
from ontogeny.experiment import Cohort, Experiment, Row, cohorts_at_once
from ontogeny.factors import FIRST_SEED
from ontogeny.files import write_json, writing
from ontogeny.labelled import Record
from ontogeny.locate import Found
from ontogeny.machine import hardware, one_thread, versions
from ontogeny.memory import keep_freed
from ontogeny.parts import describe, digest
from ontogeny.reuse import Reuse, Taken
from ontogeny.store import FORMAT, CohortStore, cohort_name, read_about
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


def run(prepared: Prepared, folder: Path, watcher: Watcher, cache: MemberCache | None = None) -> None:
    """Measures everything a study asks for into a folder, going on where an earlier run of it was left.

    Members that the `cache` holds are taken from it, and those that are made are put there.

    Raises: `UserError` for a folder that holds another run, or that another process is writing; `RunFailed` when an
    experiment breaks.
    """
    keep_freed()
    reuse = None if cache is None else Reuse(cache, prepared.found.slug, prepared.experiments, prepared.device)
    about = _begin(prepared, folder, reuse, watcher)
    with _locked(folder):
        if (folder / "run.json").exists():
            about = _begin(prepared, folder, reuse, watcher)  # as another process may have begun it meanwhile
        about = _placed(prepared, folder, about, reuse)
        started = time.monotonic()
        for name, experiment in prepared.experiments.items():
            plan = about["experiments"][name]
            cohorts = [[plan["rows"][i] for i in members] for members in plan["cohorts"]]
            watcher.begin(name, cohorts)
            for index in plan.get("cached", ()):
                watcher.look(index, Taken())
            compiled = plan["mode"] == "compiled"
            if compiled and not about["finished"]:
                with one_thread():
                    experiment.compile(
                        [c for i, c in enumerate(cohorts) if i not in plan.get("cached", ())], prepared.device
                    )
            keep = partial(reuse.keep, name, plan) if reuse is not None and not about["finished"] else None
            place = folder / name
            watcher.end(name, _advance_all(experiment, cohorts, prepared.device, compiled, place, watcher, keep))
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
    keep: Callable[[int, CohortStore], None] | None = None,
) -> list[Row]:
    """Takes all cohorts to their end, on a CPU one a core at a time; gives the rows that diverged.

    `keep` is told of every cohort that came to its end, or that was left because all were told to stop.

    Two cohorts on a core each are faster than one on both, for much of an update is too small to be shared. When one
    breaks, or the user interrupts, the others stop at their next record, and commit it.
    """
    workers = cohorts_at_once(len(cohorts), device)
    stop = threading.Event()

    def advance(index: int) -> list[Row]:
        store = CohortStore(folder / cohort_name(index))
        try:
            with one_thread():
                diverged = _advance(experiment, cohorts[index], device, compiled, store, index, watcher, stop)
            if keep is not None:
                keep(index, store)
            return diverged
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


def _begin(prepared: Prepared, folder: Path, reuse: Reuse | None, watcher: Watcher) -> dict[str, Any]:
    """The run's description: that of the folder when it holds this very run, else a new one, not yet written.

    In a new one the rows that the cache seems to hold are in no cohort yet.
    """
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
    if folder.exists() and any(path.name != ".lock" for path in folder.iterdir()):
        raise UserError(f"{folder} is not empty and not a run: choose another folder with --out")
    experiments = {}
    for name, experiment in prepared.experiments.items():
        experiments[name] = {"definition": describe(experiment), **_arranged(prepared, name, reuse, watcher)}
    return {
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


def _arranged(prepared: Prepared, name: str, reuse: Reuse | None, watcher: Watcher) -> dict[str, Any]:
    """An experiment's rows, the mode of them all, and the cohorts of those that the cache does not seem to hold."""
    experiment = prepared.experiments[name]
    rows, mode, left = left_to_make(prepared, name, reuse)
    cohorts = _plan(experiment, rows, left, prepared.device)
    if cohorts:
        wanted, members = mode, [[rows[i] for i in cohort] for cohort in cohorts]
        mode = _mode(prepared, wanted, experiment, members, watcher)
        if reuse is not None and wanted not in ("auto", mode):  # compiled, as the cache has them, which fails here
            held = set(reuse.held(name, rows, mode))
            cohorts = _plan(experiment, rows, [i for i in range(len(rows)) if i not in held], prepared.device)
    arranged = {"rows": rows, "cohorts": cohorts, "mode": mode}
    return arranged if reuse is None else {**arranged, "addresses": reuse.addresses(name, rows, mode)}


def left_to_make(prepared: Prepared, name: str, reuse: Reuse | None) -> tuple[list[Row], str, list[int]]:
    """An experiment's rows, its mode, and the indices of the rows that the cache does not seem to hold.

    All members of a run share a mode: where none is asked for, the one in which the cache holds most.
    """
    rows = prepared.experiments[name].factors.rows()
    modes = ("eager", "compiled") if prepared.mode == "auto" else (prepared.mode,)
    held = {} if reuse is None else {mode: set(reuse.held(name, rows, mode)) for mode in modes}
    mode = max(held, key=lambda mode: len(held[mode]), default=prepared.mode)
    if not held.get(mode):
        return rows, prepared.mode, list(range(len(rows)))
    return rows, mode, [i for i in range(len(rows)) if i not in held[mode]]


def _plan(experiment: Experiment, rows: Sequence[Row], members: Sequence[int], device: torch.device) -> list[list[int]]:
    """Cohorts of some of an experiment's rows."""
    planned = experiment.plan([rows[i] for i in members], device) if members else []
    return [[members[i] for i in cohort] for cohort in planned]


def _mode(
    prepared: Prepared, wanted: str, experiment: Experiment, cohorts: Sequence[Sequence[Row]], watcher: Watcher
) -> Literal["eager", "compiled"]:
    """How an experiment's updates are made, once and for all of its members."""
    if wanted == "eager" or not (wanted == "compiled" or experiment.pays_to_compile(cohorts, prepared.device)):
        return "eager"
    watcher.say("compiling the updates, for half a minute or so; once for each shape")
    try:
        with one_thread():
            experiment.compile(cohorts, prepared.device)
    except CannotCompile as error:
        if prepared.mode == "compiled":
            raise UserError(f"updates cannot be compiled here ({error}): use --mode eager") from None
        watcher.say(f"updates cannot be compiled here ({error}): they are made operation by operation")
        return "eager"
    return "compiled"


def _placed(prepared: Prepared, folder: Path, about: dict[str, Any], reuse: Reuse | None) -> dict[str, Any]:
    """The run's description, written, with every row in a cohort: those out of the cache in finished ones of their own.

    Whatever kills this on the way, the next attempt takes it up: rows in no cohort are looked for again.
    """
    if not (folder / "run.json").exists():
        write_json(folder / "run.json", about)
        about = read_about(folder)
    for name, experiment in prepared.experiments.items():
        plan = about["experiments"][name]
        cohorts = plan["cohorts"]
        if reuse is not None and not about["finished"]:
            reuse.compare(name, plan)
        if not (left := set(range(len(plan["rows"]))) - {i for members in cohorts for i in members}):
            continue
        for path in (folder / name).glob("cohort-*"):
            if path.name not in {cohort_name(i) for i in range(len(cohorts))}:
                shutil.rmtree(path)  # an attempt that was killed
        if reuse is not None:
            adopted = reuse.adopt(name, plan, sorted(left), folder / name)
            plan["cached"] = [*range(len(cohorts), len(cohorts) + len(adopted))]
            cohorts += adopted
            left -= {i for members in adopted for i in members}
        cohorts += _plan(experiment, plan["rows"], sorted(left), prepared.device)
        write_json(folder / "run.json", about)
    return about


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
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
