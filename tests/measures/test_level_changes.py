"""Oracles: four points by hand, every set of places by least squares, scikit-learn's stump, and invariances."""

import math
from itertools import combinations

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from ontogeny.errors import UserError
from ontogeny.measures.level_changes import level_changes


def noisy(seed, levels, sigma=0.1, each=5):
    rng = np.random.default_rng(seed)
    return np.repeat(levels, each) + sigma * rng.normal(size=each * len(levels))


def test_four_points_by_hand():
    # n = 4. None: RSS 1, variance 1/4: 2 ln 4 - ln 4 = 1.3863. One change in the middle leaves nothing: variance
    # 1e-6: 27.6310 - 1.5 ln 4 = 25.5516; at either end RSS 2/3, variance 1/6: 3.5835 - 2.0794 = 1.5041.
    found = level_changes(np.array([0.0, 0.0, 1.0, 1.0]), most=1)
    none, middle, end = math.exp(1.3863), math.exp(25.5516) / 3, math.exp(1.5041) / 3
    total = none + middle + 2 * end
    assert found.single == 1
    assert found.number == pytest.approx([none / total, 1 - none / total], rel=1e-3)
    assert found.place == pytest.approx([end / total, middle / total, end / total], rel=1e-3)
    assert found.evidence == pytest.approx(25.5516 - math.log(3) - 1.3863, abs=1e-3)


def test_every_set_of_places_by_least_squares(seed):
    y = noisy(seed, [0.0, 0.3, 0.1], each=3)
    n, logs = len(y), {}
    for k in range(3):
        for places in combinations(range(n - 1), k):
            columns = np.stack([np.arange(n) > c for c in places] + [np.ones(n)], -1).astype(float)
            left = y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
            log = -n / 2 * math.log(max((left @ left) / n, 1e-6)) - (k + 2) / 2 * math.log(n)
            logs[places] = math.exp(log) / math.comb(n - 1, k)
    total = sum(logs.values())
    found = level_changes(y, most=2)
    by_number = [sum(v for c, v in logs.items() if len(c) == k) for k in range(3)]
    assert found.number == pytest.approx([v / total for v in by_number])
    assert found.place == pytest.approx([sum(v for c, v in logs.items() if i in c) / total for i in range(n - 1)])
    assert found.evidence == pytest.approx(math.log(sum(by_number[1:]) / 2 / by_number[0]))


def test_the_best_single_place_is_that_of_a_stump(seed):
    y = np.stack([noisy(seed + i, [0.0, 0.2], sigma=0.2, each=7) for i in range(20)])
    stumps = [DecisionTreeRegressor(max_depth=1).fit(np.arange(14.0)[:, None], row).tree_.threshold[0] for row in y]
    assert level_changes(y).single.tolist() == [math.floor(at) for at in stumps]


def test_clear_steps_are_found_and_scale_does_not_matter(seed):
    y = noisy(seed, [0.0, 1.0, 0.2], sigma=0.02, each=6)
    found = level_changes(y)
    assert found.number[:2].sum() < 1e-9  # a third change costs little: one outlier is enough for it
    assert found.place[[5, 11]].min() > 0.9
    assert found.number.sum() == pytest.approx(1.0)
    assert found.place.sum() == pytest.approx(found.number @ np.arange(4))  # expected number of changes
    moved = level_changes(3.0 * y + 7.0)
    assert moved.place == pytest.approx(found.place, rel=1e-6)
    assert moved.evidence == pytest.approx(found.evidence, rel=1e-6)
    assert level_changes(y[::-1].copy()).place == pytest.approx(found.place[::-1])


def test_constant_series_and_noise():
    flat = level_changes(np.zeros((2, 3, 17)))
    # All sets fit equally well: each change costs half of ln 17, so that none is best by 4, 17, 70 to 1.
    assert flat.number[0, 0, 0] / flat.number[0, 0, 1] == pytest.approx(17**0.5)
    assert flat.place.shape == (2, 3, 16)
    noise = level_changes(np.random.default_rng(1).normal(size=(200, 17)))
    assert (noise.evidence < 3.0).mean() > 0.9


def test_a_series_with_nan_says_nothing():
    y = np.zeros((2, 8))
    y[1, 3] = np.nan
    found = level_changes(y)
    assert all(np.isnan(part[1]).all() and not np.isnan(part[0]).any() for part in found)
    with pytest.raises(UserError, match="5 points or more, got 4"):
        level_changes(np.zeros(4))
