"""Oracles: quadrature, Cover's count by brute force, and the values of a table."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from ontogeny.measures.perceptron_theory import (
    existence_bound,
    farthest_norm,
    program_norm,
    program_threshold,
    separable_chance,
    squared_shortfall,
)


@pytest.mark.parametrize("kappa", [-2.0, -0.5, 0.0, 0.5, 1.5])
def test_shortfall_is_its_integral(kappa):
    expected = quad(lambda g: max(kappa + g, 0.0) ** 2 * norm.pdf(g), -kappa, 12)[0]
    assert squared_shortfall(kappa) == pytest.approx(expected, rel=1e-9)


def test_thresholds_by_hand():
    assert existence_bound(0.0) == pytest.approx(2.0)  # E[G_+^2] = 1/2: Cover
    assert program_threshold(0.0) == pytest.approx(2.0)
    assert [round(existence_bound(k), 1) for k in (-0.5, -1.0, -1.5)] == [4.8, 13.3, 43.8]
    assert existence_bound(0.5) == pytest.approx(0.961, abs=5e-4)
    assert [round(program_threshold(k), 2) for k in (-0.5, -1.0, -1.5)] == [3.24, 6.3, 14.97]


@pytest.mark.parametrize("kappa", [-0.5, -1.0, -1.5, -2.5])
def test_lengths_reach_one_at_their_thresholds(kappa):
    assert program_norm(kappa, program_threshold(kappa)) == pytest.approx(1.0)
    assert farthest_norm(kappa, existence_bound(kappa)) == pytest.approx(1.0)
    for ratio in (2.5, 4.0, 20.0):
        assert farthest_norm(kappa, ratio) > program_norm(kappa, ratio)
    assert program_norm(kappa, 2.0) == farthest_norm(kappa, 1.9) == math.inf


def test_lengths_are_the_top_and_the_root_of_gordons_function():
    """F(r) = r^2 - delta E[(kappa + r G)_+^2], by quadrature over G."""
    kappa, ratio = -1.5, 15.0

    def f(r):
        return r**2 - ratio * quad(lambda g: max(kappa + r * g, 0.0) ** 2 * norm.pdf(g), -kappa / r, 12)[0]

    top, root = program_norm(kappa, ratio), farthest_norm(kappa, ratio)
    assert f(top) > max(f(top * 0.98), f(top * 1.02)) > 0
    assert f(root) == pytest.approx(0.0, abs=1e-8)
    assert root == pytest.approx(1.42, abs=5e-3)


def test_cover_counts_the_signs_that_a_line_through_zero_can_give():
    # Four points in general position in the plane: 8 of 16 labellings are cut out by a line through 0.
    points = np.array([[1.0, 0.2], [0.3, 1.0], [-1.0, 0.7], [-0.4, -1.1]])
    angles = np.linspace(0, 2 * np.pi, 10_001)
    seen = {tuple(row) for row in np.sign(np.stack([np.cos(angles), np.sin(angles)], 1) @ points.T)}
    seen = {s for s in seen if 0 not in s}
    assert separable_chance(4, 2) == pytest.approx(len(seen) / len(list(itertools.product((0, 1), repeat=4)))) == 0.5
    assert separable_chance(5, 8) == 1.0
    assert separable_chance(3, 1) == pytest.approx(2 / 8)
    assert all(separable_chance(2 * d, d) == pytest.approx(0.5) for d in (1, 7, 40))
