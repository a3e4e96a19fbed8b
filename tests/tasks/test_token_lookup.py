"""Oracles: Zipf's law within binomial error, labels that stay, and a gradient that is exactly 0."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.token_lookup import TokenLookup
from ontogeny.training.objectives import CrossEntropy


def drawn(task, seeds, size):
    streams = Streams(seeds)
    return task.sample(task.world(streams.of("world")), streams.of("data"), size)


@pytest.mark.parametrize(("exponent", "weights"), [(1.0, (1, 1 / 2, 1 / 3, 1 / 4)), (0.0, (1, 1, 1, 1))])
def test_tokens_come_as_often_as_they_should(exponent, weights, seed):
    n = 20_000
    batch = drawn(TokenLookup(vocabulary=4, exponent=exponent), (seed,), n)
    for token, weight in enumerate(weights):
        p = weight / sum(weights)
        share = (batch.inputs == token).double().mean().item()
        assert abs(share - p) < 3.5 * (p * (1 - p) / n) ** 0.5


def test_a_token_keeps_its_label_unless_labels_are_fresh(seed):
    kept = drawn(TokenLookup(vocabulary=8, exponent=0.0), (seed, seed + 1), 4_000)
    fresh = drawn(TokenLookup(vocabulary=8, exponent=0.0, fresh=True), (seed, seed + 1), 4_000)
    for member in range(2):
        for token in range(8):
            here = kept.targets[member][kept.inputs[member] == token]
            assert here.unique().numel() == 1
            anew = fresh.targets[member][fresh.inputs[member] == token]
            assert anew.unique().numel() == 10
    assert not torch.equal(kept.targets[0], kept.targets[1])


def test_tokens_that_did_not_come_up_get_no_gradient(seed):
    task = TokenLookup(vocabulary=64)
    streams = Streams((seed,))
    batch = drawn(task, (seed,), 16)
    network = Population(MLP(layers=2, width=8).build(task.shape, streams.of("init")))
    network.backward(CrossEntropy()(network(batch.inputs), batch))
    start, shape = network.layout["embed.weight"]
    slope = network.gradient[0, start : start + shape.numel()].view(shape)
    seen = torch.zeros(64, dtype=torch.bool)
    seen[batch.inputs[0]] = True
    assert (slope[~seen] == 0).all()
    assert (slope[seen].abs().sum(-1) > 0).all()


def test_refuses_no_tokens():
    with pytest.raises(UserError, match="tokens and classes, got 0 and 10"):
        TokenLookup(vocabulary=0)
