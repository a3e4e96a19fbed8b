"""Oracles: `torch.nn.BatchNorm1d` in a deep network; scale invariance and what follows; frozen statistics; the law."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.batch_norm import BatchNormMLP, batch_normalised
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_sum
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape
from ontogeny.tasks.digits import Digits

SHAPE = Shape(features=5, outputs=3)


class Theirs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.maps = torch.nn.ModuleList([torch.nn.Linear(5, 8), torch.nn.Linear(8, 8)])
        self.norms = torch.nn.ModuleList(
            [torch.nn.BatchNorm1d(8, affine=False, track_running_stats=False) for _ in range(2)]
        )
        self.output = torch.nn.Linear(8, 3)

    def forward(self, x):
        for map_, norm in zip(self.maps, self.norms, strict=True):
            x = torch.tanh(norm(map_(x)))
        return self.output(x)


def test_equals_torch(streams, normal, same_as):
    ours = BatchNormMLP(hidden=2, units=8).build(SHAPE, streams)
    theirs = [Theirs() for _ in range(3)]
    pairs = {"output.weight": lambda g: g["output.weight"].T, "output.bias": lambda g: g["output.bias"]}
    for n in range(2):
        pairs[f"maps.{n}.weight"] = lambda g, n=n: g[f"layers.{n}.map.weight"].T
        pairs[f"maps.{n}.bias"] = lambda g, n=n: g[f"layers.{n}.map.bias"]
    for i, single in enumerate(theirs):
        mine = {name: p.data[i] for name, p in ours.named_parameters()}
        for name, p in single.named_parameters():
            p.data = pairs[name](mine).clone()
    same_as(ours, theirs, normal(3, 9, 5), pairs=pairs)


def test_scale_invariance(streams, normal):
    network, x = BatchNormMLP(hidden=2, units=8).build(SHAPE, streams).double(), normal(3, 50, 5).double()
    weight = network.layers[0].map.weight

    def slope():
        before = network(x)
        (gradient,) = torch.autograd.grad(before.square().sum(), weight)
        return before.detach(), gradient

    before, gradient = slope()
    # Orthogonal to the weights of every unit; ten times longer weights: the same function, a tenth of the gradient.
    along = (weight * gradient).sum(1).abs()
    assert (along <= 1e-3 * weight.norm(dim=1) * gradient.norm(dim=1) + 1e-9).all()
    weight.data *= 10
    after, tenth = slope()
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(10 * tenth, gradient, atol=1e-3, rtol=1e-3)


def test_frozen_statistics_are_those_of_the_reference():
    seeds = (3, 4)
    frozen = BatchNormMLP(hidden=3, units=8, norm="frozen", reference=Digits())
    shape = Digits().shape
    network = frozen.build(shape, Streams(seeds))
    batch = BatchNormMLP(hidden=3, units=8).build(shape, Streams(seeds))
    own = Streams(seeds).of("reference")
    inputs = Digits().sample(Digits().world(own.of("world")), own, 128).inputs
    torch.testing.assert_close(network(inputs), batch(inputs))  # the same function on that batch
    assert not torch.allclose(network(inputs[:, :20]), batch(inputs[:, :20]), atol=1e-3)
    assert torch.equal(network(inputs)[:, :20], network(inputs[:, :20].contiguous()))  # samples do not see each other
    assert Population(network).parameters_each == Population(batch).parameters_each


@pytest.mark.parametrize("norm", ["none", "batch", "frozen"])
@pytest.mark.parametrize("samples", [1, 7, 128])
def test_alone_and_in_company(norm, samples):
    seeds = (40, 41, 42, 43, 44)
    model = BatchNormMLP(hidden=3, units=12, norm=norm, reference=Digits())
    x = Streams(seeds).normal("inputs", (samples, 64))

    def outcome(part):
        population = Population(model.build(Digits().shape, Streams(seeds[part])))
        outputs = population(x[part])
        population.backward(member_sum(outputs.square()))
        return outputs.detach(), population.gradient

    together = outcome(slice(None))
    for part in (slice(2, 3), slice(1, 4)):
        for mine, all_ in zip(outcome(part), together, strict=True):
            assert torch.equal(mine, all_[part])


def test_degenerate_and_refused(streams):
    assert torch.equal(batch_normalised(torch.full((2, 1, 3), 7.0)), torch.zeros(2, 1, 3))
    with pytest.raises(UserError, match="give the task"):
        BatchNormMLP(norm="frozen")
    with pytest.raises(UserError, match="'none', 'batch'"):
        BatchNormMLP(norm="layer")
    with pytest.raises(UserError, match="features"):
        BatchNormMLP().build(Shape(vocabulary=4, outputs=1), streams)
