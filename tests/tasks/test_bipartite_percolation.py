"""Oracles: SciPy's components on the same graphs, a graph by hand, and the limit in closed form."""

import math

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.bipartite_percolation import expected_half_point, half_point, largest_share, percolate


def by_scipy(left, right, entities, values):
    n = entities + values
    graph = coo_array((np.ones(len(left)), (left, right + entities)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    return np.bincount(label[:entities]).max() / entities


def test_components_are_those_of_scipy(seed):
    random = np.random.default_rng(seed)
    for entities, values, count in ((7, 3, 12), (10, 40, 60), (16, 16, 40)):
        left, right = random.integers(entities, size=count), random.integers(values, size=count)
        shares = largest_share(left, right, entities, values)
        expected = [by_scipy(left[: i + 1], right[: i + 1], entities, values) for i in range(count)]
        np.testing.assert_allclose(shares, expected)


def test_by_hand():
    # 0-a, 1-b, 0-b joins 0 and 1; the same again changes nothing; 2-c stands alone until 2-a.
    shares = largest_share(np.array([0, 1, 0, 0, 2, 2]), np.array([0, 1, 1, 1, 2, 0]), 4, 3)
    np.testing.assert_allclose(shares, [0.25, 0.25, 0.5, 0.5, 0.5, 0.75])
    # Mean of the two .25, .5 at the first pair and .5, .75 at the second: .375, then .625: half way between them.
    assert half_point(np.array([[0.25, 0.5], [0.5, 0.75]])) == pytest.approx(1.5)
    assert half_point(np.array([[0.5, 0.75]])) == 1.0
    assert math.isnan(half_point(np.array([[0.1, 0.2]])))


def test_the_limit_of_many_values():
    for entities in (32, 1_000):
        found = expected_half_point(entities, 10_000_000) / math.sqrt(2 * math.log(2) * entities * 10_000_000)
        assert found == pytest.approx(1, abs=0.01)
    # Exponents of the half point in K, as worked out for these equations: 0.448 between K = 32 and 256 at E = 32.
    points = np.log([expected_half_point(32, k) for k in (32, 96, 256)])
    assert np.polyfit(np.log([32, 96, 256]), points, 1)[0] == pytest.approx(0.448, abs=0.002)


def test_expected_half_point_solves_both_equations():
    entities, values = 32, 96
    p = expected_half_point(entities, values) / (entities * values)
    share_of_values = 1 - math.exp(-p * entities * 0.5)
    assert 1 - math.exp(-p * values * share_of_values) == pytest.approx(0.5)


def test_simulated_half_points_are_near_the_expected_ones(seed):
    for values in (32, 256):
        shares = percolate(Streams((seed,)), 32, values, 40)
        assert shares.shape == (40, math.ceil(4 * math.sqrt(32 * values)))
        assert (np.diff(shares, axis=1) >= 0).all()
        assert half_point(shares) == pytest.approx(expected_half_point(32, values), rel=0.12)


def test_one_member_at_a_time():
    with pytest.raises(UserError, match="got 2"):
        percolate(Streams((1, 2)), 4, 4, 1)
