"""Oracle: `torch.nn.RNN`, `GRU` and `LSTM` with the same weights."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.rnn import GATES, RNN
from ontogeny.tasks.contract import Shape


class Theirs(torch.nn.Module):
    def __init__(self, cell, layers):
        super().__init__()
        kind = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}.get(cell)
        if kind is None:
            self.rnn = torch.nn.RNN(5, 6, layers, nonlinearity=cell, batch_first=True)
        else:
            self.rnn = kind(5, 6, layers, batch_first=True)
        self.output = torch.nn.Linear(6, 2)

    def forward(self, x):
        return self.output(self.rnn(x)[0])


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("layers", [1, 2])
def test_equals_torch(cell, layers, streams, normal, same_as):
    ours = RNN(cell=cell, layers=layers, width=6).build(Shape(outputs=2, features=5), streams)
    theirs = [Theirs(cell, layers) for _ in range(3)]
    pairs = {"output.weight": lambda g: g["output.weight"].T, "output.bias": lambda g: g["output.bias"]}
    for n in range(layers):
        pairs[f"rnn.weight_ih_l{n}"] = lambda g, n=n: g[f"layers.{n}.input.weight"].T
        pairs[f"rnn.weight_hh_l{n}"] = lambda g, n=n: g[f"layers.{n}.hidden.weight"].T
        pairs[f"rnn.bias_ih_l{n}"] = lambda g, n=n: g[f"layers.{n}.input.bias"]
        # Only a GRU needs a second bias: elsewhere the two of torch are one, and have the same gradient.
        second = "hidden" if cell == "gru" else "input"
        pairs[f"rnn.bias_hh_l{n}"] = lambda g, n=n, second=second: g[f"layers.{n}.{second}.bias"]
    for i, single in enumerate(theirs):
        mine = {name: p.data[i] for name, p in ours.named_parameters()}
        for name, p in single.named_parameters():
            p.data = pairs[name](mine).clone()
            if "bias_hh" in name and cell != "gru":
                p.data.zero_()
    same_as(ours, theirs, normal(3, 4, 7, 5), pairs=pairs)


def test_tokens_are_embedded(streams):
    ours = RNN(width=6).build(Shape(outputs=2, vocabulary=7), streams)
    tokens = torch.arange(7).expand(3, 1, 7)
    direct = ours.output(ours.layers[0](ours.embed.weight[:, None]))
    assert torch.equal(ours(tokens), direct)


def test_initial_weights_are_those_of_torch(streams):
    weight = RNN(width=100).build(Shape(outputs=2, features=50), streams).layers[0].hidden.weight
    assert 0.0999 < weight.abs().max() <= 0.1
    assert weight.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.02)


def test_refuses_unknown_cells():
    with pytest.raises(UserError, match="did you mean 'lstm'"):
        RNN(cell="lsmt")


def test_forget_gates_start_where_they_are_told(streams):
    shape = Shape(outputs=2, features=3)
    plain, told = (
        dict(RNN(cell="lstm", width=4, forget_bias=b).build(shape, streams).named_parameters()) for b in (None, 5.0)
    )
    bias = "layers.0.input.bias"
    assert torch.equal(told[bias][:, 4:8], torch.full((3, 4), 5.0))  # gates in the order i, f, g, o
    assert torch.equal(told[bias][:, [*range(4), *range(8, 16)]], plain[bias][:, [*range(4), *range(8, 16)]])
    assert all(torch.equal(told[name], plain[name]) for name in plain if name != bias)


def test_an_open_forget_gate_keeps_its_cell(streams):
    # Silent but for its biases: c = f c + i g with f = sigmoid(5), i = 1/2, g = tanh(1), from c = 0.
    network = RNN(cell="lstm", width=1, forget_bias=5.0).build(Shape(outputs=1, features=1), streams)
    with torch.no_grad():
        for name, p in network.named_parameters():
            if not name.endswith("input.bias"):
                p.zero_()
        network.layers[0].input.bias[:, [0, 2, 3]] = torch.tensor([0.0, 1.0, 0.0])
        network.output.weight.fill_(1.0)
    kept, new = torch.sigmoid(torch.tensor(5.0)), 0.5 * torch.tanh(torch.tensor(1.0))
    cell = new * torch.stack([torch.tensor(1.0), 1 + kept, 1 + kept + kept**2])
    found = network(torch.zeros(3, 1, 3, 1))[..., 0]
    torch.testing.assert_close(found, (0.5 * torch.tanh(cell)).expand(3, 1, 3))


@pytest.mark.parametrize("fields", [dict(cell="gru"), dict(cell="lstm", bias=False)])
def test_refuses_a_forget_bias_without_forget_gates(fields):
    with pytest.raises(UserError, match="forget_bias is for an lstm with biases"):
        RNN(forget_bias=1.0, **fields)
