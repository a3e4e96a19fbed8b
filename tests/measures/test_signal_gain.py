"""Oracles: diagonal maps, rotations and rank-one maps by hand."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.signal_gain import SignalGain, signal_gain
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.models.projector import Projector
from ontogeny.streams import Streams
from ontogeny.tasks.two_gaussian_views import TwoGaussianViews


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(size, seed):
    return torch.linalg.qr(normal(size, size, seed=seed)).Q


def test_a_diagonal_map_by_hand():
    # 6^2 over the mean of 1 and 9 (not the square of the mean of 1 and 3): 6 / sqrt(5).
    e = torch.tensor([1.0, 0.0, 0.0])
    assert signal_gain(torch.diag(torch.tensor([6.0, 1.0, 3.0])), e).item() == pytest.approx(6 / math.sqrt(5))


def test_scale_and_rotations_behind_the_map_do_not_count(seed):
    w, e = normal(4, 5, 5, seed=seed), normal(4, 5, seed=seed + 2)
    turned = 3.7 * w @ rotation(5, seed)
    torch.testing.assert_close(signal_gain(turned, 2.0 * e), signal_gain(w, e))
    # A rotation in front turns the direction along: x Q^T Q W.
    q = rotation(5, seed + 1)
    torch.testing.assert_close(signal_gain(q.mT @ w, e @ q), signal_gain(w, e))


def test_any_rotation_has_a_gain_of_one(seed):
    torch.testing.assert_close(signal_gain(rotation(6, seed), normal(6, seed=seed)).item(), 1.0)


def test_the_input_counts_and_not_the_output():
    # Only the first input reaches any output; through the first output alone flows everything.
    w = torch.zeros(3, 3)
    w[0] = 1.0
    assert signal_gain(w, torch.tensor([1.0, 0, 0])).item() == math.inf
    assert signal_gain(w.mT, torch.tensor([1.0, 0, 0])).item() == pytest.approx(1.0)
    assert math.isnan(signal_gain(torch.zeros(3, 3), torch.tensor([1.0, 0, 0])).item())
    with pytest.raises(UserError, match="got 1 input"):
        signal_gain(torch.ones(1, 3), torch.ones(1))


def checkpoint(network, task):
    population = Population(network)
    return Checkpoint(
        population=population, task=task, world=None, streams=Streams(tuple(range(population.members))), step=0
    )


def test_of_a_projector():
    task = TwoGaussianViews(dimensions=3)
    network = Projector().build(task.shape, Streams((0, 1)))
    network.weight.data[1] = torch.diag(torch.tensor([1.0, 2.0, 2.0])) @ rotation(3, 0).float()
    found = SignalGain()(checkpoint(network, task))
    assert found["log_gain"].values.tolist() == pytest.approx([0.0, math.log(0.5)], abs=1e-6)
    torch.testing.assert_close(found["singular_values"].values.float(), torch.tensor([[1.0, 1, 1], [2, 2, 1]]))


def test_a_diverged_member_stays_alone():
    task = TwoGaussianViews(dimensions=3)
    network = Projector().build(task.shape, Streams((0, 1)))
    network.weight.data[1, 0, 0] = torch.nan
    found = SignalGain()(checkpoint(network, task))
    assert found["singular_values"].values[0].tolist() == [1, 1, 1]
    assert found["singular_values"].values[1].isnan().all()
    assert found["log_gain"].values.isnan().tolist() == [False, True]


def test_other_models_are_refused():
    task = TwoGaussianViews(dimensions=3)
    with pytest.raises(UserError, match="train a Projector"):
        SignalGain()(checkpoint(MLP(width=2).build(task.shape, Streams((0,))), task))
