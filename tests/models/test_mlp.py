"""Oracles: `torch.nn.Sequential` with the same weights; a linear network is the product of its matrices."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.mlp import MLP
from ontogeny.tasks.contract import Shape


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_equals_torch(activation, streams, normal, same_as):
    ours = MLP(layers=3, width=9, activation=activation).build(Shape(outputs=2, features=5), streams)
    act = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "gelu": torch.nn.GELU}[activation]
    theirs, pairs = [], {}
    for i in range(3):
        linears = [torch.nn.Linear(5, 9), torch.nn.Linear(9, 9), torch.nn.Linear(9, 2)]
        for linear, mine in zip(linears, [ours.layers[0].map, ours.layers[1].map, ours.output], strict=True):
            linear.weight.data, linear.bias.data = mine.weight.data[i].T.clone(), mine.bias.data[i].clone()
        theirs.append(torch.nn.Sequential(linears[0], act(), linears[1], act(), linears[2]))
    for place, name in {0: "layers.0.map", 2: "layers.1.map", 4: "output"}.items():
        pairs[f"{place}.weight"] = lambda g, name=name: g[f"{name}.weight"].T
        pairs[f"{place}.bias"] = lambda g, name=name: g[f"{name}.bias"]
    same_as(ours, theirs, normal(3, 13, 5), pairs=pairs)


def test_normalised_layers_are_those_of_torch(streams, normal, same_as):
    ours = MLP(layers=2, width=9, normalise=True).build(Shape(outputs=2, features=5), streams)
    theirs, pairs = [], {}
    for i in range(3):
        linears = [torch.nn.Linear(5, 9), torch.nn.Linear(9, 2)]
        for linear, mine in zip(linears, [ours.layers[0].map, ours.output], strict=True):
            linear.weight.data, linear.bias.data = mine.weight.data[i].T.clone(), mine.bias.data[i].clone()
        layer = torch.nn.LayerNorm(9, elementwise_affine=False)
        theirs.append(torch.nn.Sequential(linears[0], layer, torch.nn.ReLU(), linears[1]))
    for place, name in {0: "layers.0.map", 3: "output"}.items():
        pairs[f"{place}.weight"] = lambda g, name=name: g[f"{name}.weight"].T
        pairs[f"{place}.bias"] = lambda g, name=name: g[f"{name}.bias"]
    same_as(ours, theirs, normal(3, 13, 5), pairs=pairs)


def test_a_linear_network_is_a_product(streams, normal):
    ours = MLP(layers=3, width=4, activation="identity", bias=False).build(Shape(outputs=2, features=5), streams)
    x = normal(3, 7, 5)
    torch.testing.assert_close(ours(x), x @ ours.layers[0].map.weight @ ours.layers[1].map.weight @ ours.output.weight)


def test_tokens_lie_side_by_side(streams):
    ours = MLP(layers=1, width=4).build(Shape(outputs=2, vocabulary=7, length=3), streams)
    tokens = torch.tensor([[[0, 5, 6]]]).expand(3, 2, 3)
    embedded = torch.cat([ours.embed.weight[:, t] for t in (0, 5, 6)], -1)
    expected = (embedded[:, None] @ ours.output.weight + ours.output.bias[:, None]).expand(3, 2, 2)
    torch.testing.assert_close(ours(tokens), expected)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [(dict(layers=0), "layers and width are 1 or more"), (dict(activation="rellu"), "did you mean 'relu'")],
)
def test_refuses(wrong, says):
    with pytest.raises(UserError, match=says):
        MLP(**wrong)


def test_refuses_a_task_without_inputs(streams):
    with pytest.raises(UserError, match="neither a vocabulary nor features"):
        MLP().build(Shape(outputs=2), streams)
