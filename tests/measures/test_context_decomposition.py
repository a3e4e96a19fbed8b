"""Oracles: NumPy's two-way analysis of variance, identities, planted parts with a known error, and noise."""

import numpy as np
import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.context_decomposition import decompose


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_identities_and_numpy(seed):
    h = normal(2, 7, 5, 3, seed=seed) + 4.0
    parts = decompose(h.split(3, 1))
    assert parts.positions.sum(-2).abs().max() < 1e-12
    assert parts.contexts.sum(-2).abs().max() < 1e-12
    x = h.numpy()
    mean = x.mean((1, 2))
    positions, contexts = x.mean(1) - mean[:, None], x.mean(2) - mean[:, None]
    residual = x - mean[:, None, None] - positions[:, None] - contexts[:, :, None]
    np.testing.assert_allclose(parts.mean, mean)
    np.testing.assert_allclose(parts.positions, positions)
    np.testing.assert_allclose(parts.contexts, contexts)
    squares = [7 * (positions**2).sum((1, 2)), 5 * (contexts**2).sum((1, 2)), (residual**2).sum((1, 2, 3))]
    np.testing.assert_allclose(parts.total, np.sum(squares, 0))
    np.testing.assert_allclose(parts.shares, (np.array(squares) / np.sum(squares, 0)).T)
    for one, whole in zip(parts.each(), h, strict=True):
        torch.testing.assert_close(one.positions, decompose([whole]).positions)
        torch.testing.assert_close(one.shares, decompose([whole]).shares)


def test_planted_positions_come_back_with_the_known_error(seed):
    contexts, times, width, sigma = 400, 12, 30, 0.5
    positions = normal(times, width, seed=seed)
    positions -= positions.mean(0)
    own = normal(contexts, width, seed=seed + 50)
    h = positions + (own - own.mean(0))[:, None] + 3.0 + sigma * normal(contexts, times, width, seed=seed + 99)
    error = (decompose([h]).positions - positions).square().mean()
    expected = sigma**2 / contexts * (1 - 1 / times)
    assert abs(error / expected - 1) < 4.5 * (2 / ((times - 1) * width)) ** 0.5


def test_noise_has_the_share_of_its_floor(seed):
    parts = decompose([normal(200, 50, 10, 8, seed=seed)])
    assert parts.floor == pytest.approx(9 / 499)
    share = parts.shares[:, 0]
    assert abs(share.mean() - parts.floor) < 4.5 * share.std() / 200**0.5


def test_shuffled_positions_have_the_share_of_their_expectation(seed):
    h = normal(60, 8, 4, seed=seed) + 2 * normal(60, 1, 4, seed=seed + 9) + 3 * normal(8, 4, seed=seed + 8)
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(300):
        order = torch.rand(60, 8, generator=generator).argsort(-1)
        found.append(decompose([torch.take_along_dim(h, order[..., None], 1)]).shares[0])
    found = torch.stack(found)
    assert abs(found.mean() - decompose([h]).shuffled_share) < 4.5 * found.std() / 300**0.5


def test_a_constant_has_no_shares_and_nothing_is_refused():
    assert decompose([torch.ones(3, 4, 2)]).shares.isnan().all()
    with pytest.raises(UserError, match="no contexts"):
        decompose([])
