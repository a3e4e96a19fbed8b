"""Oracles: values at gamma = 1 derived by hand, least squares at a small penalty, and a Monte Carlo mean."""

import numpy as np
import pytest

from ontogeny.errors import UserError
from ontogeny.measures.ridge_theory import ridge_bias, ridge_risk, ridge_variance


def test_by_hand():
    # delta = 1, gamma = 1: b = 1, m = (sqrt(5) - 1) / 2, m' = (m^2 + m) / (2 m + 1) = 1 / sqrt(5), for m^2 + m = 1.
    assert ridge_bias(1.0, 1.0) == pytest.approx(5**-0.5)
    assert ridge_variance(1.0, 1.0) == pytest.approx((5**0.5 - 1) / 2 - 5**-0.5)
    # delta = 2: b = 2, m = sqrt(2) - 1, m^2 = 3 - 2 sqrt(2): bias (2 - sqrt(2)) / (2 sqrt(2)) = (sqrt(2) - 1) / 2.
    assert ridge_bias(1.0, 2.0) == pytest.approx((2**0.5 - 1) / 2)
    risks = [ridge_risk(1.0, delta, 0.5) for delta in (0.5, 1.0, 2.0, 4.0)]
    assert risks == pytest.approx([0.7010, 0.4899, 0.2589, 0.1080], abs=5e-5)


def test_limits():
    # Nearly no penalty: least squares with n = 2 d costs noise / (delta - 1); a huge one predicts 0.
    assert ridge_risk(1e-8, 2.0, 0.5) == pytest.approx(0.25, rel=1e-6)
    assert ridge_risk(1e8, 2.0, 0.5, norm=2.0) == pytest.approx(4.0, rel=1e-6)
    assert ridge_bias(1e-8, 0.5) == pytest.approx(0.5, rel=1e-6)  # half of the directions are never seen


def test_monte_carlo():
    # Averaged over beta and noise in closed form, for one random draw scatters: A = X^T X / d.
    rng = np.random.default_rng(0)
    d, n, gamma = 300, 450, 0.7
    eigenvalues = np.linalg.eigvalsh((x := rng.normal(size=(n, d))).T @ x / d)
    bias = np.mean(gamma**2 / (eigenvalues + gamma) ** 2)
    variance = np.mean(eigenvalues / (eigenvalues + gamma) ** 2)
    assert ridge_bias(gamma, n / d) == pytest.approx(bias, rel=0.02)
    assert ridge_variance(gamma, n / d) == pytest.approx(variance, rel=0.02)


def test_refuses_no_penalty():
    with pytest.raises(UserError, match="above 0"):
        ridge_risk(0.0, 1.0, 0.5)
