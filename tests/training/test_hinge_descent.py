"""Oracles: the exact chance in one dimension, separable points with a known margin, and margins recomputed."""

import math

import pytest
import torch
from scipy.stats import norm

from ontogeny.measures.margin import largest_margin, margin
from ontogeny.training.hinge_descent import hinge_descent


def points(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_what_it_calls_solved_is_solved(seed):
    z, start = points(16, 80, 20, seed=seed), points(16, 20, seed=seed + 50)
    theta, solved = hinge_descent(z, -0.5, start, 300)
    torch.testing.assert_close(theta.norm(dim=-1), torch.ones(16))
    assert ((margin(z, theta) >= -0.5 - 1e-6) == solved).all()
    assert solved.any()
    assert not solved.all()
    assert not ((margin(z, start) >= -0.5) & solved).all()  # the start would not have done


def test_a_start_that_is_a_solution_stays(seed):
    z = points(1, 5, 10, seed=seed)
    theta = z.mean(1)
    kappa = float(margin(z, theta)) - 0.1
    found, solved = hinge_descent(z, kappa, 7 * theta, 100)
    assert solved.all()
    torch.testing.assert_close(found, theta / theta.norm())


def test_where_the_problem_is_convex_it_comes_near_the_largest_margin(seed):
    z = points(1, 20, 20, seed=seed)
    best = largest_margin(z[0])
    assert best > 0.1
    assert hinge_descent(z, best - 0.06, points(1, 20, seed=seed + 9), 2_000)[1].all()
    assert not hinge_descent(z, best + 1e-3, points(1, 20, seed=seed + 9), 2_000)[1].any()


def test_in_one_dimension_nothing_can_move():
    """theta is 1 or -1 and stays: solved with chance Phi(-kappa)^n."""
    n, kappa, draws = 4, -0.5, 2_000
    solved = hinge_descent(points(draws, n, 1, seed=3), kappa, points(draws, 1, seed=4), 40)[1]
    p = norm.cdf(-kappa) ** n
    assert abs(solved.double().mean().item() - p) < 3.5 * math.sqrt(p * (1 - p) / draws)


def test_problems_do_not_disturb_each_other(seed):
    z, start = points(6, 90, 20, seed=seed), points(6, 20, seed=seed + 50)
    theta, solved = hinge_descent(z.double(), -0.5, start.double(), 200)
    for i in (0, 3):
        alone, done = hinge_descent(z[i : i + 1].double(), -0.5, start[i : i + 1].double(), 200)
        assert done.item() == solved[i].item()
        torch.testing.assert_close(alone[0], theta[i], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("iterations", [0, 1])
def test_short_runs(iterations, seed):
    z, start = points(2, 30, 5, seed=seed), points(2, 5, seed=seed + 50)
    theta, solved = hinge_descent(z, -0.5, start, iterations)
    assert ((margin(z, theta) >= -0.5 - 1e-6) == solved).all()
    if not iterations:
        torch.testing.assert_close(theta, start / start.norm(dim=-1, keepdim=True))
