"""Oracles: geometry by hand, the law of Pythagoras behind a normalisation, and scale invariance itself."""

import math

import pytest
import torch

from ontogeny import every, seeds
from ontogeny.errors import UserError
from ontogeny.measures.weight_growth import WeightGrowth, alignment, rotation
from ontogeny.models import layer_norm
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.gaussian_mixture import GaussianMixture
from ontogeny.training.experiment import Training
from ontogeny.training.k_adam import KAdam
from ontogeny.training.network_rms import NetworkRMS
from ontogeny.training.objectives import CrossEntropy

TASK = GaussianMixture(means=((-1.0, 0.0, 0.5), (1.0, 0.0, 0.0)))
MODEL = MLP(layers=3, width=8, activation="tanh", normalise=True, bias=False)  # a bias would have to be scaled too
HIDDEN = "layers.1.map.weight"


def test_by_hand():
    weight = torch.tensor([[[3.0, 0.0]], [[3.0, 4.0]], [[0.0, 0.0]], [[1.0, 1.0]]])
    update = torch.tensor([[[0.0, 2.0]], [[-3.0, -4.0]], [[1.0, 0.0]], [[0.0, 0.0]]])
    torch.testing.assert_close(alignment(weight, update)[:2], torch.tensor([0.0, -1.0]))
    assert alignment(weight, update)[2:].isnan().all()
    # A step of 3 across a vector of length 3 turns it by 45 degrees; along it, or nowhere, by none.
    angles = rotation(weight, update, 1.5)
    torch.testing.assert_close(angles[[0, 1, 3]], torch.tensor([math.pi / 4, 0.0, 0.0]))
    assert angles[2].isnan()


def test_the_angle_is_the_arc_cosine_and_keeps_its_digits(seed):
    g = torch.Generator().manual_seed(seed)
    w, u = (torch.randn(2, 5, 7, generator=g, dtype=torch.float64) for _ in range(2))
    after = w - 0.3 * u
    cosine = (w * after).sum((1, 2)) / (w.square().sum((1, 2)) * after.square().sum((1, 2))).sqrt()
    torch.testing.assert_close(rotation(w, u, 0.3), torch.arccos(cosine))
    across = torch.tensor([[[0.0, 1.0]]])
    assert rotation(torch.tensor([[[1.0, 0.0]]]), across, 1e-5).item() == pytest.approx(1e-5, rel=1e-5)


def shaken(seed, model=MODEL):
    streams = Streams((seed, seed + 1))
    network = Population(model.build(TASK.shape, streams.of("init")).double())
    batch = TASK.sample(None, streams.of("data"), 40)
    return network, batch, batch.inputs.double()


def test_a_matrix_in_front_of_a_normalisation_has_no_length_to_the_network(seed, monkeypatch):
    monkeypatch.setattr(layer_norm, "EPSILON", 0.0)
    network, batch, inputs = shaken(seed)
    before = network(inputs)
    network.backward(CrossEntropy()(before, batch))
    weight = network.parameters()[HIDDEN]
    start, shape = network.layout[HIDDEN]
    slope = network.gradient[:, start : start + shape.numel()].view(weight.shape)
    assert alignment(weight, slope).abs().max() < 1e-9
    weight.mul_(3.0)
    torch.testing.assert_close(network(inputs), before.detach(), rtol=1e-9, atol=1e-11)
    network.parameters()["output.weight"].mul_(3.0)
    assert not torch.allclose(network(inputs), before.detach(), rtol=0.1)


def test_adam_turns_a_matrix_by_its_rate_over_its_length(seed, monkeypatch):
    """Four times the matrix and four times its rate: the same losses, for the angle is all that counts."""
    monkeypatch.setattr(layer_norm, "EPSILON", 0.0)
    losses = []
    for scale in (1.0, 4.0):
        network, batch, inputs = shaken(seed)
        network.parameters()[HIDDEN].mul_(scale)
        rule = KAdam(lr=1e-2, eps=0.0)
        memory, ones = rule.start(network.flat), torch.ones(2, dtype=torch.float64)
        start, shape = network.layout[HIDDEN]
        columns = slice(start, start + shape.numel())
        losses.append([])
        for n in range(1, 51):
            loss = CrossEntropy()(network(inputs), batch)
            network.backward(loss)
            rule.step(network.flat, network.gradient, memory, rule.columns(n, network.flat), ones.bool(), ones)
            network.flat[:, columns] -= (scale - 1) * 1e-2 * memory["update"][:, columns]
            losses[-1].append(loss.detach())
    torch.testing.assert_close(torch.stack(losses[0]), torch.stack(losses[1]), rtol=1e-6, atol=1e-8)


def grown(rule, **changes):
    run = Training(
        factors=seeds(2, first=0),
        task=TASK,
        model=MODEL,
        optimizer=rule,
        batch=16,
        steps=40,
        dtype="float64",
        measures=(WeightGrowth(matrices=(HIDDEN, "output.weight"), rate=0.05),),
        at=every(1),
        **changes,
    )
    records = [r.values for r in run.open(run.factors.rows(), torch.device("cpu")).records() if r.step is not None]
    return {name: torch.stack([r[name].values for r in records], 1) for name in records[0] if name in SHOWN}


SHOWN = ("weight_square", "update_square", "alignment", "rotation")


def test_a_normalised_matrix_grows_by_pythagoras(monkeypatch):
    monkeypatch.setattr(layer_norm, "EPSILON", 0.0)
    seen = grown(NetworkRMS(lr=0.05))
    square = seen["weight_square"]
    law = square[:, :1] + 0.05**2 * seen["update_square"].cumsum(1)
    torch.testing.assert_close(law[..., 0], square[..., 0], rtol=1e-9, atol=0)
    assert ((law - square)[..., 1].abs() > 1e-3).any()  # nothing normalises what the output matrix gives
    assert seen["alignment"][:, 1:, 0].abs().max() < 1e-9
    assert seen["alignment"][:, 0].isnan().all()
    assert (seen["rotation"][:, 0] == 0).all()
    turned = torch.atan(0.05 * seen["update_square"][:, 1:, 0].sqrt() / square[:, :-1, 0].sqrt())
    torch.testing.assert_close(seen["rotation"][:, 1:, 0], turned)


def test_a_second_moment_a_coordinate_breaks_it():
    seen = grown(KAdam(lr=0.05, beta=0.0))
    assert seen["alignment"][:, 2:, 0].abs().median() > 0.01


def test_an_unknown_matrix_is_refused():
    run = Training(
        factors=seeds(1),
        task=TASK,
        model=MODEL,
        optimizer=KAdam(lr=0.05),
        batch=4,
        steps=1,
        measures=(WeightGrowth(matrices=("output.weigth",), rate=0.05),),
    )
    cohort = run.open(run.factors.rows(), torch.device("cpu"))
    with pytest.raises(UserError, match=r"no parameter 'output.weigth': did you mean 'output.weight'"):
        list(cohort.records())
