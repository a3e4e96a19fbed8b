"""Planning: what a run will take before it starts, and what it took beside it."""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ontogeny.advance import COMMIT_SECONDS
from ontogeny.amounts import show_bytes
from ontogeny.claims import Claim
from ontogeny.experiment import Cost, Experiment, Row, cohorts_at_once
from ontogeny.intervals import half_width
from ontogeny.memory import peak_bytes, reset_peak

SPARE_SHARE, SPARE_BYTES = 0.2, 48 << 20  # of memory, for what is between the tensors that were counted


@dataclass(frozen=True)
class ExperimentPlan:
    """What the members of an experiment that are to be made will take. None is unknown.

    Seconds are those of a clock on the wall, with the cohorts of a moment side by side.
    """

    members: int
    populations: int  # groups that share a structure
    cohorts: int  # pieces of them
    largest: int = 0  # members of the largest cohort
    at_once: int = 1  # cohorts that advance side by side
    mode: str = "eager"  # how updates are made
    compiling: float = 0.0  # seconds
    training: float | None = None  # seconds
    measuring: float | None = None  # seconds
    memory: int | None = None  # bytes that the cohorts of a moment hold
    disk: int | None = None  # bytes of what is measured and of weights
    parameters: int | None = None  # of all members
    flops: float | None = None  # matrix products of the whole training

    @property
    def seconds(self) -> float | None:
        """All of it."""
        if self.training is None or self.measuring is None:
            return None
        return self.compiling + self.training + self.measuring

    def as_json(self) -> dict[str, Any]:
        """As `run.json` and `--dry-run --json` have it."""
        return {**vars(self), "seconds": self.seconds}

    def __str__(self) -> str:
        words = f"{self.members:,} members in {self.populations:,} populations, {self.cohorts:,} cohorts"
        if self.cohorts > 1:
            words += f" of up to {self.largest:,}, {self.at_once:,} at once"
        if self.parameters is not None:
            words += f", {self.parameters:,} parameters"
        if self.flops is not None:
            words += f", {self.flops:.2g} FLOPs"
        if self.memory is not None:
            words += f", about {show_bytes(self.memory)} of memory"
        if self.disk is not None:
            words += f" and {show_bytes(self.disk)} of disk"
        if self.seconds is None:
            return words + ("" if not self.members else ", time unknown")
        compiling = f"{self.compiling:,.1f} s compiling, " if self.compiling else ""
        parts = f"{compiling}{self.training:,.1f} s training, {self.measuring:,.1f} s measuring"
        return f"{words}, about {self.seconds:,.1f} s ({self.mode}: {parts})"


@dataclass(frozen=True)
class Plan:
    """What a run will take."""

    experiments: Mapping[str, ExperimentPlan]
    memory: int  # bytes that the process holds at most, with all that it held before
    expected: Mapping[str, dict[str, Any]]  # of each claim: see `expected_interval`

    @property
    def seconds(self) -> float:
        """Of all experiments whose time is known."""
        return sum(plan.seconds or 0.0 for plan in self.experiments.values())

    @property
    def unknown(self) -> list[str]:
        """The experiments whose time is not."""
        return [name for name, plan in self.experiments.items() if plan.seconds is None and plan.members]

    @property
    def disk(self) -> int:
        """Bytes of all experiments of which it is known."""
        return sum(plan.disk or 0 for plan in self.experiments.values())

    def as_json(self) -> dict[str, Any]:
        """As `run.json` and `--dry-run --json` have it."""
        experiments = {name: plan.as_json() for name, plan in self.experiments.items()}
        whole = {"seconds": self.seconds, "unknown": self.unknown, "memory": self.memory, "disk": self.disk}
        return {"experiments": experiments, **whole, "claims": dict(self.expected)}

    def __str__(self) -> str:
        beside = f", and {', '.join(self.unknown)}, of which the time is unknown" if self.unknown else ""
        return (
            f"in all: about {self.seconds:,.1f} s{beside}; "
            f"the process holds up to {show_bytes(self.memory)}, the run's folder {show_bytes(self.disk)}"
        )


def plan_run(
    experiments: Mapping[str, Experiment],
    cohorts: Mapping[str, Sequence[Sequence[Row]]],
    claims: Sequence[Claim],
    device: torch.device,
    modes: Mapping[str, str],
    compiled_in: Mapping[str, float] | None = None,
) -> Plan:
    """What these cohorts of each experiment will take, tried out within some seconds an experiment.

    `modes` are how updates are made: "eager", "compiled", or "auto" where that is still to be decided. `compiled_in`
    are the seconds of compiling where it has been done; then compiled updates are timed, elsewhere what they save is
    estimated.
    """
    reset_peak(device)
    before = peak_bytes(device)
    plans = {
        name: plan_experiment(experiment, cohorts[name], device, modes[name], (compiled_in or {}).get(name))
        for name, experiment in experiments.items()
    }
    # What was tried out has shown what the updates of a moment need beside the tensors that can be counted.
    held = before + max((plan.memory or 0 for plan in plans.values()), default=0)
    memory = round(max(peak_bytes(device), held) * (1 + SPARE_SHARE)) + SPARE_BYTES
    rows = {name: experiment.factors.rows() for name, experiment in experiments.items()}
    return Plan(plans, memory, {claim.id: expected_interval(claim, rows.get(claim.of, [])) for claim in claims})


def plan_experiment(
    experiment: Experiment,
    cohorts: Sequence[Sequence[Row]],
    device: torch.device,
    mode: str,
    compiled_in: float | None = None,
) -> ExperimentPlan:
    """What some cohorts of an experiment will take; as far as trying them out breaks, that is unknown."""
    rows = [row for members in cohorts for row in members]
    workers = cohorts_at_once(len(cohorts), device)
    whole = ExperimentPlan(
        members=len(rows),
        populations=len(experiment.populations(rows)),
        cohorts=len(cohorts),
        largest=max(map(len, cohorts), default=0),
        at_once=workers,
    )
    if not rows:
        return whole
    try:
        return _priced(whole, experiment, cohorts, device, mode, compiled_in)
    except Exception:  # what breaks here breaks in the run, which says in which member
        return whole


def _priced(
    whole: ExperimentPlan,
    experiment: Experiment,
    cohorts: Sequence[Sequence[Row]],
    device: torch.device,
    mode: str,
    compiled_in: float | None,
) -> ExperimentPlan:
    """A plan with what its cohorts cost."""
    costs = experiment.costs(cohorts, device, compiled_in is not None)
    seconds, compiling, how = [cost.seconds for cost in costs], compiled_in or 0.0, "compiled"
    if compiled_in is None:
        how = "eager"
        if mode == "compiled" or (mode == "auto" and experiment.pays_to_compile(cohorts, device, costs)):
            change = experiment.compiling(cohorts, costs, device)
            if change is not None:
                how, compiling = "compiled", change.seconds
                seconds = [s and s - saved for s, saved in zip(seconds, change.saved, strict=True)]
    known = [s for s in seconds if s is not None]
    measuring = sum(cost.measuring or 0.0 for cost in costs)
    took = makespan(known, whole.at_once) if len(known) == len(costs) else None
    share = min(1.0, measuring / max(sum(known), 1e-9))
    return ExperimentPlan(
        **{
            **vars(whole),
            "mode": how,
            "compiling": compiling,
            "training": None if took is None else took * (1 - share),
            "measuring": None if took is None else took * share,
            "memory": _at_once([_memory(cost) for cost in costs], whole.at_once),
            "disk": _total([cost.disk for cost in costs]),
            "parameters": _total([cost.parameters for cost in costs]),
            "flops": _total([cost.flops for cost in costs]),
        }
    )


def makespan(seconds: Sequence[float], workers: int) -> float:
    """When the last piece of work is done, each worker taking the next piece in order as soon as it is free."""
    free = [0.0] * workers
    for piece in seconds:
        heapq.heapreplace(free, free[0] + piece)
    return max(free)


def _memory(cost: Cost) -> int | None:
    """What a cohort holds, with what it has measured since it committed last, and the copy that is written."""
    if cost.memory is None:
        return None
    waiting = min(1.0, COMMIT_SECONDS / max(cost.seconds or 0.0, 1e-9))
    return cost.memory + round(2 * (cost.disk or 0) * waiting)


def _at_once(amounts: Sequence[int | None], workers: int) -> int | None:
    known = sorted((amount for amount in amounts if amount is not None), reverse=True)
    return sum(known[:workers]) if known else None


def _total(amounts: Sequence[Any]) -> Any:
    return None if any(amount is None for amount in amounts) else sum(amounts)


def expected_interval(claim: Claim, rows: Sequence[Row]) -> dict[str, Any]:
    """`seeds` that a claim is judged on, and `half_width` of the 95 % interval of a mean over them.

    In standard deviations between seeds; None with fewer than two seeds, and where no such interval decides.
    """
    seeds = len({row["seed"] for row in rows if _within(row, claim.where or {})})
    decides = claim.interval == "t" and claim.decides == "interval" and seeds > 1
    return {"seeds": seeds, "half_width": half_width(seeds) if decides else None}


def _within(row: Row, where: Mapping[str, Any]) -> bool:
    def is_level(value: Any, level: Any) -> bool:
        return value == level or (
            isinstance(value, float) and isinstance(level, float) and math.isclose(value, level, rel_tol=1e-6)
        )

    return all(
        any(is_level(row.get(name), level) for level in (levels if isinstance(levels, tuple | list) else (levels,)))
        for name, levels in where.items()
    )


def disk_bytes(run: str, experiments: Sequence[str]) -> int | None:
    """What the cohorts of a run take on this machine's disk; None for a run that is elsewhere."""
    if "://" in run:
        return None
    return sum(path.stat().st_size for name in experiments for path in Path(run, name).rglob("*") if path.is_file())


def compared(plan: Mapping[str, Any], took: Mapping[str, Any]) -> str:
    """A line on how right a plan was, from both as a run keeps them; what was not planned is left out."""
    seconds = sum(s for name, s in took["experiments"].items() if name not in plan["unknown"])
    pairs = [(f"{plan['seconds']:,.1f} s", f"{seconds:,.1f} s")]
    pairs += [(show_bytes(plan[k]), show_bytes(took[k])) for k in ("memory", "disk") if took[k] is not None]
    return "; ".join(f"{was} for {said} planned" for said, was in pairs)
