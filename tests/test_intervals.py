"""Oracles: Student's formula with t from a printed table, Clopper and Pearson's closed forms, SciPy, and edge cases."""

import numpy as np
import pytest
import scipy.stats

from ontogeny.intervals import binomial_interval, mean_of, t_interval


def test_t_interval_by_hand():
    # 1, 2, 3, 6: mean 3, squared deviations 4 + 1 + 0 + 9 = 14, s^2 = 14 / 3; the table's t(0.975, 3) is 3.18245
    half = 3.18245 * np.sqrt(14 / 3) / 2
    assert t_interval(np.array([1.0, 2.0, 3.0, 6.0])) == pytest.approx((3 - half, 3 + half), rel=1e-4)


def test_t_interval_is_scipys_row_by_row(seed):
    x = np.random.default_rng(seed).lognormal(size=(3, 2, 7))
    low, high = t_interval(x)
    expected = scipy.stats.ttest_1samp(x, 0.0, axis=-1).confidence_interval(0.95)
    np.testing.assert_allclose(low, expected.low, rtol=1e-12)
    np.testing.assert_allclose(high, expected.high, rtol=1e-12)


def test_equal_replicates_have_no_width_and_no_rounding():
    x = np.array([0.1, 0.1, 0.1])
    assert x.mean() != 0.1  # the reason for a mean of our own
    assert mean_of(x) == 0.1
    assert t_interval(x) == (0.1, 0.1)


def test_a_row_without_a_finite_value_leaves_the_others_alone():
    x = np.array([[1.0, 2.0, 4.0], [1.0, np.nan, 4.0], [np.inf, np.inf, np.inf], [5.0, 5.0, 5.0]])
    low, high = t_interval(x)
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [False, True, True, False]
    assert (low[0], high[0]) == t_interval(x[0])
    assert low[3] == high[3] == 5


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_for_an_interval(n):
    assert np.isnan(t_interval(np.ones(n))).all()
    assert np.isnan(mean_of(np.ones(0)))


@pytest.mark.parametrize("n", [1, 4, 8, 16])
def test_all_or_none_in_closed_form(n):
    # With n of n, P(n hits | p) = p^n = 0.025 at the lower end.
    assert binomial_interval(n, n) == pytest.approx((0.025 ** (1 / n), 1.0))
    assert binomial_interval(0, n) == pytest.approx((0.0, 1 - 0.025 ** (1 / n)))


def test_ends_leave_exactly_two_and_a_half_percent():
    low, high = binomial_interval(7, 8)
    # By the definition: P(7 or 8 of 8 | low) = 8 low^7 (1 - low) + low^8 and P(at most 7 | high) = 1 - high^8.
    assert 8 * low**7 * (1 - low) + low**8 == pytest.approx(0.025)
    assert 1 - high**8 == pytest.approx(0.025)
    # As printed in tables of exact limits for 7 of 8.
    assert (low, high) == pytest.approx((0.4735, 0.9968), abs=1e-4)


def test_no_trials():
    assert np.isnan(binomial_interval(0, 0)).all()
