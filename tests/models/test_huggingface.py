"""Oracle: `transformers`, which loads the folder and gives the same logits."""

import pytest
import torch
from transformers import GPT2LMHeadModel

from ontogeny.errors import UserError
from ontogeny.models.huggingface import to_huggingface
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.tasks.contract import Shape

SHAPE = Shape(vocabulary=11, outputs=11, length=7)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        dict(tied=True, mlp=20),
        dict(bias=False, context=9),
        dict(activation="gelu_tanh", layers=1),
        dict(activation="silu", layers=1),
        dict(activation="identity", layers=1),
    ],
)
def test_logits_agree(fields, streams, below, normal, tmp_path):
    population = Population(Transformer(width=12, **fields).build(SHAPE, streams))
    population.flat += 0.1 * normal(*population.flat.shape)
    to_huggingface(population, 2, tmp_path / "deep" / "gpt2")
    theirs, report = GPT2LMHeadModel.from_pretrained(tmp_path / "deep" / "gpt2", output_loading_info=True)
    assert not any(report[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    tokens = below(11, 4, 7)
    with torch.no_grad():
        expected = theirs.eval()(tokens).logits
        torch.testing.assert_close(population(tokens.expand(3, 4, 7))[2], expected, rtol=1e-5, atol=1e-5)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["gpt2"]


@pytest.mark.parametrize(
    ("fields", "shape", "says"),
    [
        (dict(positions="rotary"), SHAPE, "positions are rotary"),
        (dict(norm="post", causal=False), SHAPE, "norm is 'post', not 'pre'; attention is not causal"),
        (dict(mlp=0), SHAPE, "no MLP branch"),
        ({}, Shape(features=3, outputs=3, length=7), "features"),
        ({}, Shape(vocabulary=11, outputs=3, length=7), "3 outputs for 11 tokens"),
    ],
)
def test_refuses_what_gpt2_is_not(fields, shape, says, streams, tmp_path):
    population = Population(Transformer(width=12, **fields).build(shape, streams))
    with pytest.raises(UserError, match=says):
        to_huggingface(population, 0, tmp_path / "gpt2")
    assert not list(tmp_path.iterdir())


def test_refuses_other_models_members_and_folders(streams, tmp_path):
    with pytest.raises(UserError, match="got a MLPNetwork"):
        to_huggingface(Population(MLP().build(SHAPE, streams)), 0, tmp_path / "gpt2")
    population = Population(Transformer(width=12).build(SHAPE, streams))
    with pytest.raises(UserError, match="no member 3"):
        to_huggingface(population, 3, tmp_path / "gpt2")
    with pytest.raises(UserError, match="exists already"):
        to_huggingface(population, 0, tmp_path)
