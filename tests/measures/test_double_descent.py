"""Oracles: NumPy's least squares and scikit-learn's Ridge on the same features; a peak by hand."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from ontogeny.measures.double_descent import PENALTIES, errors_over_features, errors_over_penalties, relu_features
from ontogeny.streams import Streams


def test_features_by_hand():
    # d = 4, N = 2: relu(x W / 2) / sqrt(2).
    x, w = torch.ones(1, 4, dtype=torch.float64), torch.tensor([[1.0, -1.0]] * 4, dtype=torch.float64)
    assert relu_features(x, w)[0].tolist() == pytest.approx([2 / 2**0.5, 0.0])


@pytest.mark.parametrize("features", [5, 30])
def test_equals_numpy_and_scikit_learn(features, seed):
    rng = np.random.default_rng(seed)
    train, y = rng.normal(size=(12, features)), rng.normal(size=12)
    test, clean = rng.normal(size=(8, features)), rng.normal(size=8)
    given = [torch.tensor(part) for part in (train, y, test, clean)]
    errors = errors_over_penalties(*given, torch.tensor([0.0, 0.3], dtype=torch.float64))
    least = test @ np.linalg.lstsq(train, y, rcond=None)[0]
    ridge = Ridge(alpha=0.3, fit_intercept=False).fit(train, y).predict(test)
    assert errors.tolist() == pytest.approx([np.mean((least - clean) ** 2), np.mean((ridge - clean) ** 2)])


def test_errors_over_features_peak_where_features_are_as_many_as_points():
    found = errors_over_features(Streams((1,)), features=(60, 100, 150), draws=3)
    least, ridge = (found[name].values[0] for name in ("least_norm", "best_ridge"))
    assert least[1] > 3 * torch.maximum(least[0], least[2])
    # The best of all penalties is no worse than next to none, and the teacher's variance is about 1.
    assert (ridge <= least + 1e-9).all()
    assert (ridge < 1.5).all()
    assert found["best_ridge"].coords["features"] == (60, 100, 150)


def test_penalties():
    assert len(PENALTIES) == 32
    assert PENALTIES[[0, -1]].tolist() == pytest.approx([1e-6, 1e2])
