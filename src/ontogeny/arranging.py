"""Arranging: which members a run makes, in which mode and in which cohorts, and where it writes that down."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch

from ontogeny.errors import CannotCompile, UserError
from ontogeny.experiment import Experiment, Row
from ontogeny.files import to_json
from ontogeny.folder import Folder
from ontogeny.machine import hardware, one_thread, versions
from ontogeny.memory import is_out_of_memory
from ontogeny.parts import describe
from ontogeny.planning import Plan, plan_run
from ontogeny.prepared import Prepared
from ontogeny.reuse import Reuse
from ontogeny.shard import Shard
from ontogeny.store import FORMAT, cohort_name, read_about
from ontogeny.watcher import Watcher


def begin(prepared: Prepared, folder: Folder, reuse: Reuse | None, watcher: Watcher) -> dict[str, Any]:
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


def placed(
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
