"""Oracle: `torch.nn.LayerNorm` with the same gain and bias."""

import pytest
import torch

from ontogeny.models.layer_norm import LayerNorm


@pytest.mark.parametrize("bias", [True, False])
def test_equals_torch(bias, streams, normal, same_as):
    ours = LayerNorm(streams, 6, bias=bias)
    theirs = [torch.nn.LayerNorm(6, bias=bias) for _ in range(3)]
    for name, p in ours.named_parameters():
        p.data = normal(3, 6)
        for i, single in enumerate(theirs):
            getattr(single, name).data = p.data[i].clone()
    pairs = {name: (lambda g, name=name: g[name]) for name, _ in ours.named_parameters()}
    same_as(ours, theirs, 3 + 2 * normal(3, 4, 7, 6), pairs=pairs)


def test_a_constant_row_becomes_the_bias(streams, normal):
    norm = LayerNorm(streams, 6)
    norm.bias.data = normal(3, 6)
    assert torch.equal(norm(torch.full((3, 2, 6), 4.0)), norm.bias[:, None].expand(3, 2, 6))
