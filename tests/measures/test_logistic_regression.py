"""Oracles: scikit-learn at a tight tolerance, a case by hand, and members that are separable or not finite."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ontogeny.measures.logistic_regression import fit_logistic, logit, standardise


def draw(seed, members=3, samples=200, features=5):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=(members, samples, features)))
    noise = torch.from_numpy(rng.normal(size=(members, samples)))
    return x, x[..., 0] - 0.5 * x[..., 1] + 0.3 + noise > 0


@pytest.mark.parametrize("ridge", [0.1, 1.0, 30.0])
def test_agrees_with_scikit_learn(ridge, seed):
    x, y = draw(seed)
    among = torch.arange(200) % 4 != seed
    found = fit_logistic(x, y, among.expand(3, -1), ridge=ridge)
    for i in range(3):
        reference = LogisticRegression(C=1 / ridge, tol=1e-10, max_iter=10_000).fit(x[i][among], y[i][among])
        np.testing.assert_allclose(found[i, :-1], reference.coef_[0], atol=1e-5)
        np.testing.assert_allclose(found[i, -1], reference.intercept_[0], atol=1e-5)
        np.testing.assert_allclose(logit(x, found)[i], reference.decision_function(x[i]), atol=1e-4)


def test_classes_that_a_plane_separates(seed):
    x, _ = draw(seed)
    y = x[..., 0] > 0
    found = fit_logistic(x, y, ridge=1e-3)
    assert ((logit(x, found) > 0) == y).all()
    for i in range(3):
        reference = LogisticRegression(C=1e3, tol=1e-10, max_iter=100_000).fit(x[i], y[i])
        np.testing.assert_allclose(found[i, :-1], reference.coef_[0], rtol=1e-3, atol=1e-3)


def test_balanced_constant_by_hand():
    # No feature says anything: w = 0, and the intercept is the log-odds of 3 : 1.
    found = fit_logistic(torch.zeros(1, 4, 2), torch.tensor([[True, True, True, False]]))
    np.testing.assert_allclose(found[0], [0, 0, np.log(3)], atol=1e-6)


def test_a_neighbour_that_is_not_finite_changes_nothing(seed):
    x, y = draw(seed)
    alone = fit_logistic(x[1:], y[1:])
    x[0, 3, 1] = torch.inf
    together = fit_logistic(x, y)
    assert together[0].isnan().all()
    assert torch.equal(together[1:], alone)


def test_standardise_by_hand():
    x = torch.tensor([[[1.0, 5.0], [3.0, 5.0], [9.0, 5.0]]])
    found = standardise(x, torch.tensor([[True, True, False]]))
    assert found[0, :, 0].tolist() == [-1, 1, 7]  # mean 2, deviation 1
    assert found[0, :, 1].tolist() == [0, 0, 0]
