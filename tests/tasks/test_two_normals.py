"""Oracles: Bayes' rule with SciPy's densities, calibration, and moments."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from ontogeny.streams import Streams
from ontogeny.tasks.two_normals import TwoNormals, best_discriminator


def test_it_is_bayes_rule():
    x = torch.linspace(-4, 7, 45, dtype=torch.float64)
    p, q = norm.pdf(x.numpy(), loc=3), norm.pdf(x.numpy())
    np.testing.assert_allclose(best_discriminator(x, 3.0).numpy(), p / (p + q), atol=1e-12)
    assert torch.equal(best_discriminator(x, 0.0), torch.full_like(x, 0.5))


def test_samples():
    batch = TwoNormals(shift=torch.tensor([3.0, 0.0], dtype=torch.float64)).sample(None, Streams((1, 2)), 8_000)
    data = batch.targets[0] == 1
    assert data.double().mean().item() == pytest.approx(0.5, abs=3 * 0.5 / 8_000**0.5)
    for chosen, mean in ((data, 3.0), (~data, 0.0)):
        values = batch.inputs[0][chosen]
        assert values.mean().item() == pytest.approx(mean, abs=4 / 4_000**0.5)
        assert values.std().item() == pytest.approx(1.0, abs=0.05)
    # Calibrated: the mean of the best chance is the share of data. And no better than 1/2 where both are the same.
    assert batch.latents["best"][0].mean().item() == pytest.approx(data.double().mean().item(), abs=0.01)
    assert torch.equal(batch.latents["best"][1], torch.full((8_000, 1), 0.5))
    assert torch.equal(TwoNormals().sample(None, Streams((1,)), 8_000).inputs[0], batch.inputs[0])


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_at_the_best_discriminator_the_game_is_worth_the_jensen_shannon_divergence(shift):
    def p(x):
        return norm.pdf(x, loc=shift)

    def divergence_from_middle(density, x):
        return density(x) * np.log(2 * density(x) / (p(x) + norm.pdf(x)))

    def value(x):
        best = best_discriminator(torch.tensor(x, dtype=torch.float64), shift).item()
        return p(x) * np.log(best) + norm.pdf(x) * np.log1p(-best)

    def integral(f):
        return quad(f, -9.0, 12.0)[0]

    js = 0.5 * sum(integral(lambda x, d=d: divergence_from_middle(d, x)) for d in (p, norm.pdf))
    assert integral(value) == pytest.approx(2 * js - np.log(4.0), abs=1e-7)
    if shift == 0.0:
        assert integral(value) == pytest.approx(-1.3863, abs=1e-4)
