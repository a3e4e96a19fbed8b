"""Oracle: `torch.nn.Linear` with the same weights."""

import pytest
import torch

from ontogeny.models.linear import Linear


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("inputs", "outputs"), [(7, 5), (5, 1), (1, 3)])
def test_equals_torch(inputs, outputs, bias, streams, normal, same_as):
    ours = Linear(streams, inputs, outputs, bias=bias)
    if bias:
        ours.bias.data = normal(3, outputs)
    theirs = [torch.nn.Linear(inputs, outputs, bias=bias) for _ in range(3)]
    for i, single in enumerate(theirs):
        single.weight.data = ours.weight.data[i].T.clone()
        if bias:
            single.bias.data = ours.bias.data[i].clone()
    pairs = {"weight": lambda g: g["weight"].T} | ({"bias": lambda g: g["bias"]} if bias else {})
    same_as(ours, theirs, normal(3, 4, 13, inputs), pairs=pairs)


def test_initial_weights_have_the_size_asked_for(streams):
    scale = torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64)
    weight = Linear(streams, 400, 100, scale=scale).weight
    # 40,000 draws: the standard error of their deviation is 0.35 %.
    torch.testing.assert_close(weight.std((1, 2)), scale.float() / 20, rtol=0.02, atol=0.0)
    assert Linear(streams, 400, 100, deviation=0.3).weight.std().item() == pytest.approx(0.3, rel=0.02)
