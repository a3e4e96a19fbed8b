"""Oracles: SciPy's polynomials, moments and best linear fits in closed form, and the layout read back."""

import math

import numpy as np
import pytest
import scipy.special
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.in_context_hermite import InContextHermite, hermite

MANY = 400_000


def gaussian(seed, n=MANY):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_polynomials_by_hand():
    # t = 2: He_1..He_4 = 2, 3, 2, -5, over the roots of 1, 2, 6, 24.
    t = torch.tensor([2.0], dtype=torch.float64)
    terms = [2.0, 3 / math.sqrt(2), 2 / math.sqrt(6), -5 / math.sqrt(24)]
    for degree in (1, 2, 3, 4):
        assert hermite(t, degree).item() == pytest.approx(sum(terms[:degree]) / math.sqrt(degree))


def test_polynomials_are_scipys(seed):
    t = gaussian(seed, 50)
    for degree in range(1, 7):
        ours = [scipy.special.eval_hermitenorm(j, t.numpy()) / math.sqrt(math.factorial(j)) for j in range(1, 7)]
        np.testing.assert_allclose(hermite(t, degree), sum(ours[:degree]) / math.sqrt(degree), rtol=1e-12)


@pytest.mark.parametrize(("degree", "deviation"), [(1, 2**0.5), (2, 3.32), (3, 8.06)])
def test_moments_and_the_shortcut(degree, deviation):
    """Mean 0, variance 1, covariance with t of k^-1/2, and so 1 - 1/k left by a regression on t.

    E y^4 - 1 is 2 for k = 1. For k = 2, y = (t + (t^2 - 1) / sqrt 2) / sqrt 2: E y^4 = (3 + 6 * 5 + 15) / 4 = 12.
    """
    t = gaussian(degree)
    y = hermite(t, degree)
    noise = 5 * deviation / math.sqrt(MANY)
    assert y.mean().item() == pytest.approx(0, abs=5 / math.sqrt(MANY))
    assert y.square().mean().item() == pytest.approx(1, abs=noise)
    assert (t * y).mean().item() == pytest.approx(degree**-0.5, abs=noise)
    slope = (t * y).mean() / t.square().mean()
    left = (y - slope * t).square().mean().item()
    assert left == pytest.approx(InContextHermite(degree=degree).shortcut, abs=noise)
    assert y.square().std().item() == pytest.approx(deviation, rel=0.05)


def test_an_episode_reads_as_drawn(seed):
    task = InContextHermite(dimensions=3, pairs=5, degree=2)
    batch = task.sample(None, Streams((seed, 7)), 40)
    assert batch.inputs.shape == (2, 40, 10, 3)
    x, w = batch.inputs[:, :, ::2], batch.latents["w"]
    torch.testing.assert_close(w.norm(dim=-1), torch.ones(2, 40))
    y = hermite(torch.einsum("mspd,msd->msp", x, w), 2)
    torch.testing.assert_close(batch.inputs[:, :, 1::2, 0], y)
    assert (batch.inputs[:, :, 1::2, 1:] == 0).all()
    torch.testing.assert_close(batch.targets[:, :, ::2, 0], y)
    assert (batch.weights == torch.tensor([1.0, 0.0] * 5)).all()
    assert torch.equal(batch.latents["x"], x)


def test_degrees_share_their_points():
    one, three = (InContextHermite(degree=k).sample(None, Streams((3,)), 6) for k in (1, 3))
    assert torch.equal(one.latents["x"], three.latents["x"])
    assert torch.equal(one.latents["w"], three.latents["w"])


def test_shifted_points_have_the_energy_and_the_axes_they_should(seed):
    far = InContextHermite(dimensions=3, scale=1.5).sample(None, Streams((seed,)), 20_000).latents["x"]
    assert far.square().mean().item() == pytest.approx(2.25, rel=0.02)
    # One frame an episode: the eigenvalues of its covariance are 18/11, 9/11 and 6/11 (1, 1/2, 1/3 of trace 3).
    skewed = InContextHermite(dimensions=3, pairs=4_000, inputs="skewed").sample(None, Streams((seed,)), 20)
    x = skewed.latents["x"][0].double()
    spectrum = torch.linalg.eigvalsh(x.mT @ x / 4_000).flip(-1)
    expected = torch.tensor([18 / 11, 9 / 11, 6 / 11], dtype=torch.float64)
    assert (spectrum / expected - 1).abs().max() < 5 * math.sqrt(2 / 4_000)
    many = InContextHermite(dimensions=3, inputs="skewed").sample(None, Streams((seed,)), 5_000).latents["x"][0]
    overall = many.flatten(0, 1).T @ many.flatten(0, 1) / (5_000 * 8)
    torch.testing.assert_close(overall, torch.eye(3), atol=0.05, rtol=0)  # frames of all directions


def test_a_member_draws_the_same_in_company_and_step_by_step():
    task = InContextHermite(inputs="skewed", degree=3)
    together = task.sample(None, Streams((4, 5, 6)).at(7, 8), 10)
    for place, step in enumerate((7, 8)):
        alone = task.sample(None, Streams((5,)).at(step), 5)
        here = slice(5 * place, 5 * place + 5)
        assert torch.equal(alone.inputs, together.inputs[1:2, here])
        assert torch.equal(alone.targets, together.targets[1:2, here])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(degree=0), "degree is 1 or more, got 0"),
        (dict(scale=0.0), "scale is above 0, got 0.0"),
        (dict(inputs="round"), "inputs are isotropic or skewed, got 'round'"),
    ],
)
def test_what_cannot_work_is_refused(fields, message):
    with pytest.raises(UserError, match=message):
        InContextHermite(**fields)
