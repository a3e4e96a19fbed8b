"""Oracles: polygons drawn by hand, the bound for one hidden layer, and errors of known networks."""

import pytest
import torch

from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.linear_pieces import TentError, constructed_tent, count_pieces
from ontogeny.models.population import Population
from ontogeny.models.uniform_mlp import UniformMLP, tent_network
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape
from ontogeny.tasks.tent_map import TentMap, tent


def test_by_hand():
    x = torch.linspace(0, 1, 101, dtype=torch.float64)
    assert count_pieces(x, x) == 1
    assert count_pieces(x, tent(x, 1)) == 2
    assert count_pieces(x, (x - 0.333).clamp_min(0)) == 2  # a kink between two points counts once
    assert count_pieces(x, torch.stack([x.clamp(0.2, 0.6), 0 * x])).tolist() == [3, 1]
    assert count_pieces(x[:2], x[:2]) == 1


def test_one_hidden_layer_has_a_piece_more_than_units_at_most(seed):
    x = torch.linspace(-3, 3, 6_001, dtype=torch.float64)
    network = UniformMLP(units=7).build(Shape(features=1, outputs=1), Streams((seed,) * 2)).double()
    y = network(x.view(1, -1, 1).expand(2, -1, 1))[..., 0]
    kinks = (-network.biases[0][0] / network.weights[0][0, 0]).abs() < 3
    assert count_pieces(x, y.detach(), 1e-6)[0] == 1 + kinks.sum() <= 8


def test_errors_of_a_network_that_is_the_tent_map():
    population, streams = Population(tent_network(3)), Streams((0,))

    def measured(times):
        at = Checkpoint(population=population, task=TentMap(times=times), world=None, streams=streams, step=0)
        return TentError(times=times)(at)

    right = measured(3)
    assert right["tent_error"].values.item() < 1e-6
    assert right["pieces"].values.item() == 8
    assert right["curve"].values.shape == (1, 501)
    assert abs(measured(5)["tent_error"].values.item() - 1 / 3) < 0.01  # two independent uniforms are 1/3 apart


def test_ten_units_in_five_layers():
    found = {name: value.values.item() for name, value in constructed_tent(Streams((1,)), depth=5).items()}
    assert found["pieces"] == 32
    assert found["error"] < 1e-5
    assert 1 < found["shallow_pieces"] <= 11
    assert found["short_error"] == pytest.approx(1.0, abs=0.05)  # where one is at its top the other is at 0
    assert constructed_tent(Streams((1,)), depth=1)["short_error"].values.item() == pytest.approx(1.0)  # x at x = 1
