"""Oracles: shares of steps by hand, every member by its own plan, and its step's task read back from the batch."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.parts import stack, structure
from ontogeny.streams import Streams
from ontogeny.tasks.in_context_hermite import InContextHermite, hermite
from ontogeny.tasks.task_schedule import TaskSchedule, block_ends, mixed, reverse_mixed, sequential, single, uniform

PLANS = (single(1, 3), sequential(3), mixed(3), uniform(3), reverse_mixed(3))
CLASSES = tuple(InContextHermite(degree=k) for k in (1, 2, 3))


def schedule(steps=3_000, plan=0):
    return TaskSchedule(tasks=CLASSES, plans=PLANS, plan=plan, steps=steps)


def population(seed, steps=3_000):
    task = stack([schedule(steps, plan) for plan in range(len(PLANS))])
    return task, task.world(Streams((seed,) * len(PLANS)).of("world"))


def test_plans_by_hand():
    assert single(1, 3) == ((0, 1, 0),) * 3
    assert sequential(3) == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert mixed(3) == ((1, 0, 0), (1 / 2, 1 / 2, 0), (1 / 3,) * 3)
    assert uniform(3) == ((1 / 3,) * 3,) * 3
    assert reverse_mixed(3) == ((0, 0, 1), (0, 1 / 2, 1 / 2), (1 / 3,) * 3)


def test_shares_of_steps(seed):
    """Mixed: (1 + 1/2 + 1/3) / 3 = 11/18 of the steps are linear, 5/18 quadratic, 2/18 cubic."""
    task, world = population(seed)
    share = task.steps_of_each(world, 3_000) / 3_000
    expected = torch.tensor([[0, 18, 0], [6, 6, 6], [11, 5, 2], [6, 6, 6], [2, 5, 11]]) / 18
    assert torch.equal(share[:2], expected[:2])
    assert (share - expected).abs().max() < 4 * math.sqrt(0.25 / 3_000)
    assert torch.equal(task.steps_of_each(world, 0), torch.zeros(5, 3, dtype=torch.long))


def test_counts_are_those_of_the_steps_drawn(seed):
    task, world = population(seed, steps=90)
    assert block_ends(90, 3) == (30, 60, 90)
    assert block_ends(100, 3) == (34, 67, 100)
    at_once = task.assigned(world, tuple(range(90)))
    one_by_one = torch.cat([task.assigned(world, (s,)) for s in range(90)], 1)
    assert torch.equal(at_once, one_by_one)
    for updates in (0, 1, 45, 90):
        counts = [[(row[:updates] == k).sum().item() for k in range(3)] for row in at_once]
        assert task.steps_of_each(world, updates).tolist() == counts
    assert at_once[1].tolist() == [0] * 30 + [1] * 30 + [2] * 30
    assert (at_once[2, :30] == 0).all()
    assert (at_once[4, :30] == 2).all()
    assert (at_once[4, 30:60] > 0).all()
    assert set(at_once[3, :30].tolist()) == {0, 1, 2}


def test_a_step_is_of_one_task_and_the_batch_is_that_tasks(seed):
    task, world = population(seed, steps=12)
    streams = Streams((seed,) * 5).of("data").at(*range(12))
    batch = task.sample(world, streams, 12 * 4)
    assigned = task.assigned(world, tuple(range(12)))
    x, w, y = (batch.latents[name] for name in ("x", "w", "y"))
    for member in range(5):
        for step in range(12):
            here = slice(4 * step, 4 * step + 4)
            degree = 1 + assigned[member, step].item()
            t = (x[member, here] * w[member, here, None]).sum(-1)
            torch.testing.assert_close(y[member, here], hermite(t, degree))
            torch.testing.assert_close(batch.targets[member, here, ::2, 0], y[member, here])


def test_a_member_is_the_same_alone_and_plans_that_agree_train_alike(seed):
    task, world = population(seed, steps=30)
    streams = Streams((seed,) * 5).of("data").at(8, 9)
    together = task.sample(world, streams, 8)
    alone = schedule(30, plan=3)
    batch = alone.sample(alone.world(Streams((seed,)).of("world")), Streams((seed,)).of("data").at(9), 4)
    assert torch.equal(batch.inputs, together.inputs[3:4, 4:])
    assert torch.equal(together.inputs[1], together.inputs[2])  # sequential and mixed, in the first block


def test_plans_differ_inside_one_population():
    assert structure(schedule(plan=0)) == structure(schedule(plan=4))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(tasks=(InContextHermite(), InContextHermite(pairs=3))), "tasks of one shape"),
        (dict(plans=(single(0, 3), ((1.0, 0.0, 0.0),))), "equally many blocks"),
        (dict(plans=(single(0, 2),)), r"for each of 3 tasks, not all 0, got \(1.0, 0.0\)"),
        (dict(plans=(((0.0, 0.0, 0.0),),)), "not all 0"),
        (dict(plan=5), "plan is 0 to 4, got 5"),
        (dict(steps=0), "1 or more, got 0"),
    ],
)
def test_what_cannot_work_is_refused(fields, message):
    with pytest.raises(UserError, match=message):
        TaskSchedule(**{**dict(tasks=CLASSES, plans=PLANS, steps=9), **fields})
