"""Oracles: the hidden states of `transformers`; edits by hand; bits before and after."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.huggingface import to_huggingface
from ontogeny.models.population import Population
from ontogeny.models.sites import Site, canonical, edit, record, sites
from ontogeny.models.transformer import Transformer
from ontogeny.tasks.contract import Shape


@pytest.fixture
def network(streams):
    return Transformer(width=12).build(Shape(vocabulary=11, outputs=11, length=7), streams)


@pytest.fixture
def tokens(below):
    return below(11, 3, 4, 7)


def test_values_are_those_of_transformers(network, tokens, tmp_path):
    from transformers import GPT2LMHeadModel

    to_huggingface(Population(network), 1, tmp_path / "gpt2")
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path / "gpt2", attn_implementation="eager").eval()
    inside = {}
    for name in ("attn", "mlp"):
        getattr(theirs.transformer.h[1], name).register_forward_hook(
            lambda _m, _i, y, name=name: inside.update({name: y[0] if isinstance(y, tuple) else y})
        )
    with torch.no_grad():
        expected = theirs(tokens[1], output_hidden_states=True, output_attentions=True)
        outputs, seen = record(network, tokens, ["*", "blocks.*.*", "blocks.*.*.*", "ln_final.*"])
    pairs = {
        "blocks.0.hook_in": expected.hidden_states[0],
        "blocks.1.hook_in": expected.hidden_states[1],
        "blocks.0.hook_out": expected.hidden_states[1],
        "ln_final.hook_normalized": expected.hidden_states[2],
        "blocks.0.attn.hook_pattern": expected.attentions[0],
        "blocks.1.attn.hook_pattern": expected.attentions[1],
        "blocks.1.attn.hook_out": inside["attn"],
        "blocks.1.mlp.hook_out": inside["mlp"],
        "blocks.1.hook_mid": expected.hidden_states[1] + inside["attn"],
        "blocks.1.hook_out": expected.hidden_states[1] + inside["attn"] + inside["mlp"],
    }
    for name, value in pairs.items():
        torch.testing.assert_close(seen[name][1], value, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(outputs[1], expected.logits, rtol=1e-5, atol=1e-5)
    assert torch.equal(seen["hook_embed"] + seen["hook_pos_embed"], seen["blocks.0.hook_in"])
    assert seen["blocks.0.attn.hook_q"].shape == (3, 4, 7, 2, 6)
    # The rotary sites are passed by rotary networks only.
    assert set(seen) == {name for name in sites(network) if "rot" not in name}


@pytest.mark.parametrize(
    ("alias", "stored"),
    [
        ("blocks.0.hook_resid_pre", "blocks.0.hook_in"),
        ("blocks.*.hook_resid_mid", "blocks.*.hook_mid"),
        ("blocks.0.hook_resid_post", "blocks.0.hook_out"),
        ("blocks.0.hook_attn_out", "blocks.0.attn.hook_out"),
        ("blocks.0.hook_mlp_out", "blocks.0.mlp.hook_out"),
        ("blocks.0.attn.q.hook_out", "blocks.0.attn.hook_q"),
        ("blocks.0.attn.o.hook_in", "blocks.0.attn.hook_z"),
        ("blocks.0.mlp.in.hook_out", "blocks.0.mlp.hook_pre"),
        ("embed.hook_out", "hook_embed"),
        ("pos_embed.hook_out", "hook_pos_embed"),
        ("blocks.0.hook_out", "blocks.0.hook_out"),
    ],
)
def test_aliases_mean_the_stored_name(alias, stored, network, tokens):
    assert canonical(alias) == stored
    _, seen = record(network, tokens, alias)
    assert set(seen) == {name.replace("*", i) for i in "01" for name in [stored]}


def test_recording_changes_nothing(network, tokens):
    before = network(tokens)
    during, _ = record(network, tokens, "blocks.*.attn.hook_pattern")
    assert torch.equal(before, during)
    assert not any(site._forward_hooks for site in sites(network).values())


def test_an_edit_applies_and_is_undone(network, tokens):
    before = network(tokens)
    with edit(network, {"blocks.1.hook_resid_post": torch.zeros_like}):
        # The last norm turns a stream of zeros into its bias, which is 0.
        assert (network(tokens) == 0).all()
        _, seen = record(network, tokens, "blocks.1.hook_out")
        assert (seen["blocks.1.hook_out"] == 0).all()
    assert torch.equal(network(tokens), before)
    with edit(network, {"blocks.*.hook_attn_out": lambda x: x * 1.0}):
        assert torch.equal(network(tokens), before)


def test_edits_apply_in_order(network, tokens):
    with edit(network, {"hook_embed": lambda x: x + 1.0, "hook_emb*": lambda x: x * 2.0}):
        _, seen = record(network, tokens, "hook_embed")
    assert torch.equal(seen["hook_embed"], 2.0 * (network.embed(tokens) + 1.0))


def test_an_edit_is_undone_after_an_error(network, tokens):
    before = network(tokens)
    with pytest.raises(ZeroDivisionError), edit(network, {"hook_embed": lambda x: 1 / 0}):
        network(tokens)
    assert torch.equal(network(tokens), before)


def test_a_stranger_is_refused_before_anything_is_edited(network):
    with pytest.raises(UserError, match=r"matches 'blocks.0.hook_uot': did you mean 'blocks.0.hook_out'"):
        record(network, torch.zeros(3, 1, 1, dtype=torch.long), "blocks.0.hook_uot")
    stranger = edit(network, {"hook_embed": torch.zeros_like, "blocks.7.hook_out": torch.zeros_like})
    with pytest.raises(UserError, match=r"matches 'blocks.7.hook_out'"), stranger:
        pass
    assert not any(site._forward_hooks for site in sites(network).values())


def test_gradients_pass_through_records_and_edits(network, tokens):
    delta = torch.zeros(12, requires_grad=True)
    with edit(network, {"blocks.0.hook_out": lambda x: x + delta}):
        outputs, seen = record(network, tokens, "blocks.0.hook_out")
    into, at_site = torch.autograd.grad(outputs.square().sum(), [delta, seen["blocks.0.hook_out"]])
    torch.testing.assert_close(into, at_site.sum((0, 1, 2)), rtol=1e-4, atol=1e-5)


def test_a_site_is_the_identity():
    x = torch.ones(2)
    assert Site()(x) is x
