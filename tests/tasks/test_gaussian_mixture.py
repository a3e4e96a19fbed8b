"""Oracles: the posterior's closed form, rates of components, and that nothing beats the posterior."""

import numpy as np
import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.digits import digits
from ontogeny.tasks.gaussian_mixture import GaussianMixture
from ontogeny.tasks.swiss_roll import SwissRoll


def test_posterior_of_two_is_a_sigmoid(seed):
    task = GaussianMixture(means=((-1.5, 0.0), (1.5, 0.0)), scale=2.0)
    batch = task.sample(None, Streams((seed, seed + 1)), 100)
    expected = 1 / (1 + np.exp(-2 * 1.5 * batch.inputs[..., 0].double().numpy() / 2.0**2))
    np.testing.assert_allclose(batch.latents["posterior"][..., 1], expected, atol=1e-6)
    np.testing.assert_allclose(batch.latents["posterior"].sum(-1), 1, atol=1e-6)


def test_components_take_turns_or_follow_their_weights(seed):
    means = ((0.0,), (5.0,), (9.0,))
    turns = GaussianMixture(means=means).sample(None, Streams((seed,)), 7).targets
    assert turns.tolist() == [[0, 1, 2, 0, 1, 2, 0]]
    n, weights = 4_000, (0.7, 0.2, 0.1)
    drawn = GaussianMixture(means=means, weights=weights).sample(None, Streams((seed,)), n).targets[0]
    for i, w in enumerate(weights):
        assert abs((drawn == i).double().mean() - w) < 3.5 * (w * (1 - w) / n) ** 0.5


def test_the_posterior_is_calibrated(seed):
    task = GaussianMixture(means=((-1.0, 0.0), (1.0, 0.0)), weights=(0.8, 0.2))
    batch = task.sample(None, Streams((seed,)), 20_000)
    p = batch.latents["posterior"][0, :, 1]
    sure = (p > 0.4) & (p < 0.6)
    n = int(sure.sum())
    assert abs(batch.targets[0, sure].double().mean() - p[sure].mean()) < 4 * 0.5 / n**0.5


@pytest.mark.parametrize(
    "fields",
    [dict(means=((0.0,), (1.0, 2.0))), dict(means=((0.0,),), scale=0.0), dict(means=((0.0,),), weights=(1.0, 1.0))],
)
def test_what_is_no_mixture_is_refused(fields):
    with pytest.raises(UserError):
        GaussianMixture(**fields)


def test_a_swiss_roll_is_rolled_up(seed):
    batch = SwissRoll(noise=0.0).sample(None, Streams((seed,)), 500)
    x, t = batch.inputs[0], batch.targets[0, :, 0]
    np.testing.assert_allclose(x[:, :2].norm(dim=-1), t, rtol=1e-5, atol=1e-6)
    assert t.max() < 3 * torch.pi
    assert abs(t.mean() - 1.5 * torch.pi) < 4 * 3 * torch.pi / (12 * 500) ** 0.5
    assert x[:, 2].abs().max() <= 4
    with pytest.raises(UserError):
        SwissRoll(turns=0.0)


def test_digits_are_different_pictures_of_the_classes(seed):
    x, y = digits(Streams((seed, seed + 1)), 50, classes=(3, 8))
    assert x.shape == (2, 50, 64)
    assert set(y.unique().tolist()) == {3, 8}
    assert len(torch.unique(x[0], dim=0)) == 50
    assert not torch.equal(x[0], x[1])
    with pytest.raises(UserError, match="got a size of 5000"):
        digits(Streams((seed,)), 5000)
