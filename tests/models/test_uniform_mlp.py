"""Oracles: `torch.nn.Sequential` with the same weights, the tent map itself, bounds of the start, and the law."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.linear_pieces import count_pieces
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_sum
from ontogeny.models.uniform_mlp import UniformMLP, tent_network
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape
from ontogeny.tasks.tent_map import tent

SHAPE = Shape(features=2, outputs=3)


def test_equals_torch(streams, normal, same_as):
    ours = UniformMLP(hidden=2, units=7).build(SHAPE, streams)
    theirs = [
        torch.nn.Sequential(
            *(torch.nn.Linear(2, 7), torch.nn.ReLU(), torch.nn.Linear(7, 7), torch.nn.ReLU(), torch.nn.Linear(7, 3))
        )
        for _ in range(3)
    ]
    pairs = {}
    for n in range(3):
        pairs[f"{2 * n}.weight"] = lambda g, n=n: g[f"weights.{n}"].T
        pairs[f"{2 * n}.bias"] = lambda g, n=n: g[f"biases.{n}"]
    for i, single in enumerate(theirs):
        mine = {name: p.data[i] for name, p in ours.named_parameters()}
        for name, p in single.named_parameters():
            p.data = pairs[name](mine).clone()
    same_as(ours, theirs, normal(3, 9, 2), pairs=pairs)


def test_initial_bounds(streams):
    network = UniformMLP(hidden=2, units=200).build(SHAPE, streams)
    for weight, bound in zip(network.weights, (3**0.5, 0.03**0.5, 0.03**0.5), strict=True):
        assert 0.97 * bound < weight.abs().max() <= bound
    assert 0.97 < network.biases[0].abs().max() <= 1.0


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_construction_is_the_tent_map(depth):
    x = torch.linspace(0, 1, 2_049)
    y = tent_network(depth)(x.view(1, -1, 1)).detach()[0, :, 0]
    torch.testing.assert_close(y, tent(x, depth), atol=1e-6, rtol=0)
    assert count_pieces(x, y) == 2**depth


@pytest.mark.parametrize("samples", [1, 7])
def test_alone_and_in_company(samples):
    seeds = (40, 41, 42)
    x = Streams(seeds).normal("inputs", (samples, 1))

    def outcome(part):
        model = UniformMLP(hidden=3, units=9)
        population = Population(model.build(Shape(features=1, outputs=1), Streams(seeds[part])))
        outputs = population(x[part])
        population.backward(member_sum(outputs.square()))
        return outputs.detach(), population.gradient

    together = outcome(slice(None))
    for mine, all_ in zip(outcome(slice(1, 2)), together, strict=True):
        assert torch.equal(mine, all_[1:2])


def test_refuses(streams):
    with pytest.raises(UserError, match="1 or more"):
        UniformMLP(hidden=0)
    with pytest.raises(UserError, match="features"):
        UniformMLP().build(Shape(vocabulary=3, outputs=1), streams)
