"""Oracles: heads that write nothing, ranks by hand, and sets of one head, which are ablated as it is alone."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.head_importance import WITHOUT, HeadImportance, extremes
from ontogeny.measures.in_context_error import InContextError
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.in_context_hermite import InContextHermite
from ontogeny.tasks.task_schedule import TaskSchedule, uniform

CLASSES = tuple(InContextHermite(degree=k, pairs=4) for k in (1, 2))
TASK = TaskSchedule(tasks=CLASSES, plans=(uniform(2),), steps=10)
MEASURE = HeadImportance(size=80, draws=2)


def checkpoint(seeds, *, layers=2, heads=2, silent=(), network=None):
    """Networks in which some heads, `(member, layer, head)`, write nothing."""
    streams = Streams(seeds)
    model = Transformer(layers=layers, width=12, heads=heads, init_scale=3.0)
    population = Population(network or model.build(TASK.shape, streams))
    for member, layer, head in silent:
        size = 12 // heads
        rows = population.parameters()[f"blocks.{layer}.attn.output.weight"][member]
        rows[head * size : (head + 1) * size] = 0
    world = TASK.world(streams.of("world"))
    return Checkpoint(population=population, task=TASK, world=world, streams=streams, step=5)


def test_extremes_by_hand():
    importance = torch.tensor([[[3.0, -1.0, 0.0], [0.0, 9.0, 2.0]]])
    most, least = extremes(importance, 2)
    assert most.tolist() == [[[True, False, False], [False, True, False]]]
    assert least.tolist() == [[[False, True, True], [False, False, False]]]  # of two equal ones the first


@torch.no_grad()
def test_a_head_that_writes_nothing_does_not_matter(seed):
    found = MEASURE(checkpoint((seed, seed + 1), silent=[(0, 1, 0), (1, 0, 1)]))
    importance = found["head_importance"].values
    assert importance.shape == (2, 2, 2, 2)  # member, degree, layer, head
    silent = torch.zeros(2, 2, 2, dtype=torch.bool)
    silent[0, 1, 0] = silent[1, 0, 1] = True
    assert ((importance == 0).all(1) == silent).all()


@torch.no_grad()
def test_sets_of_one_head_are_ablated_as_it_is_alone(seed):
    """A third of four heads, rounded down, is one."""
    at = checkpoint((seed, seed + 1))
    found = MEASURE(at)
    error, linear = found["ablated_error"].values, found["head_importance"].values[:, 0].flatten(1)
    assert found["ablated_error"].coords["without"] == WITHOUT
    whole = InContextError(episodes=80)(at)["error"].values
    torch.testing.assert_close(error[:, 0], whole)
    torch.testing.assert_close(error[:, 1, 0], whole[:, 0] * (1 + linear.amax(1)))
    torch.testing.assert_close(error[:, 2, 0], whole[:, 0] * (1 + linear.amin(1)))
    # Random sets of one head: every draw is one of the single ablations, and the two sets differ.
    alone = HeadImportance(size=80, draws=1)(at)["ablated_error"].values[:, :, 0]
    single = whole[:, :1] * (1 + linear)
    places = [(single - alone[:, i : i + 1]).abs().argmin(1) for i in (3, 4)]
    for i, place in zip((3, 4), places, strict=True):
        torch.testing.assert_close(alone[:, i], single.gather(1, place[:, None])[:, 0])
    assert (places[0] != places[1]).all()


@torch.no_grad()
def test_a_member_is_as_alone_and_the_network_as_it_was():
    at = checkpoint((4, 5, 6))
    before = at.population.flat.clone()
    together = MEASURE(at)
    assert torch.equal(at.population.flat, before)
    alone = MEASURE(checkpoint((5,)))
    for name, value in alone.items():
        assert torch.equal(together[name].values[1:2], value.values)
    assert HeadImportance(since=6)(at) == {}


def test_what_cannot_work_is_refused():
    with pytest.raises(UserError, match=r"at most a half, got 0.6"):
        HeadImportance(share=0.6)
    with pytest.raises(UserError, match="the network has one"):
        MEASURE(checkpoint((1,), layers=1, heads=1))
    other = MLP(layers=1, width=4).build(TASK.shape, Streams((1,)))
    with pytest.raises(UserError, match="heads of a Transformer, got MLP"):
        MEASURE(checkpoint((1,), network=other))
