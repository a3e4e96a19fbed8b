"""Oracles: the plain transformer at the start, and norms that training leaves alone."""

import torch

from ontogeny.models.plain_norms import PlainNorms
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SHAPE = Shape(vocabulary=5, outputs=5, length=3)


def test_it_starts_as_the_transformer_and_only_lacks_what_norms_learn(seed):
    streams = Streams((seed, seed + 1))
    mine, plain = (Population(kind(width=8).build(SHAPE, streams)) for kind in (PlainNorms, Transformer))
    tokens = streams.integers("tokens", (4, 3), 5)
    assert torch.equal(mine(tokens), plain(tokens))
    lacks = set(plain.parameters()) - set(mine.parameters())
    assert lacks == {
        f"{norm}.{name}"
        for norm in ("ln_final", "blocks.0.ln1", "blocks.0.ln2", "blocks.1.ln1", "blocks.1.ln2")
        for name in ("weight", "bias")
    }


def test_the_gradient_of_the_rest_is_that_of_the_transformer(seed):
    streams = Streams((seed,))
    tokens = streams.integers("tokens", (4, 3), 5)
    found = []
    for kind in (PlainNorms, Transformer):
        population = Population(kind(width=8).build(SHAPE, streams))
        population.backward(population(tokens).square().sum((1, 2, 3)))
        found.append(population.views(population.gradient))
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name])
