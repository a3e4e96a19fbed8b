"""Oracles: symmetric counts by hand, scikit-learn's logistic regression, and the coverage of the intervals."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ontogeny.errors import UserError
from ontogeny.measures.threshold import Threshold, bootstrap, fit_threshold, interval
from ontogeny.streams import Streams

X = np.array([[0.6, 0.8, 1.0, 1.2, 1.4]])
TEN = np.full((1, 5), 10.0)


def test_symmetric_counts_have_their_threshold_in_the_middle():
    fit = fit_threshold(X, np.array([[10.0, 8.0, 5.0, 2.0, 0.0]]), TEN)
    assert fit.centre == pytest.approx([1.0])
    assert fit.slope < 0
    np.testing.assert_allclose(fit.chance(np.array([[1.0]])), 0.5)
    # By its definition the width is from 10 % to 90 %.
    edges = fit.chance(np.array([[1.0 - fit.width / 2, 1.0 + fit.width / 2]]))
    np.testing.assert_allclose(edges, [[0.9, 0.1]])


def test_two_places_by_hand():
    # 3.5 of 5 and 1.5 of 5 with the halves added: logits +-ln(7/3) at 0 and 1.
    fit = fit_threshold(np.array([[0.0, 1.0]]), np.array([[3.0, 1.0]]), np.full((1, 2), 4.0))
    assert fit.slope == pytest.approx(-2 * np.log(7 / 3), rel=1e-8)
    assert fit.centre == pytest.approx([0.5])


def test_equals_scikit_learn_with_a_shared_slope(seed):
    rng = np.random.default_rng(seed)
    x = np.stack([np.linspace(0.5, 1.5, 7), np.linspace(1.0, 3.0, 7), np.linspace(0.2, 2.0, 7)])
    trials = np.full(x.shape, 12.0)
    chance = 1 / (1 + np.exp(4 * (x - np.array([[1.0], [2.2], [0.9]]))))
    hits = rng.binomial(12, chance).astype(float)
    fit = fit_threshold(x, hits, trials)
    ends = np.zeros_like(x)
    ends[:, [0, -1]] = 0.5
    rows = np.concatenate([np.eye(3).repeat(7, 0), x.reshape(-1, 1)], 1)
    weights = np.concatenate([(hits + ends).ravel(), (trials - hits + ends).ravel()])
    table, labels = np.concatenate([rows, rows]), np.repeat([1, 0], 21)
    theirs = LogisticRegression(C=1e10, fit_intercept=False, tol=1e-12, max_iter=10_000).fit(table, labels, weights)
    offsets, slope = theirs.coef_[0][:3], theirs.coef_[0][3]
    assert fit.slope == pytest.approx(slope, rel=1e-4)
    np.testing.assert_allclose(fit.centre, -offsets / slope, rtol=1e-4)


def test_a_perfect_step_has_a_finite_slope():
    fit = fit_threshold(X, np.array([[10.0, 10.0, 0.0, 0.0, 0.0]]), TEN)
    assert 0.8 < fit.centre[0] < 1.0
    assert np.isfinite(fit.slope)
    assert fit.width < 0.4


def test_places_without_trials_do_not_count():
    more = np.array([[0.6, 0.8, 1.0, 1.2, 1.4, np.nan]])
    hits, trials = np.array([[10.0, 8.0, 6.0, 2.0, 0.0, np.nan]]), np.append(TEN, [[0.0]], 1)
    assert fit_threshold(more, hits, trials).centre == pytest.approx(fit_threshold(X, hits[:, :5], TEN).centre)
    with pytest.raises(UserError, match="needs two places with trials"):
        fit_threshold(X, np.zeros((1, 5)), np.array([[5.0, 0, 0, 0, 0]]))


def test_a_batch_is_its_fits_one_by_one(seed):
    hits = np.random.default_rng(seed).binomial(10, [[[0.9, 0.8, 0.5, 0.2, 0.1]]] * 6).astype(float)
    together = fit_threshold(X, hits, TEN)
    for i in range(6):
        alone = fit_threshold(X, hits[i], TEN)
        np.testing.assert_allclose(together.centre[i], alone.centre, rtol=1e-8)
        np.testing.assert_allclose(together.slope[i], alone.slope, rtol=1e-8)


def test_the_bootstrap_covers_the_truth(seed):
    """Of 100 data sets, 95 % of the intervals hold the threshold they were drawn from: 95 -+ 3 sigma of 2.2."""
    truth = Threshold(np.array([1.03]), np.array(-8.0))
    rng = np.random.default_rng(seed)
    hits = rng.binomial(20, truth.chance(X)[0], (100, 1, 5)).astype(float)
    trials, covered = np.full((1, 5), 20.0), 0
    for i, drawn in enumerate(hits):
        fit = fit_threshold(X, drawn, trials)
        low, high = interval(bootstrap(fit, X, trials, Streams((i,)), count=100).centre[:, 0])
        covered += low <= 1.03 <= high
    assert 88 <= covered <= 99


def test_resamples_are_drawn_from_the_streams():
    fit = fit_threshold(X, np.array([[10.0, 8.0, 5.0, 2.0, 0.0]]), TEN)
    one, again, other = (bootstrap(fit, X, TEN, Streams((s,)), count=50) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.centre, again.centre)
    assert not np.array_equal(one.centre, other.centre)
    assert one.centre.shape == (50, 1)
    assert one.width.shape == (50,)
