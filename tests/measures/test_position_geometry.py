"""Oracles: circles, spectra chosen by hand, SciPy's cosine transform, dense operator norms, and random directions."""

import math

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from ontogeny.errors import UserError
from ontogeny.measures.context_decomposition import decompose
from ontogeny.measures.position_geometry import (
    dct,
    incoherence,
    low_frequency_share,
    optimal_rank,
    relative_norm,
    stable_rank,
)


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def circle(times, frequency=1.0, width=16):
    angle = 2 * math.pi * frequency * torch.arange(times, dtype=torch.float64) / times
    return torch.nn.functional.pad(torch.stack([angle.cos(), angle.sin()], -1), (0, width - 2))


def test_stable_ranks():
    assert stable_rank(circle(63)).item() == pytest.approx(2.0)
    assert stable_rank(torch.diag(torch.tensor([3.0, 1.0, 1.0]))).item() == pytest.approx(11 / 9)
    assert stable_rank(torch.zeros(2, 4, 3)).tolist() == [0, 0]


def test_signal_stands_out_of_noise_and_noise_does_not(seed):
    noise = 0.01 * normal(5, 63, 64, seed=seed)
    assert optimal_rank(noise).tolist() == [0] * 5
    signal = torch.linalg.qr(normal(5, 63, 7, seed=seed + 1)).Q @ torch.linalg.qr(normal(5, 64, 7, seed=seed + 2)).Q.mT
    assert optimal_rank(noise + signal).tolist() == [7] * 5


def test_the_spectrum_is_that_of_scipy(seed):
    x = normal(20, 6, seed=seed)
    unit = torch.nn.functional.normalize(x, dim=-1)
    spectrum = dctn((unit @ unit.mT).numpy(), norm="ortho") ** 2
    assert low_frequency_share(x, 4).item() == pytest.approx(spectrum[:4, :4].sum() / spectrum.sum())
    np.testing.assert_allclose(dct(9) @ dct(9).T, np.eye(9), atol=1e-12)


def test_low_frequencies_of_slow_fast_and_unrelated_positions():
    assert low_frequency_share(circle(63)) > 0.99
    assert low_frequency_share(circle(63, 25.0)) < 0.05
    # At right angles G = 1, and F = D D^T = 1: ten of 63.
    assert low_frequency_share(torch.eye(63)).item() == pytest.approx(10 / 63)
    order = torch.randperm(63, generator=torch.Generator().manual_seed(0))
    assert low_frequency_share(circle(63)[order]) < 0.25
    assert low_frequency_share(torch.zeros(63, 4)).isnan()
    with pytest.raises(UserError, match="10 positions"):
        low_frequency_share(torch.eye(10))


def test_relative_norm_is_that_of_the_stacked_matrices(seed):
    h = normal(2, 6, 5, 4, seed=seed) + normal(4, seed=seed + 1)
    parts = decompose([h])
    for m in range(2):
        own = parts.positions[m].expand(6, -1, -1).reshape(-1, 4)
        every = (parts.mean[m] + parts.positions[m] + parts.contexts[m][:, None]).reshape(-1, 4)
        expected = torch.linalg.matrix_norm(own, 2) / torch.linalg.matrix_norm(every, 2)
        assert relative_norm(parts)[m].item() == pytest.approx(expected.item())


def test_incoherence(seed):
    one, other = normal(40, 64, seed=seed), normal(500, 64, seed=seed + 50)
    assert incoherence(one, other).item() == pytest.approx(math.sqrt(2 / (math.pi * 64)), rel=0.05)
    axes = torch.eye(3, dtype=torch.float64)
    tilted = torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)  # the row of zeros is left out
    assert incoherence(axes, tilted).item() == pytest.approx(2 / 3 / math.sqrt(2))
    assert incoherence(axes, 0 * tilted).isnan()
