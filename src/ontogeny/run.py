"""A run: one execution of a study, arranged, kept on disk, taken up again where it was left."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import torch

from ontogeny.advance import Advance
from ontogeny.arranging import begin, placed
from ontogeny.cache import MemberCache
from ontogeny.errors import UserError
from ontogeny.executors.contract import Executor, Progress, Result
from ontogeny.executors.local import Local
from ontogeny.experiment import Row
from ontogeny.files import to_json
from ontogeny.folder import Folder, Place, folder_at
from ontogeny.machine import one_thread, threads
from ontogeny.memory import keep_freed, one_line_when_full, peak_bytes, reset_peak
from ontogeny.pieces import divided
from ontogeny.planning import disk_bytes
from ontogeny.prepared import Prepared
from ontogeny.reuse import TAKEN, Reuse
from ontogeny.shard import WHOLE, Shard
from ontogeny.store import CohortStore, cohort_name
from ontogeny.watcher import Watcher


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
        about = begin(prepared, folder, reuse, watcher)
    with folder.locked(shared=not shard.whole):
        with threads(executor.cores() * shard.count):
            if "run.json" in folder.names():
                about = begin(prepared, folder, reuse, watcher)  # as another process may have begun it meanwhile
            about = placed(prepared, folder, about, reuse, shard)
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
