"""Oracles: the identity, `torch.nn.Sequential` with the same weights, and the law."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.population import Population
from ontogeny.models.projector import EncodedProjector, Projector
from ontogeny.models.stacked import member_sum
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SIX = Shape(features=6, outputs=6)


def test_a_projector_starts_as_the_identity(streams, normal):
    x = normal(3, 4, 2, 6)
    network = Projector().build(SIX, streams)
    assert torch.equal(network(x), x)
    network.weight.data.copy_(normal(3, 6, 6))
    torch.testing.assert_close(network(x)[1, :, 0], x[1, :, 0] @ network.weight[1])


def test_an_encoder_with_its_projector_equals_torch(streams, normal, same_as):
    ours = EncodedProjector(hidden=5).build(SIX, streams)
    ours.projector.weight.data.copy_(normal(3, 6, 6))
    theirs = []
    for i in range(3):
        single = torch.nn.Sequential(
            torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 6, bias=False), torch.nn.Linear(6, 6, bias=False)
        )
        for place, mine in ((0, ours.input.weight), (2, ours.output.weight), (3, ours.projector.weight)):
            single[place].weight.data = mine.data[i].T.clone()
        single[0].bias.data = ours.input.bias.data[i].clone()
        theirs.append(single)
    names = {"0.weight": "input.weight", "2.weight": "output.weight", "3.weight": "projector.weight"}
    pairs = {theirs_: lambda g, ours_=ours_: g[ours_].T for theirs_, ours_ in names.items()}
    pairs["0.bias"] = lambda g: g["input.bias"]
    same_as(ours, theirs, normal(3, 7, 6), pairs=pairs)


def test_features_are_what_the_projector_is_given(streams, normal):
    x = normal(3, 4, 6)
    for projector in ("linear", "identity"):
        population = Population(EncodedProjector(hidden=5, projector=projector).build(SIX, streams))
        out, sites = population.record(x, "hook_features")
        assert torch.equal(out, sites["hook_features"])  # at the start W = I
        assert any("projector" in name for name in population.parameters()) == (projector == "linear")


@pytest.mark.parametrize("model", [Projector(), EncodedProjector(hidden=5), EncodedProjector(projector="identity")])
@pytest.mark.parametrize("samples", [1, 7])
def test_alone_as_in_company(model, samples):
    seeds = (3, 4, 5)
    x = Streams(seeds).normal("x", (samples, 2, 6))

    def outcome(seeds, x):
        population = Population(model.build(SIX, Streams(seeds).of("init")))
        population.flat += 0.1 * Streams(seeds).normal("shake", (population.flat.shape[1],))
        y = population(x)
        population.backward(member_sum(y.square()))
        return y.detach(), population.gradient

    together = outcome(seeds, x)
    for i in range(3):
        for mine, all_ in zip(outcome(seeds[i : i + 1], x[i : i + 1]), together, strict=True):
            assert torch.equal(mine, all_[i : i + 1])


def test_what_does_not_fit_is_refused(streams):
    with pytest.raises(UserError, match="vectors of one size"):
        Projector().build(Shape(features=3, outputs=2), streams)
    with pytest.raises(UserError, match="linear or identity"):
        EncodedProjector(projector="none")
