"""Oracles: moments of Gaussians, the exact chance of a label, and the constraint as a product."""

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.random_halfspaces import RandomHalfspaces

N = 20_000


def drawn(seed, **fields):
    task, streams = RandomHalfspaces(dimensions=5, **fields), Streams((seed, seed + 1))
    world = task.world(streams.of("world"))
    return world, task.sample(world, streams.of("data"), N)


def test_halfspaces_are_labels_times_points(seed):
    world, batch = drawn(seed, slope=2.0)
    torch.testing.assert_close(batch.latents["halfspace"], batch.targets * batch.inputs)
    assert set(batch.targets.unique().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(world.norm(dim=-1), torch.ones(2))
    assert not torch.allclose(world[0], world[1])
    assert batch.inputs.mean().abs() < 4 / math.sqrt(10 * N)
    assert batch.inputs.var().item() == pytest.approx(1, abs=4 * math.sqrt(2 / (10 * N)))


def test_without_slope_labels_are_coins(seed):
    world, batch = drawn(seed)
    along = (batch.inputs * world[:, None]).sum(-1)
    assert batch.targets.mean().abs() < 4 / math.sqrt(2 * N)
    assert (batch.targets[..., 0] * along).mean().abs() < 4 / math.sqrt(2 * N)


def test_labels_follow_the_direction_as_the_link_says(seed):
    world, batch = drawn(seed, slope=2.0)
    along = (batch.inputs * world[:, None]).sum(-1)
    # E[y <theta*, x>] = E[g tanh(g)] for a slope of 2, since 2 sigmoid(2 g) - 1 = tanh(g).
    expected = quad(lambda g: g * math.tanh(g) * norm.pdf(g), -8, 8)[0]
    assert (batch.targets[..., 0] * along).mean().item() == pytest.approx(expected, abs=4 / math.sqrt(2 * N))
    across = batch.latents["halfspace"] - along[..., None] * batch.targets * world[:, None]
    assert across.mean((0, 1)).abs().max() < 4 / math.sqrt(2 * N) * 1.5


def test_refuses_no_dimensions():
    with pytest.raises(UserError, match="a dimension or more, got 0"):
        RandomHalfspaces(dimensions=0)
