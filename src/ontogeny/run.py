"""A run: one execution of a study, planned, kept on disk, taken up again where it was left."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch

from ontogeny.advance import Advance
from ontogeny.cache import MemberCache
from ontogeny.errors import CannotCompile, UserError, nearest
from ontogeny.executors.contract import Executor, Progress, Result
from ontogeny.executors.local import Local
from ontogeny.experiment import PRECISIONS, Experiment, Row
from ontogeny.factors import FIRST_SEED
from ontogeny.files import to_json
from ontogeny.folder import Folder, Place, folder_at
from ontogeny.locate import Found
from ontogeny.machine import hardware, one_thread, threads, versions
from ontogeny.memory import is_out_of_memory, keep_freed, one_line_when_full, peak_bytes, reset_peak
from ontogeny.parts import describe, digest
from ontogeny.pieces import divided
from ontogeny.planning import Plan, disk_bytes, plan_run
from ontogeny.reuse import TAKEN, Reuse
from ontogeny.shard import WHOLE, Shard
from ontogeny.store import FORMAT, CohortStore, cohort_name, read_about
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


@runtime_checkable
class Watcher(Protocol):
    """Someone who looks on while a run goes; `look` is called from several threads."""

    def say(self, text: str) -> None:
        """Something worth a line."""
        ...

    def begin(self, experiment: str, cohorts: Sequence[Sequence[Row]]) -> None:
        """An experiment starts."""
        ...

    def look(self, index: int, seen: Progress) -> None:
        """A cohort has come further: `seen` is what its `progress` gives."""
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


@one_line_when_full()
def run(
    prepared: Prepared,
    place: Place,
    watcher: Watcher,
    cache: MemberCache | None = None,
    executor: Executor | None = None,
    shard: Shard = WHOLE,
    *,
    weights: bool = False,
) -> int:
    """Measures everything a study asks for into a folder, going on where an earlier run of it was left.

    Members that the `cache` holds are taken from it, and those that are made are put there, save by a shard; with
    `weights` their states at every measured step, too, in which other measures can look at them later.
    `executor` says who does the work (this process when none is given), `shard` which share of it; gives how many
    cohorts are left for other shards, so 0 for a run that is finished.

    Raises: `UserError` for a folder that holds another run, or that another process is writing, and for `weights`
    without a cache to keep them; `RunFailed` when an experiment breaks.
    """
    if weights and (cache is None or not shard.whole):
        raise UserError(
            "--keep-weights needs the cache, which --no-cache and --shard do without: leave out one of them"
        )
    keep_freed()
    executor, folder = executor or Local(), folder_at(place)
    reuse = None
    if cache is not None and shard.whole:
        reuse = Reuse(cache, prepared.found.slug, prepared.experiments, prepared.device, weights)
    with threads(executor.cores() * shard.count):  # for which the work is divided
        about = _begin(prepared, folder, reuse, watcher)
    with folder.locked(shared=not shard.whole):
        with threads(executor.cores() * shard.count):
            if "run.json" in folder.names():
                about = _begin(prepared, folder, reuse, watcher)  # as another process may have begun it meanwhile
            about = _placed(prepared, folder, about, reuse, shard)
        started, before = time.monotonic(), 0
        took: dict[str, float] = {}
        in_one_go = "plan" in about and shard.whole and executor.in_process and _untouched(about, folder)
        reset_peak(prepared.device)
        for name, plan in about["experiments"].items():
            mine = shard.of(range(len(plan["cohorts"])), before)
            before += len(plan["cohorts"])
            work = _work(prepared, folder, about, name, mine, locks=not shard.whole)
            watcher.begin(name, [piece.rows for piece in work])
            for index in set(mine) & set(plan.get("cached", ())):
                watcher.look(mine.index(index), TAKEN)
            if not about["finished"]:
                taken = {*plan.get("cached", ()), *plan.get("replayed", ())}
                _make_programs(executor, [p for p in work if p.index not in taken or not p.store.segments()])
            keep = partial(reuse.keep, name, plan) if reuse is not None and not about["finished"] else None
            began = time.monotonic()
            watcher.end(name, _advance_all(executor, work, prepared.device, watcher, keep))
            took[name] = max(0.0, time.monotonic() - began) + plan.get("compiled_in", 0.0)
        left = 0 if shard.whole else _left(about, folder)
        if not about["finished"] and not left:
            seconds = about["seconds"] + max(0.0, time.monotonic() - started)  # a clock may be set back
            ended = {**about, "seconds": seconds, "finished": True}
            if in_one_go:
                memory, disk = peak_bytes(prepared.device), disk_bytes(str(folder), list(took))
                ended["took"] = {"experiments": took, "memory": memory, "disk": disk}
            folder.write("run.json", to_json(ended).encode())
    return left


def _untouched(about: Mapping[str, Any], folder: Folder) -> bool:
    """Whether all the work that was planned, and no other, is still to be done."""
    if any(plan.get("replayed") for plan in about["experiments"].values()):
        return False
    planned = ((name, i) for name, plan in about["experiments"].items() for i in _made(plan))
    return not any(CohortStore(folder.inside(name, cohort_name(i))).segments() for name, i in planned)


def _made(plan: Mapping[str, Any]) -> list[int]:
    """The cohorts of an experiment that are not out of the cache."""
    return [i for i in range(len(plan["cohorts"])) if i not in plan.get("cached", ())]


def _work(
    prepared: Prepared, folder: Folder, about: Mapping[str, Any], name: str, cohorts: Sequence[int], *, locks: bool
) -> list[Advance]:
    """Some cohorts of an experiment, as work to be done."""
    plan = about["experiments"][name]
    return [
        Advance(
            experiment=prepared.experiments[name],
            rows=[plan["rows"][i] for i in plan["cohorts"][index]],
            device=prepared.device,
            compiled=plan["mode"] == "compiled",
            run=folder,
            begun=about["created"],
            name=name,
            index=index,
            locks=locks,
            weights=plan.get("weights", False),
        )
        for index in cohorts
    ]


def _advance_all(
    executor: Executor,
    work: Sequence[Advance],
    device: torch.device,
    watcher: Watcher,
    keep: Callable[[int, CohortStore], None] | None,
) -> list[Row]:
    """Takes cohorts to their end; gives the rows that diverged.

    Those for which memory did not suffice go on after all the others, in pieces of half as many members, and of half
    as many again where that does not do. `keep` is told of every cohort that came to its end, or that was left because
    all were told to stop.
    """
    diverged: dict[int, Result] = {}
    todo = dict(enumerate(work))
    while todo:
        places, pieces = list(todo), list(todo.values())
        seen = partial(_look, watcher, places)
        with closing(executor.results(pieces, device, seen)) as results:
            for i, rows in results:
                diverged[places[i]] = rows
                if keep is not None and rows is not None:
                    keep(pieces[i].index, pieces[i].store)
        todo = {place: piece.halved() for place, piece in todo.items() if diverged[place] is None}
        if todo:
            most = max(len(part) for piece in todo.values() for part in divided(piece.rows, piece.pieces))
            watcher.say(
                f"out of memory in {len(todo)} of {len(work)} cohorts of {work[0].name}: nothing that was committed is "
                f"lost, and they go on with {most} {'member' if most == 1 else 'members'} at a time"
            )
            if device.type == "cuda":
                torch.cuda.empty_cache()
            _make_programs(executor, list(todo.values()))
    return [row for i in sorted(diverged) for row in diverged[i] or ()]


def _look(watcher: Watcher, places: Sequence[int], index: int, seen: Progress) -> None:
    watcher.look(places[index], seen)


def _make_programs(executor: Executor, work: Sequence[Advance]) -> None:
    """Compiles what is needed here: not any more once cohorts advance side by side."""
    if work and work[0].compiled and executor.in_process:
        with one_thread():
            to_make = [part for piece in work for part in divided(piece.rows, piece.pieces)]
            work[0].experiment.compile(to_make, work[0].device)


def _left(about: Mapping[str, Any], folder: Folder) -> int:
    """How many cohorts have not come to their end."""
    names = ((name, i) for name, plan in about["experiments"].items() for i in range(len(plan["cohorts"])))
    stores = (CohortStore(folder.inside(name, cohort_name(i))) for name, i in names)
    return sum("finished" not in store.glance("finished") for store in stores)


def _begin(prepared: Prepared, folder: Folder, reuse: Reuse | None, watcher: Watcher) -> dict[str, Any]:
    """The run's description: that of the folder when it holds this very run, else a new one, not yet written.

    In a new one the rows that the cache seems to hold are in no cohort yet.
    """
    there = folder.names()  # before we look for run.json, which another process may be about to write
    if "run.json" in folder.names():
        return _same(prepared, folder, reuse is not None and reuse.weights)
    if there:
        raise UserError(f"{folder} is not empty and not a run: choose another folder with --out")
    experiments = {}
    for name, experiment in prepared.experiments.items():
        experiments[name] = {"definition": describe(experiment), **_arranged(prepared, name, reuse, watcher)}
    planned = {} if prepared.scale == "smoke" else {"plan": _planned(prepared, experiments).as_json()}
    return {
        "format": FORMAT,
        "study": prepared.found.slug,
        "source": prepared.found.source,
        "finding": prepared.found.finding,
        "scale": prepared.scale,
        "definition": prepared.digest,
        "levels": {name: list(values) for name, values in prepared.levels.items()},
        "device": prepared.device.type,
        "precision": prepared.precision,
        "versions": versions(),
        "hardware": hardware(prepared.device),
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "experiments": experiments,
        **planned,
        "seconds": 0.0,
        "finished": False,
    }


def _planned(prepared: Prepared, experiments: Mapping[str, Mapping[str, Any]]) -> Plan:
    """What the cohorts that are to be made will take."""
    cohorts = {name: [[plan["rows"][i] for i in c] for c in plan["cohorts"]] for name, plan in experiments.items()}
    modes = {name: plan["mode"] for name, plan in experiments.items()}
    compiled_in = {name: plan["compiled_in"] for name, plan in experiments.items() if "compiled_in" in plan}
    return plan_run(prepared.experiments, cohorts, prepared.found.study.claims, prepared.device, modes, compiled_in)


def plan_dry(prepared: Prepared, reuse: Reuse | None) -> tuple[Plan, dict[str, int], dict[str, int]]:
    """What a run would take, and of each experiment how many members come from the cache, or are only re-measured."""
    cohorts, modes, cached, replayed = {}, {}, {}, {}
    for name, experiment in prepared.experiments.items():
        rows, modes[name], left = left_to_make(prepared, name, reuse)
        replayed[name] = len(reuse.replayable(name, rows, modes[name])) if reuse else 0
        cached[name] = len(rows) - len(left) - replayed[name]
        planned = _plan(experiment, rows, left, prepared.device)
        cohorts[name] = [[rows[i] for i in cohort] for cohort in planned]
    plan = plan_run(prepared.experiments, cohorts, prepared.found.study.claims, prepared.device, modes)
    return plan, cached, replayed


def _same(prepared: Prepared, folder: Folder, weights: bool = False) -> dict[str, Any]:
    """The description of the run that a folder holds.

    Raises: `UserError` when it is not this very run, or is to keep weights and did not from its beginning.
    """
    about = read_about(folder)
    if weights and not all(plan.get("weights") for plan in about["experiments"].values()):
        raise UserError(f"{folder} holds a run that was begun without --keep-weights: choose another folder with --out")
    modes = {plan["mode"] for plan in about["experiments"].values()}
    if prepared.mode != "auto" and modes != {prepared.mode}:
        raise UserError(f"{folder} holds a run in mode {', '.join(sorted(modes))}: choose another folder with --out")
    if (precision := about.get("precision", "float32")) != prepared.precision:
        raise UserError(f"{folder} holds a run in precision {precision}: ask for it, or for another folder with --out")
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


def _arranged(prepared: Prepared, name: str, reuse: Reuse | None, watcher: Watcher) -> dict[str, Any]:
    """An experiment's rows, the mode of them all, and the cohorts of those that the cache does not seem to hold."""
    experiment = prepared.experiments[name]
    rows, mode, left = left_to_make(prepared, name, reuse)
    cohorts = _plan(experiment, rows, left, prepared.device)
    if cohorts:
        wanted, members, began = mode, [[rows[i] for i in cohort] for cohort in cohorts], time.monotonic()
        mode = _mode(prepared, wanted, experiment, members, watcher)
        if reuse is not None and wanted not in ("auto", mode):  # compiled, as the cache has them, which fails here
            held = _held(name, rows, mode, reuse)
            cohorts = _plan(experiment, rows, [i for i in range(len(rows)) if i not in held], prepared.device)
    arranged = {"rows": rows, "cohorts": cohorts, "mode": mode}
    if cohorts and mode == "compiled":
        arranged["compiled_in"] = max(0.0, time.monotonic() - began)
    if reuse is None:
        return arranged
    return {**arranged, "addresses": reuse.addresses(name, rows, mode), "weights": reuse.weights}


def left_to_make(prepared: Prepared, name: str, reuse: Reuse | None) -> tuple[list[Row], str, list[int]]:
    """An experiment's rows, its mode, and the indices of the rows of which the cache holds neither values nor weights.

    All members of a run share a mode: where none is asked for, the one in which the cache holds most.
    """
    rows = prepared.experiments[name].factors.rows()
    modes = ("eager", "compiled") if prepared.mode == "auto" else (prepared.mode,)
    held = {} if reuse is None else {mode: _held(name, rows, mode, reuse) for mode in modes}
    mode = max(held, key=lambda mode: len(held[mode]), default=prepared.mode)
    left = [i for i in range(len(rows)) if i not in held.get(mode, ())]
    if reuse is not None:
        reuse.explain(name, rows, modes, left)
    return rows, mode if held.get(mode) else prepared.mode, left


def _held(name: str, rows: Sequence[Row], mode: str, reuse: Reuse) -> set[int]:
    """Indices of the rows that need no training."""
    return {*reuse.held(name, rows, mode), *reuse.replayable(name, rows, mode)}


def _plan(experiment: Experiment, rows: Sequence[Row], members: Sequence[int], device: torch.device) -> list[list[int]]:
    """Cohorts of some of an experiment's rows."""
    planned = experiment.plan([rows[i] for i in members], device) if members else []
    return [[members[i] for i in cohort] for cohort in planned]


def _mode(
    prepared: Prepared, wanted: str, experiment: Experiment, cohorts: Sequence[Sequence[Row]], watcher: Watcher
) -> Literal["eager", "compiled"]:
    """How an experiment's updates are made, once and for all of its members."""
    if wanted == "eager" or not (wanted == "compiled" or _pays_to_compile(experiment, cohorts, prepared.device)):
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


def _pays_to_compile(experiment: Experiment, cohorts: Sequence[Sequence[Row]], device: torch.device) -> bool:
    """Not where memory does not suffice to find out: such cohorts go on in pieces, and each size is compiled anew."""
    try:
        return experiment.pays_to_compile(cohorts, device)
    except Exception as error:
        if is_out_of_memory(error):
            return False
        raise


def _placed(
    prepared: Prepared, folder: Folder, about: dict[str, Any], reuse: Reuse | None, shard: Shard
) -> dict[str, Any]:
    """The run's description, written, with every row in a cohort: those out of the cache in finished ones of their own.

    Whatever kills this on the way, the next attempt takes it up: rows in no cohort are looked for again.
    """
    if "run.json" not in folder.names():
        folder.create("run.json", to_json(about))  # unless another shard was faster: then its plan is the plan
        about = _same(prepared, folder)
    for name, experiment in prepared.experiments.items():
        plan = about["experiments"][name]
        cohorts = plan["cohorts"]
        if reuse is not None and not about["finished"]:
            reuse.compare(name, plan)
        if not (left := set(range(len(plan["rows"]))) - {i for members in cohorts for i in members}):
            continue
        if not shard.whole:
            raise UserError(f"{folder} was left before it was divided: run the same command without --shard {shard}")
        for dead in folder.inside(name).names():
            if dead.startswith("cohort-") and dead not in {cohort_name(i) for i in range(len(cohorts))}:
                folder.inside(name).remove(dead)  # an attempt that was killed
        if reuse is not None:
            adopted = reuse.adopt(name, plan, sorted(left), folder.inside(name))
            plan["cached"] = [*range(len(cohorts), len(cohorts) + len(adopted))]
            cohorts += adopted
            left -= {i for members in adopted for i in members}
            replayed = reuse.replay(name, plan, sorted(left), folder.inside(name))
            plan["replayed"] = [*range(len(cohorts), len(cohorts) + len(replayed))]
            cohorts += replayed
            left -= {i for members in replayed for i in members}
        cohorts += _plan(experiment, plan["rows"], sorted(left), prepared.device)
        folder.write("run.json", to_json(about).encode())
    return about
