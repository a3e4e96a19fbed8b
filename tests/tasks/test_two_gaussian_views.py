"""Oracles: moments of large samples, the best classifier's accuracy, and where the noise of views lies."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.two_gaussian_views import MixedGaussianViews, TwoGaussianViews

N = 40_000


def test_classes_and_views_have_their_moments(seed):
    task = TwoGaussianViews(dimensions=3, signal=1.5, augmentation=0.7)
    batch = task.sample(None, Streams((seed,)), N)
    h, y = batch.latents["clean"][0].double(), batch.targets[0].double() * 2 - 1
    mean = (y[:, None] * h).mean(0)
    assert (mean - torch.tensor([1.5, 0, 0])).abs().max() < 4 / N**0.5
    off = batch.inputs[0].double() - h[:, None]
    flat = off.flatten(1)
    # Two views of three dimensions, all six independent with variance 0.49.
    torch.testing.assert_close(flat.mT @ flat / N, 0.49 * torch.eye(6).double(), rtol=0, atol=4 * 0.49 * (2 / N) ** 0.5)
    assert abs(batch.targets.double().mean() - 0.5) < 4 * 0.5 / N**0.5


def test_the_best_classifier_is_right_as_often_as_said(seed):
    h, y = TwoGaussianViews(signal=1.0, dimensions=2).clean(Streams((seed,)), N)
    right = (h[0, :, 0] * y[0] > 0).double().mean()
    best = 0.5 * (1 + math.erf(1 / math.sqrt(2)))  # Phi(1) = 0.841
    assert abs(right - best) < 4 * (best * (1 - best) / N) ** 0.5


@pytest.mark.parametrize(("direction", "still"), [("along", [1, 2]), ("off", [0]), ("all", [])])
def test_noise_of_views_lies_where_it_should(direction, still):
    batch = TwoGaussianViews(dimensions=3, direction=direction).sample(None, Streams((1,)), 50)
    off = batch.inputs - batch.latents["clean"][:, :, None]
    moves = [i for i in range(3) if i not in still]
    assert (off[..., still] == 0).all()
    assert (off[..., moves].abs() > 0).all()
    assert not torch.equal(off[:, :, 0], off[:, :, 1])


def test_mixing_is_a_matrix_of_the_members_own(seed):
    mixed, plain = MixedGaussianViews(dimensions=4), TwoGaussianViews(dimensions=4)
    streams = Streams((seed, seed + 1))
    world = mixed.world(streams.of("world"))
    batch, unmixed = mixed.sample(world, streams, 9), plain.sample(None, streams, 9)
    for i in range(2):
        for v in range(2):
            expected = unmixed.inputs[i, :, v] @ world[i]
            torch.testing.assert_close(batch.inputs[i, :, v], expected)
        torch.testing.assert_close(batch.latents["clean"][i], unmixed.latents["clean"][i] @ world[i])
    assert not torch.equal(world[0], world[1])
    wide = MixedGaussianViews(dimensions=60).world(streams.of("world"))
    assert wide.std().item() == pytest.approx(60**-0.5, rel=0.05)


@pytest.mark.parametrize("kind", [TwoGaussianViews, MixedGaussianViews])
def test_alone_as_in_company_and_block_as_steps(kind):
    apart = [kind(signal=0.0, augmentation=0.1), kind(signal=1.0), kind(augmentation=3.0)]
    streams, task = Streams((3, 4, 3)), stack(apart)
    world = task.world(streams.of("world"))
    together = task.sample(world, streams.at(5, 6), 64)
    for i in range(3):
        one = streams.take([i])
        alone = apart[i].sample(apart[i].world(one.of("world")), one.at(5, 6), 64)
        assert torch.equal(alone.inputs[0], together.inputs[i])
    steps = [task.sample(world, streams.at(step), 32).inputs for step in (5, 6)]
    assert torch.equal(torch.cat(steps, 1), together.inputs)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (dict(dimensions=1), "2 dimensions or more"),
        (dict(augmentation=-1.0), "0 or more, got -1"),
        (dict(direction="of"), "got 'of'"),
    ],
)
def test_what_cannot_be_is_refused(wrong, says):
    with pytest.raises(UserError, match=says):
        TwoGaussianViews(**wrong)
