"""Task schedule: which of several tasks a step trains on, drawn by plans that may differ from member to member."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task

Plan = tuple[tuple[float, ...], ...]
"""The share of every task among a block's steps, block by block."""


def single(task: int, tasks: int) -> Plan:
    """One task throughout, the `task`-th from 0 on."""
    return tuple(tuple(float(k == task) for k in range(tasks)) for _ in range(tasks))


def sequential(tasks: int) -> Plan:
    """A block a task, in order."""
    return tuple(tuple(float(k == b) for k in range(tasks)) for b in range(tasks))


def mixed(tasks: int) -> Plan:
    """A new task every block, those before it going on: in block b each of 0..b alike."""
    return tuple(tuple(float(k <= b) / (b + 1) for k in range(tasks)) for b in range(tasks))


def uniform(tasks: int) -> Plan:
    """All tasks alike from the beginning."""
    return tuple((1.0 / tasks,) * tasks for _ in range(tasks))


def reverse_mixed(tasks: int) -> Plan:
    """Like `mixed`, from the last task to the first."""
    return tuple(tuple(reversed(row)) for row in mixed(tasks))


def block_ends(steps: int, blocks: int) -> tuple[int, ...]:
    """The updates made when each block of a training of so many steps ends: ceil((b + 1) S / B)."""
    return tuple(-(-(b + 1) * steps // blocks) for b in range(blocks))


@dataclass(frozen=True)
class Scheduled:
    """A world of several tasks: the streams that steps are assigned by, and the world of every task."""

    steps: Streams
    worlds: list[Any]


class TaskSchedule(Task):
    r"""At every step the whole batch of a member is of one task, drawn by the member's plan; with no sign of which.

    Step s of S (counted from 0) lies in block $\lfloor B s / S \rfloor$ of a plan of B blocks, and is of task k with
    that block's share of k:

        plan = mixed(3)       task 0   task 1   task 2
        block 0                 1        0        0
        block 1                1/2      1/2       0
        block 2                1/3      1/3      1/3

    `plan` says which of `plans` a member follows. `steps` is the length S of the training. Members with one seed draw
    the same numbers, so that plans which agree on a block train alike in it.

    All tasks need one shape. The world is a `Scheduled`; measures see the schedule itself, and with it every task.
    """

    tasks: tuple[Task, ...]
    plans: tuple[Plan, ...]
    plan: PerMember = 0
    steps: int

    def check(self) -> None:
        """Tasks of one shape, plans of as many blocks that have a share for each of them, and a plan that is there."""
        if not self.tasks or len({task.shape for task in self.tasks}) > 1:
            raise UserError("a schedule needs tasks of one shape: the same inputs, outputs and length")
        if self.steps < 1:
            raise UserError(f"TaskSchedule: steps is the length of the training, 1 or more, got {self.steps}")
        if not self.plans or len({len(plan) for plan in self.plans}) > 1 or not self.plans[0]:
            raise UserError("TaskSchedule: plans need equally many blocks, one or more")
        for row in (row for plan in self.plans for row in plan):
            if len(row) != len(self.tasks) or min(row) < 0 or sum(row) <= 0:
                raise UserError(
                    f"TaskSchedule: every block has a share of 0 or more for each of {len(self.tasks)} tasks, "
                    f"not all 0, got {row}"
                )
        if self.plan not in range(len(self.plans)):
            raise UserError(f"TaskSchedule: plan is 0 to {len(self.plans) - 1}, got {self.plan}")

    @property
    def shape(self) -> Shape:
        """That of every task."""
        return self.tasks[0].shape

    def world(self, streams: Streams) -> Scheduled:
        """The world of every task, and what the schedule is drawn from."""
        worlds = [task.world(streams.of(f"task {k}")) for k, task in enumerate(self.tasks)]
        return Scheduled(streams.of("schedule"), worlds)

    def assigned(self, world: Scheduled, steps: tuple[int, ...] | Int[Tensor, "step"]) -> Int[Tensor, "member step"]:
        """The task of each of these steps. Past the end of the training the last block goes on."""
        streams = replace(world.steps, steps=steps)
        shares = torch.tensor(self.plans, dtype=torch.float64, device=streams.device)
        block = torch.as_tensor(steps, device=streams.device) * shares.shape[1] // self.steps
        plan = torch.as_tensor(self.plan, device=streams.device).long().expand(streams.members)
        return streams.categorical("task", (len(steps),), shares[plan[:, None], block.clamp_max(shares.shape[1] - 1)])

    def steps_of_each(self, world: Scheduled, updates: int) -> Int[Tensor, "member task"]:
        """How many of the first updates are of each task."""
        count = torch.zeros(world.steps.members, len(self.tasks), dtype=torch.long, device=world.steps.device)
        if not updates:
            return count
        task = self.assigned(world, tuple(range(updates)))
        return torch.stack([(task == k).sum(1) for k in range(len(self.tasks))], -1)

    def sample(self, world: Scheduled, streams: Streams, size: int) -> Batch:
        """Each step's samples from the task that it is assigned."""
        batches = [task.sample(own, streams, size) for own, task in zip(world.worlds, self.tasks, strict=True)]
        task = self.assigned(world, streams.steps).repeat_interleave(size // len(streams.steps), 1)

        def pick(values: list[Tensor]) -> Tensor:
            chosen = values[0]
            for k, value in enumerate(values[1:], 1):
                chosen = torch.where((task == k).view(*task.shape, *[1] * (value.ndim - 2)), value, chosen)
            return chosen

        shared = set.intersection(*(set(batch.latents) for batch in batches))
        weights = [batch.weights for batch in batches if batch.weights is not None]
        if weights and len(weights) < len(batches):
            raise UserError("some tasks of a schedule weigh their targets and some do not: weigh all or none")
        return Batch(
            inputs=pick([b.inputs for b in batches]),
            targets=pick([b.targets for b in batches]),
            weights=pick(weights) if weights else None,
            latents={name: pick([b.latents[name] for b in batches]) for name in sorted(shared)},
        )
