"""Oracles: a linear recurrent network, whose gradient is a power of its matrix; slopes of exact powers."""

import numpy as np
import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.gradient_through_time import GradientThroughTime, gradient_through_time, log_slope
from ontogeny.models.last_step import LastStep
from ontogeny.models.population import Population
from ontogeny.models.rnn import RNN
from ontogeny.streams import Streams
from ontogeny.tasks.first_symbol import FirstSymbol

MODEL = LastStep(model=RNN(cell="relu", width=5))


def linear_network(task, seed):
    """ReLU units that are never silent: weights, biases and inputs are above 0, so the network is linear."""
    network = MODEL.build(task.shape, Streams((seed, seed + 1))).double()
    with torch.no_grad():
        for p in network.every.layers.parameters():
            p.copy_(p.abs() + 0.01)
    return network


def test_a_linear_network_has_powers_of_its_matrix(seed):
    task = FirstSymbol(length=6, symbols=4)
    network = linear_network(task, seed)
    batch = task.sample(None, Streams((1, 2)), 3)
    inputs = batch.inputs.double()
    found = gradient_through_time(network, inputs, batch.targets)
    # d loss / d x_{T-k} = W U^k V (p - onehot(target)), with h = x W + h U + b and outputs = h V + c.
    cell = network.every.layers[0]
    error = torch.softmax(network(inputs), -1) - torch.nn.functional.one_hot(batch.targets, 4)
    for member in range(2):
        w, u = cell.input.weight[member], cell.hidden.weight[member]
        v = network.every.output.weight[member]
        for lag in range(6):
            rows = error[member] @ (w @ torch.linalg.matrix_power(u, lag) @ v).T
            assert found[member, lag].item() == pytest.approx(rows.norm(dim=-1).mean().item(), rel=1e-9)


def test_states_of_a_linear_network_depend_on_each_other_by_powers(seed):
    network = linear_network(FirstSymbol(length=6), seed)
    cell = network.every.layers[0]
    states = [torch.rand(2, 1, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)]
    states[0].requires_grad_()
    driven = [torch.ones(2, 1, 5, dtype=torch.float64)] * 4
    last = cell.states(driven, states[0])[-1]
    rows = [torch.autograd.grad(last[0, 0, i], states[0], retain_graph=True)[0][0, 0] for i in range(5)]
    power = torch.linalg.matrix_power(cell.hidden.weight[0].detach(), 4)
    torch.testing.assert_close(torch.stack(rows, -1), power)


def test_the_measure_sees_the_network_and_the_last_lags():
    task = FirstSymbol(length=6, symbols=4)
    population, streams = Population(MODEL.build(task.shape, Streams((1, 2)))), Streams((1, 2))
    at = Checkpoint(population=population, task=task, world=None, streams=streams, step=0)
    with torch.no_grad():  # as measures are called
        all_, few = (GradientThroughTime(samples=8, lags=lags)(at)["gradient"] for lags in (20, 3))
    assert all_.values.shape == (2, 6)
    assert torch.equal(few.values, all_.values[:, :3])
    lone = Population(MODEL.build(task.shape, Streams((2,))))
    alone = Checkpoint(population=lone, task=task, world=None, streams=Streams((2,)), step=0)
    assert torch.equal(GradientThroughTime(samples=8)(alone)["gradient"].values, all_.values[1:])
    assert all(p.grad is None for p in population.network.parameters())


def test_slopes_by_hand():
    lag = np.arange(4)
    given = np.stack([3.0 * 0.5**lag, np.full(4, 2.0), [1.0, 0.0, 1.0, 1.0], [1.0, np.inf, 1.0, 1.0]])
    np.testing.assert_allclose(log_slope(given), [np.log(0.5), 0.0, np.nan, np.nan], atol=1e-12)
    # Of ln g = 0, 1, 0 least squares sees no slope; of 0, 1, 3 it sees 3/2.
    np.testing.assert_allclose(log_slope(np.exp([[0.0, 1.0, 0.0], [0.0, 1.0, 3.0]])), [0.0, 1.5], atol=1e-12)
    assert np.isnan(log_slope(np.ones((2, 1)))).all()


def test_refuses():
    with pytest.raises(UserError, match="1 or more"):
        GradientThroughTime(lags=0)
