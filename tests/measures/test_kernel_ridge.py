"""Oracles: scikit-learn's KernelRidge and Ridge, NumPy's pseudo-inverse, and a penalty that is known."""

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

from ontogeny.measures.kernel_ridge import closest_penalty, excess_error, kernel_ridge, linear_kernel


def random(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("n", [6, 20])
def test_equals_scikit_learn(n, seed):
    x, y, test = random(n, 8, seed=seed), random(n, seed=seed + 1), random(5, 8, seed=seed + 2)
    kernel = linear_kernel(x, x)
    theirs = KernelRidge(alpha=0.3, kernel="precomputed").fit(kernel.numpy(), y.numpy()).dual_coef_
    ours = kernel_ridge(kernel, y, 0.3)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-10)
    ridge = Ridge(alpha=0.3 * 8, fit_intercept=False).fit(x.numpy(), y.numpy())
    np.testing.assert_allclose((linear_kernel(test, x) @ ours).numpy(), ridge.predict(test.numpy()), atol=1e-9)


def test_without_penalty_it_is_the_pseudo_inverse():
    x, y = random(12, 5, seed=1), random(12, seed=2)  # a kernel of rank 5
    kernel = linear_kernel(x, x)
    np.testing.assert_allclose(
        kernel_ridge(kernel, y).numpy(), np.linalg.pinv(kernel.numpy(), rcond=1e-12, hermitian=True) @ y.numpy()
    )
    both = kernel_ridge(torch.stack([kernel, 2 * kernel]), torch.stack([y, y]))
    torch.testing.assert_close(both[1], kernel_ridge(kernel, y) / 2)


def test_excess_error_by_hand():
    # One point x = 1, y = 2, K = 1, penalty 1: f(x) = x. At x = 3 with a clean target of 5 the error is (3 - 5)^2.
    one = torch.ones(1, 1, dtype=torch.float64)
    error = excess_error(one, 3 * one, 2 * one[0], 5 * one[0], 1.0)
    assert error.item() == pytest.approx(4.0)


@pytest.mark.parametrize("penalty", [0.02, 1.0, 30.0])
def test_the_closest_penalty_is_found(penalty):
    x, y, test = random(30, 20, seed=3), random(30, seed=4), random(50, 20, seed=5)
    predictions = linear_kernel(test, x) @ kernel_ridge(linear_kernel(x, x), y, penalty)
    assert closest_penalty(x, y, test, predictions) == pytest.approx(penalty, rel=1e-5)


def test_a_penalty_beyond_the_range_is_its_end():
    x, y, test = random(30, 20, seed=3), random(30, seed=4), random(50, 20, seed=5)
    assert closest_penalty(x, y, test, torch.zeros(50, dtype=torch.float64)) == pytest.approx(np.exp(14))
