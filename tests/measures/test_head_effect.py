"""Oracles: ratios by hand, known Gaussian classes, and heads that do nothing or something known."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.head_effect import HeadEffect, head_effect, read_out_accuracy, signal_ratio
from ontogeny.models.population import Population
from ontogeny.models.projector import EncodedProjector
from ontogeny.streams import Streams
from ontogeny.tasks.two_gaussian_views import TwoGaussianViews


def test_a_ratio_by_hand():
    # Classes at +-(3, 4) with one deviation of 2 along the second axis: 5 / sqrt((0 + 4) / 2).
    y = torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    f = y[..., None] * torch.tensor([3.0, 4.0]) + torch.tensor([[0.0, 2], [0, -2], [0, 2], [0, -2]])
    assert signal_ratio(f, y).item() == pytest.approx(5 / math.sqrt(2))
    # An offset of 1 on both axes adds to the spread: (1 + 1 + 4) / 2.
    assert signal_ratio(f + 1.0, y).item() == pytest.approx(5 / math.sqrt(3))


def test_a_read_out_by_hand():
    # Two labelled samples at 0 and 4: the boundary is their middle, 2, though the classes are not centred at 0.
    labelled, labels = torch.tensor([[[[0.0], [4.0]]]]), torch.tensor([[[-1.0, 1.0]]])
    test, truth = torch.tensor([[[1.0], [1.9], [2.1], [9.0]]]), torch.tensor([[-1.0, -1.0, 1.0, -1.0]])
    assert read_out_accuracy(labelled, labels, test, truth).tolist() == [[0.75]]


def test_an_offset_that_both_classes_share_is_no_direction():
    # Centred on (10, 1/2) the direction is (0, 3/4); of uncentred samples, three to one, it would be (5, 1).
    labelled = torch.tensor([[[[10.0, 1.0], [10.0, 1.0], [10.0, 1.0], [10.0, -1.0]]]])
    labels = torch.tensor([[[1.0, 1.0, 1.0, -1.0]]])
    assert read_out_accuracy(labelled, labels, torch.tensor([[[11.0, -0.5]]]), torch.tensor([[-1.0]])).item() == 1.0


def gaussian(seed, count=4_000, size=12, signal=1.0):
    h, y = TwoGaussianViews(dimensions=size, signal=signal).clean(Streams((seed,)), count)
    return h[0], y[0]


@pytest.mark.parametrize("gain", [0.4, 1.0, 2.5])
def test_any_models_head_has_the_gain_that_it_has(gain, seed):
    before, y = gaussian(seed)
    stretch = torch.ones(12)
    stretch[0] = gain
    q = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(seed))).Q
    found = head_effect(before, before * stretch @ q + 5.0, y, sizes=(16, 64), draws=40)
    # The spread along the signal's own axis is stretched too: one of twelve.
    assert found["gain"].item() == pytest.approx(gain / math.sqrt((11 + gain**2) / 12), rel=0.02)
    change = found["after"] - found["before"]
    assert (change.abs() < 1e-12).all() if gain == 1.0 else (torch.sign(change) == math.copysign(1, gain - 1)).all()
    assert (found["before"][1] > found["before"][0]).item()


def test_what_cannot_be_judged_is_refused():
    before, y = gaussian(0, 100)
    with pytest.raises(UserError, match="labels -1 and 1"):
        head_effect(before, before, (y + 1) / 2)
    with pytest.raises(UserError, match="256 labelled ones are too many"):
        head_effect(before, before, y)


@pytest.mark.parametrize("projector", ["linear", "identity"])
def test_a_projector_that_is_the_identity_has_no_effect(projector):
    task = TwoGaussianViews(dimensions=5)
    model = EncodedProjector(hidden=7, projector=projector)
    measure = HeadEffect(labelled=10, draws=6, test=200)

    def measured(seeds):
        population = Population(model.build(task.shape, Streams(seeds).of("init")))
        return measure(Checkpoint(population=population, task=task, world=None, streams=Streams(seeds), step=0))

    together = measured((3, 4, 5))
    assert torch.equal(together["accuracy_before"].values, together["accuracy_after"].values)
    assert torch.equal(together["signal_before"].values, together["signal_after"].values)
    for name, values in measured((4,)).items():
        assert torch.equal(values.values, together[name].values[1:2])


def test_best_read_out_of_known_classes():
    # Many labels: accuracy is Phi(signal) to the error of 4,000 test samples.
    task = TwoGaussianViews(dimensions=4, signal=1.0)
    network = EncodedProjector(hidden=8, projector="identity").build(task.shape, Streams((1,)))
    with torch.no_grad():  # relu(x) - relu(-x) = x: an encoder that changes nothing
        network.input.weight[0] = torch.cat([torch.eye(4), -torch.eye(4)], 1)
        network.output.weight[0] = torch.cat([torch.eye(4), -torch.eye(4)], 0)
    at = Checkpoint(population=Population(network), task=task, world=None, streams=Streams((1,)), step=0)
    found = HeadEffect(labelled=2_000, draws=4)(at)
    assert found["accuracy_before"].values.item() == pytest.approx(0.8413, abs=4 * 0.366 / 4_000**0.5)
    # mean 1 over unit spread
    assert found["signal_before"].values.item() == pytest.approx(1.0, abs=0.06)
