"""Oracles: the plain forward pass over every prefix by itself, for networks that are continued and for others."""

import pytest
import torch

from ontogeny.models.population import Population
from ontogeny.models.prefixes import after_every_token, after_prefixes
from ontogeny.models.rnn import RNN
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SHAPE = Shape(vocabulary=5, outputs=5, length=9)
LENGTHS = (6, 2, 9, 6)  # in any order, and one of them twice
MODELS = {
    "transformer": Transformer(layers=2, width=12, heads=2),
    "rotary": Transformer(layers=2, width=12, heads=2, positions="rotary"),
    "no layers": Transformer(layers=0, width=12, heads=2),
    "not causal": Transformer(layers=2, width=12, heads=2, causal=False),
    "rnn": RNN(width=12),
}


def grown(model, members=(3, 4, 5)):
    population = Population(model.build(SHAPE, Streams(members).of("init")))
    population.flat += 0.3 * Streams(members).normal("shake", (population.flat.shape[1],))
    return population


def sequences(members=(3, 4, 5)):
    return Streams(members).integers("tokens", (4, 9), 5)


def test_a_sequence_is_read_up_to_each_length():
    for name in MODELS.keys() - {"not causal"}:  # what is read later would change it
        population, tokens = grown(MODELS[name]), sequences()
        found = after_prefixes(population, tokens, LENGTHS)
        for i, length in enumerate(LENGTHS):
            expected = population(tokens[..., :length])[:, :, -1]
            torch.testing.assert_close(found[:, :, i], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_token_is_tried_at_the_end_of_each_length(model):
    population, tokens = grown(model), sequences()
    found = after_every_token(population, tokens, LENGTHS, 5)
    for i, length in enumerate(LENGTHS):
        for token in range(5):
            prefix = tokens[..., :length].clone()
            prefix[..., -1] = token
            expected = population(prefix)[:, :, -1]
            torch.testing.assert_close(found[:, :, i, token], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_member_is_the_same_alone_and_in_company(model):
    def both(members):
        population, tokens = grown(model, members), sequences(members)
        return after_prefixes(population, tokens, LENGTHS), after_every_token(population, tokens, LENGTHS, 5)

    for every, alone in zip(both((3, 4, 5)), both((4,)), strict=True):
        assert torch.equal(every[1:2], alone)
