"""Oracles: SciPy, closed forms and the numbers of the two pure modes."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from ontogeny.measures.answer_entropy import cross_entropy, entropy, excess, mode_entropy


def distributions(seed, *shape):
    return torch.log_softmax(torch.from_numpy(3 * np.random.default_rng(seed).normal(size=shape)), -1)


def test_agree_with_scipy(seed):
    log_p, log_q = distributions(seed, 2, 5, 7), distributions(seed + 100, 2, 5, 7)
    p, q = log_p.exp().numpy(), log_q.exp().numpy()
    np.testing.assert_allclose(entropy(log_p), scipy.stats.entropy(p, axis=-1), rtol=1e-10)
    np.testing.assert_allclose(excess(log_p.exp(), log_q), scipy.stats.entropy(p, q, axis=-1), rtol=1e-10)
    np.testing.assert_allclose(
        cross_entropy(log_p.exp(), log_q), scipy.stats.entropy(p, q, axis=-1) + scipy.stats.entropy(p, axis=-1)
    )


def test_edges():
    sure = torch.tensor([0.0, -torch.inf, -torch.inf])
    assert entropy(sure) == 0
    assert entropy(torch.full((4,), -math.log(4))).item() == pytest.approx(math.log(4))
    assert excess(sure.exp(), sure) == 0
    assert excess(torch.full((3,), 1 / 3), sure) == torch.inf
    assert excess(torch.full((3,), torch.nan), sure).isnan()
    # KL is not symmetric: from [1, 0, 0] to thirds it is ln 3, the other way round infinite.
    assert excess(sure.exp(), torch.full((3,), -math.log(3))).item() == pytest.approx(math.log(3))


def test_entropy_of_the_pure_modes():
    # Following E2 and knowing only eps2: .555 nats at .1, 1.30 at .3; skipping at eps1 = .01: .079 (p = 11).
    assert mode_entropy(0.1, 11) == pytest.approx(0.555, abs=5e-4)
    assert mode_entropy(0.3, 11) == pytest.approx(1.302, abs=5e-4)
    assert mode_entropy(0.01, 11) == pytest.approx(0.079, abs=5e-4)
    assert mode_entropy(0.0, 11) == 0
    shares = [0.7] + [0.03] * 10
    assert mode_entropy(0.3, 11) == pytest.approx(scipy.stats.entropy(shares))
