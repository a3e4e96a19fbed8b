"""Oracles: `transformers`' GPT-2 and `torch.nn.TransformerEncoder` with the same weights; causality; sizes by hand."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from ontogeny.errors import UserError
from ontogeny.models.sites import record
from ontogeny.models.transformer import Transformer
from ontogeny.tasks.contract import Shape

SHAPE = Shape(vocabulary=11, outputs=11, length=7)


class GPT2(torch.nn.Module):
    def __init__(self, activation, tied):
        super().__init__()
        config = GPT2Config(
            vocab_size=11, n_positions=7, n_embd=12, n_layer=2, n_head=3, n_inner=20, activation_function=activation,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, tie_word_embeddings=tied,
        )  # fmt: skip
        self.lm = GPT2LMHeadModel(config)

    def forward(self, tokens):
        return self.lm(tokens).logits


def gpt2_pairs(tied):
    pairs = {"lm.transformer.wte.weight": "embed.weight", "lm.transformer.wpe.weight": "positions.weight"}
    parts = {
        "ln_1": "ln1", "attn.c_attn": "attn.qkv", "attn.c_proj": "attn.output", "ln_2": "ln2",
        "mlp.c_fc": "mlp.input", "mlp.c_proj": "mlp.output",
    }  # fmt: skip
    for kind in ("weight", "bias"):
        for i in range(2):
            for theirs, mine in parts.items():
                pairs[f"lm.transformer.h.{i}.{theirs}.{kind}"] = f"blocks.{i}.{mine}.{kind}"
        pairs[f"lm.transformer.ln_f.{kind}"] = f"ln_final.{kind}"
    of = {theirs: (lambda g, mine=mine: g[mine]) for theirs, mine in pairs.items()}
    return of if tied else of | {"lm.lm_head.weight": lambda g: g["unembed.weight"].T}


def shaken(network, normal):
    """The network with biases that are not 0 and gains that are not 1."""
    for p in network.parameters():
        p.data += 0.1 * normal(*p.shape)
    return network


@pytest.mark.parametrize(("activation", "theirs"), [("gelu", "gelu"), ("gelu_tanh", "gelu_new"), ("relu", "relu")])
@pytest.mark.parametrize("tied", [False, True])
def test_equals_gpt2(activation, theirs, tied, streams, below, normal, same_as):
    model = Transformer(layers=2, width=12, heads=3, mlp=20, activation=activation, tied=tied)
    ours = shaken(model.build(SHAPE, streams), normal)
    singles, pairs = [GPT2(theirs, tied) for _ in range(3)], gpt2_pairs(tied)
    for i, single in enumerate(singles):
        mine = {name: p.data[i] for name, p in ours.named_parameters()}
        for name, p in single.named_parameters():
            p.data = pairs[name](mine).clone()
    tokens = below(11, 3, 4, 6)
    same_as(ours, singles, tokens, pairs=pairs)


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.unembed = torch.nn.Linear(5, 12), torch.nn.Linear(12, 2, bias=False)
        layer = torch.nn.TransformerEncoderLayer(12, 2, 48, dropout=0.0, activation="gelu", batch_first=True)
        self.body = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x):
        return self.unembed(self.body(self.embed(x)))


def test_post_norm_equals_the_torch_encoder(streams, normal, same_as):
    model = Transformer(width=12, norm="post", positions="none", causal=False)
    ours = shaken(model.build(Shape(features=5, outputs=2, length=7), streams), normal)
    pairs = {
        "embed.weight": lambda g: g["embed.weight"].T,
        "embed.bias": lambda g: g["embed.bias"],
        "unembed.weight": lambda g: g["unembed.weight"].T,
    }
    parts = {
        "self_attn.in_proj_": "attn.qkv.", "self_attn.out_proj.": "attn.output.", "linear1.": "mlp.input.",
        "linear2.": "mlp.output.", "norm1.": "ln1.", "norm2.": "ln2.",
    }  # fmt: skip
    for i in range(2):
        for theirs, mine in parts.items():
            for kind in ("weight", "bias"):
                name = f"blocks.{i}.{mine}{kind}"
                turned = kind == "weight" and "norm" not in theirs
                pairs[f"body.layers.{i}.{theirs}{kind}"] = lambda g, name=name, turned=turned: (
                    g[name].T if turned else g[name]
                )
    singles = [Encoder() for _ in range(3)]
    for i, single in enumerate(singles):
        mine = {name: p.data[i] for name, p in ours.named_parameters()}
        for name, p in single.named_parameters():
            p.data = pairs[name](mine).clone()
    same_as(ours, singles, normal(3, 4, 7, 5), pairs=pairs)


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary", "none"])
@pytest.mark.parametrize("norm", ["pre", "post", "none"])
def test_the_future_is_hidden_and_the_past_is_not(positions, norm, streams, below):
    network = Transformer(width=12, positions=positions, norm=norm).build(SHAPE, streams)
    tokens = below(11, 3, 1, 7)
    other = tokens.clone()
    other[..., 4] = (other[..., 4] + 1) % 11
    a, b = network(tokens), network(other)
    assert torch.equal(a[:, :, :4], b[:, :, :4])
    assert (a[:, :, 4:] != b[:, :, 4:]).flatten(2).any(-1).all()


@pytest.mark.parametrize(
    ("positions", "sees_order"), [("learned", True), ("sinusoidal", True), ("rotary", True), ("none", False)]
)
def test_without_positions_and_mask_order_is_not_seen(positions, sees_order, streams):
    network = Transformer(width=12, positions=positions, causal=False).build(SHAPE, streams).double()
    tokens = torch.tensor([1, 2, 3, 4, 5]).expand(3, 1, 5)
    moved = torch.tensor([4, 1, 3, 2, 5]).expand(3, 1, 5)
    same = torch.allclose(network(tokens)[:, :, 4], network(moved)[:, :, 4], rtol=1e-9, atol=1e-12)
    assert same != sees_order


def test_size_by_hand(streams):
    # embed 11*12, positions 7*12, a block: 2 norms 2*24, qkv 12*36+36, output 12*12+12, mlp 12*48+48 + 48*12+12;
    # last norm 24, unembed 12*11
    block = 2 * 24 + 12 * 36 + 36 + 12 * 12 + 12 + 12 * 48 + 48 + 48 * 12 + 12
    expected = 11 * 12 + 7 * 12 + 2 * block + 24 + 12 * 11
    network = Transformer(width=12).build(SHAPE, streams)
    assert sum(p[0].numel() for p in network.parameters()) == expected
    small = Transformer(width=12, mlp=0, norm="none", positions="none", bias=False, tied=True, layers=1)
    assert sum(p[0].numel() for p in small.build(SHAPE, streams).parameters()) == 11 * 12 + 12 * 36 + 12 * 12


def test_initial_deviations(streams):
    network = Transformer(width=128, layers=3, heads=4).build(Shape(vocabulary=200, outputs=200, length=100), streams)
    expected = {
        "embed.weight": 0.1, "positions.weight": 0.1, "unembed.weight": 0.5 / 128**0.5,
        "blocks.2.attn.qkv.weight": 128**-0.5, "blocks.2.attn.output.weight": (6 * 128) ** -0.5,
        "blocks.2.mlp.input.weight": 128**-0.5, "blocks.2.mlp.output.weight": (6 * 512) ** -0.5,
        "blocks.2.mlp.input.bias": 0.0, "ln_final.weight": 0.0,
    }  # fmt: skip
    for name, deviation in expected.items():
        assert network.get_parameter(name).std().item() == pytest.approx(deviation, rel=0.03), name
    assert (network.ln_final.weight == 1).all()


@torch.no_grad()
@pytest.mark.parametrize("norm", ["pre", "post", "none"])
@pytest.mark.parametrize("since", [0, 4])
def test_the_rest_of_a_network_from_any_block_on(norm, since, streams, below):
    network = Transformer(width=12, layers=3, norm=norm).build(SHAPE, streams)
    tokens = below(11, 3, 4, 7)
    expected = network(tokens, since)
    _, seen = record(network, tokens, ("blocks.*.*", "blocks.*.mlp.hook_out"))
    for i, block in enumerate(network.blocks):
        assert torch.equal(network.onward(seen[f"blocks.{i}.hook_in"], i, since), expected)
        mid, written = seen[f"blocks.{i}.hook_mid"], seen[f"blocks.{i}.mlp.hook_out"]
        assert torch.equal(block.after_writing(mid, written), seen[f"blocks.{i}.hook_out"])
        assert not torch.allclose(block.after_writing(mid, 2 * written), seen[f"blocks.{i}.hook_out"])
    torch.testing.assert_close(network.onward(seen["blocks.2.hook_out"], 3, since), expected)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (dict(width=10, heads=3), "width 10 is not divisible by 3 heads"),
        (dict(width=6, heads=2, positions="rotary"), "even head size"),
        (dict(positions="rope"), "positions is one of"),
        (dict(norm="rms"), "norm is one of"),
        (dict(activation="gelu_new"), "no activation 'gelu_new'"),
        (dict(heads=0), "heads is 1 or more"),
        (dict(mlp=-1), "mlp is 0 or more"),
        (dict(context=0), "context is 1 or more"),
        (dict(wdith=4), "did you mean 'width'"),
    ],
)
def test_refuses(wrong, says):
    with pytest.raises(UserError, match=says):
        Transformer(**wrong)


@pytest.mark.parametrize(
    ("fields", "shape", "says"),
    [
        ({}, Shape(outputs=2, length=3), "neither a vocabulary nor features"),
        ({}, Shape(outputs=2, vocabulary=3), "set context"),
        (dict(tied=True), Shape(outputs=2, vocabulary=3, length=3), "2 outputs and a vocabulary of 3"),
    ],
)
def test_refuses_a_task(fields, shape, says, streams):
    with pytest.raises(UserError, match=says):
        Transformer(**fields).build(shape, streams)


def test_refuses_a_longer_sequence(streams):
    with pytest.raises(UserError, match="8 positions in a network built for 7"):
        Transformer(width=12).build(SHAPE, streams)(torch.zeros(3, 1, 8, dtype=torch.long))
    longer = Transformer(width=12, context=8).build(SHAPE, streams)
    assert longer(torch.zeros(3, 1, 8, dtype=torch.long)).shape == (3, 1, 8, 11)
