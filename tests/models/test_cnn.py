"""Oracle: `torch.nn.Conv1d` with the same weights; exact invariance to shifts; the law."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.cnn import CNN
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_sum
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SHAPE = Shape(features=16, outputs=4)


class Theirs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv1d(1, 6, 5)
        self.output = torch.nn.Linear(6, 4)

    def forward(self, x):
        pooled = torch.nn.functional.adaptive_max_pool1d(torch.relu(self.convolution(x[:, None])), 1)
        return self.output(pooled[..., 0])


def test_equals_torch(streams, normal, same_as):
    ours = CNN(filters=6).build(SHAPE, streams)
    ours.convolution.bias.data = normal(3, 6)
    theirs = [Theirs() for _ in range(3)]
    pairs = {
        "convolution.weight": lambda g: g["convolution.weight"].T[:, None],
        "convolution.bias": lambda g: g["convolution.bias"],
        "output.weight": lambda g: g["output.weight"].T,
        "output.bias": lambda g: g["output.bias"],
    }
    for i, single in enumerate(theirs):
        mine = {name: p.data[i] for name, p in ours.named_parameters()}
        for name, p in single.named_parameters():
            p.data = pairs[name](mine).clone()
    same_as(ours, theirs, normal(3, 9, 16), pairs=pairs)


def test_a_pattern_is_the_same_wherever_it_stands(streams, normal):
    network, pattern = CNN().build(SHAPE, streams), normal(3, 1, 5)
    signals = [torch.cat([torch.zeros(3, 1, k), pattern, torch.zeros(3, 1, 11 - k)], -1) for k in (4, 5, 6, 7)]
    outputs = [network(x) for x in signals]  # windows that see a part of it are all there
    for other in outputs[1:]:
        torch.testing.assert_close(other, outputs[0])


@pytest.mark.parametrize("samples", [1, 7])
def test_alone_and_in_company(samples):
    seeds = (40, 41, 42, 43, 44)
    x = Streams(seeds).normal("inputs", (samples, 16))

    def outcome(part):
        population = Population(CNN().build(SHAPE, Streams(seeds[part])))
        outputs = population(x[part])
        population.backward(member_sum(outputs.square()))
        return outputs.detach(), population.gradient

    together = outcome(slice(None))
    for part in (slice(2, 3), slice(1, 4)):
        for mine, all_ in zip(outcome(part), together, strict=True):
            assert torch.equal(mine, all_[part])


def test_refuses_short_signals(streams):
    with pytest.raises(UserError, match="size 5"):
        CNN().build(Shape(features=4, outputs=1), streams)
    with pytest.raises(UserError, match="1 or more"):
        CNN(filters=0)
