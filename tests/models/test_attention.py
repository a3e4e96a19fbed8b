"""Oracles: `torch.nn.MultiheadAttention` with the same weights; what a causal mask must hide."""

import pytest
import torch

from ontogeny.models.attention import Attention
from ontogeny.models.sites import edit, record


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("length", [1, 5])
def test_equals_torch(causal, heads, length, streams, normal, same_as):
    ours = Attention(streams, 8, heads, 7, causal=causal)
    theirs = [torch.nn.MultiheadAttention(8, heads, batch_first=True) for _ in range(3)]
    ours.qkv.bias.data, ours.output.bias.data = normal(3, 24), normal(3, 8)
    ours.qkv.weight.data *= 3
    for i, single in enumerate(theirs):
        single.in_proj_weight.data = ours.qkv.weight.data[i].T.clone()
        single.in_proj_bias.data = ours.qkv.bias.data[i].clone()
        single.out_proj.weight.data = ours.output.weight.data[i].T.clone()
        single.out_proj.bias.data = ours.output.bias.data[i].clone()
    mask = torch.ones(length, length, dtype=torch.bool).triu(1) if causal else None

    class Called(torch.nn.Module):
        def __init__(self, single):
            super().__init__()
            self.a = single

        def forward(self, x):
            return self.a(x, x, x, attn_mask=mask, need_weights=False)[0]

    pairs = {
        "a.in_proj_weight": lambda g: g["qkv.weight"].T,
        "a.in_proj_bias": lambda g: g["qkv.bias"],
        "a.out_proj.weight": lambda g: g["output.weight"].T,
        "a.out_proj.bias": lambda g: g["output.bias"],
    }
    same_as(ours, [Called(single) for single in theirs], normal(3, 4, length, 8), pairs=pairs)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("since", [0, 2, 4])
def test_the_fused_kernel_gives_the_same(causal, since, streams, normal):
    """What a GPU computes, here by the CPU's kernel: outputs and gradients, in float64."""
    attention = Attention(streams, 8, 2, 7, causal=causal).double()
    x = normal(3, 4, 5, 8).double().requires_grad_()
    q, k, v = attention.queries_keys_values(x, since)
    mask = attention.mask[:, since:5, :5] if causal else None
    shown, fused = (mix(q, k, v, mask) for mix in (attention._mixed, attention._fused))
    assert fused.shape == (3, 4, 5 - since, 2, 4)
    torch.testing.assert_close(fused, shown, rtol=1e-12, atol=1e-12)
    slope = normal(*fused.shape).double()
    inputs = (x, attention.qkv.weight)
    ours, theirs = (torch.autograd.grad(z, inputs, slope, retain_graph=True) for z in (fused, shown))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("site", ["hook_pattern", "hook_attn_scores"])
def test_a_gpu_fuses_unless_scores_or_pattern_are_asked_for(site, streams):
    attention, gpu = Attention(streams, 8, 2, 5), torch.device("cuda")
    assert attention._mixes_on(gpu) == attention._fused
    with edit(attention, {site: lambda x: x}):
        assert attention._mixes_on(gpu) == attention._mixed
    with edit(attention, {"hook_z": lambda x: x}):
        assert attention._mixes_on(gpu) == attention._fused
    assert attention._mixes_on(torch.device("cpu")) == attention._mixed


def test_patterns_are_rows_of_probabilities_of_the_past(streams, normal):
    attention = Attention(streams, 8, 2, 5)
    _, seen = record(attention, normal(3, 4, 5, 8), ["hook_pattern", "hook_attn_scores", "hook_z"])
    pattern = seen["hook_pattern"]
    assert pattern.shape == (3, 4, 2, 5, 5)
    assert seen["hook_z"].shape == (3, 4, 5, 2, 4)
    assert (pattern.triu(1) == 0).all()
    torch.testing.assert_close(pattern.sum(-1), torch.ones(3, 4, 2, 5))
    assert torch.equal(seen["hook_attn_scores"].softmax(-1), pattern)
