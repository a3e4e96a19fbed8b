"""Oracles: geometry by hand, optimality conditions, Cover's theorem, and the exact chance in one dimension."""

import math

import pytest
import torch
from scipy.optimize import linprog, nnls
from scipy.stats import norm

from ontogeny.errors import UserError
from ontogeny.measures.perceptron_theory import separable_chance
from ontogeny.training.feasible_program import farthest_along


def points(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_by_hand():
    # x <= 2 and y <= 3 (as -x >= -2, -y >= -3 with a margin of -1): farthest along (1, 1) is the corner.
    z = torch.tensor([[-0.5, 0.0], [0.0, -1 / 3]])
    found = farthest_along(z, -1.0, torch.tensor([1.0, 1.0]))
    assert found.tolist() == pytest.approx([2.0, 3.0])
    assert farthest_along(z, -1.0, torch.tensor([-1.0, 1.0])) is None  # no constraint to the left
    assert farthest_along(z, 0.0, torch.tensor([1.0, 1.0])).tolist() == pytest.approx([0.0, 0.0])
    assert farthest_along(z, 0.0, torch.tensor([-1.0, -1.0])) is None


def test_the_solution_is_a_vertex_without_a_duality_gap(seed):
    d, z, v = 8, points(60, 8, seed), points(1, 8, seed + 50)[0]
    theta = farthest_along(z, -1.0, v)
    slack = z @ theta + 1.0
    assert slack.min() > -1e-9
    active = slack < 1e-7
    assert int(active.sum()) == d
    # v is minus a non-negative combination of the active constraints, so that no step along them gains.
    weights, rest = nnls(-z[active].T.numpy(), v.numpy())
    assert rest < 1e-8
    assert float(weights.sum()) == pytest.approx(float(v @ theta))  # the dual value: sum of weights times 1


def test_copies_change_nothing_and_the_margin_scales(seed):
    z, v = points(60, 8, seed), points(1, 8, seed + 50)[0]
    theta = farthest_along(z, -1.0, v)
    torch.testing.assert_close(farthest_along(torch.cat([z, z[:20]]), -1.0, v), theta)
    torch.testing.assert_close(farthest_along(z, -2.5, v), 2.5 * theta)


def test_without_margin_it_succeeds_as_often_as_cover_says():
    n, d, draws = 9, 5, 200
    hits = sum(farthest_along(z[:n], 0.0, z[n]) is None for z in (points(n + 1, d, s) for s in range(draws)))
    # Unbounded when the points and v lie in one half-space: n + 1 points.
    p = separable_chance(n + 1, d)
    assert abs(hits / draws - p) < 3.5 * math.sqrt(p * (1 - p) / draws)
    one = points(n + 1, d, 0)
    feasible = linprog([0.0] * d, A_ub=-one.numpy(), b_ub=[-1.0] * (n + 1), bounds=(None, None)).status == 0
    assert feasible == (farthest_along(one[:n], 0.0, one[n]) is None)


def test_in_one_dimension_the_chance_is_exact():
    """theta = 1 works with chance q^n, q = Phi(-kappa); the program is pointed one way only, half of the union."""
    n, kappa, draws = 4, -0.5, 500
    z = points(draws, n, 1)
    q = norm.cdf(-kappa)
    hits = 0
    for row in z:
        theta = farthest_along(row[:, None], kappa, torch.ones(1, dtype=torch.float64))
        hits += theta is None or float(theta.abs()) >= 1
    assert abs(hits / draws - q**n) < 3.5 * math.sqrt(q**n * (1 - q**n) / draws)


def test_a_positive_margin_is_refused():
    with pytest.raises(UserError, match="needs a margin of 0 or less, so that 0 is feasible, got 0.5"):
        farthest_along(points(3, 2, 0), 0.5, torch.ones(2))
