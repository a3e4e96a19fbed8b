"""Oracles: the recorded sites, an edit, and the same network in transformers."""

import torch
from transformers import GPT2LMHeadModel

from ontogeny.measures.hidden_states import hidden_states, hidden_states_of
from ontogeny.models.huggingface import to_huggingface
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SHAPE = Shape(vocabulary=11, outputs=11, length=6)


def grown():
    return Population(Transformer(width=16, heads=2, layers=3).build(SHAPE, Streams((0, 1))))


def tokens(seed):
    return torch.randint(11, (2, 7, 6), generator=torch.Generator().manual_seed(seed))


def test_chunks_are_the_whole(seed):
    population, inputs = grown(), tokens(seed)
    parts = list(hidden_states(population, inputs, at_once=3))
    assert [hidden.shape for _, hidden in parts] == [(2, 4, n, 6, 16) for n in (3, 3, 1)]
    outputs, hidden = (torch.cat(x, d) for x, d in zip(zip(*parts, strict=True), (1, 2), strict=True))
    expected, seen = population.record(inputs, ["blocks.0.hook_in", "blocks.*.hook_out"])
    torch.testing.assert_close(outputs, expected)
    for layer, name in enumerate(["blocks.0.hook_in", *(f"blocks.{i}.hook_out" for i in range(3))]):
        torch.testing.assert_close(hidden[:, layer], seen[name])
    assert not hidden.requires_grad


def test_edits_are_seen(seed):
    population, inputs = grown(), tokens(seed)
    with population.edit({"blocks.1.hook_out": torch.zeros_like}):
        (_, hidden), *_ = hidden_states(population, inputs)
    assert hidden[:, 2].abs().max() == 0
    assert hidden[:, 1].abs().max() > 0


def test_a_model_of_transformers_gives_the_same(tmp_path, seed):
    population, inputs = grown(), tokens(seed)
    to_huggingface(population, 1, tmp_path / "model")
    theirs = hidden_states_of(GPT2LMHeadModel.from_pretrained(tmp_path / "model").eval(), inputs[1])
    (_, mine), *_ = hidden_states(population, inputs)
    torch.testing.assert_close(theirs, mine[1], atol=2e-5, rtol=1e-4)
