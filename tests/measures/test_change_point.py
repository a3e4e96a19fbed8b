"""Oracles: broken lines with and without noise, and curves that have no break."""

import numpy as np
import pytest

from ontogeny.measures.change_point import change_point

X = np.log([8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96])


def test_breaks_are_found_where_they_are(seed):
    rng = np.random.default_rng(seed)
    for place in (X[2], np.log(30), X[8]):
        y = 0.2 + 0.1 * X + 0.9 * np.maximum(X - place, 0)
        assert change_point(X, y) == pytest.approx(place, abs=0.01)
        assert change_point(X, -3 * y + 4) == pytest.approx(place, abs=0.01)  # falls as well as rises
        noisy = y + 0.002 * rng.standard_normal(len(X))
        assert change_point(X, noisy) == pytest.approx(place, abs=0.05)


def test_several_curves_at_once_and_undefined_ones():
    broken = np.maximum(X - np.log(30), 0)
    gap = broken.copy()
    gap[3] = np.nan
    zigzag = np.tile([0.0, 1.0], 6)
    found = change_point(X, np.stack([broken, 2 * X + 1, 0 * X, gap, zigzag]))
    assert found[0] == pytest.approx(np.log(30), abs=0.01)
    assert np.isnan(found[1:]).all()  # lines, a constant, a gap, and a curve that a break hardly helps


def test_the_break_lies_strictly_inside():
    # Bent at the second point from either end at most.
    found = change_point(X, np.stack([np.exp(8 * X), np.exp(-8 * X)]), explained=0.0)
    assert (found >= X[1]).all()
    assert (found <= X[-2]).all()
