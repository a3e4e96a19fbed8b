"""Oracles: edges by hand."""

import numpy as np
import pytest

from ontogeny.report.areas import stacked
from ontogeny.report.figure import category


def test_areas_by_hand():
    low, middle, top = stacked(np.array([0, 1]), np.array([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]]), "abc")
    assert [area.name for area in (low, middle, top)] == ["a", "b", "c"]
    assert [area.colour for area in (low, middle, top)] == [category(i) for i in range(3)]
    assert list(low.low) == [0.0, 0.0]
    assert list(low.high) == list(middle.low) == pytest.approx([0.2, 0.0])
    assert list(middle.high) == list(top.low) == pytest.approx([0.5, 1.0])
    assert list(top.high) == pytest.approx([1.0, 1.0])


def test_what_is_unknown_is_left_out_from_there_upwards():
    low, top = stacked(np.array([0, 1]), np.array([[0.5, np.nan], [0.5, 0.5]]), "ab")
    assert np.isfinite(low.high).all()
    assert np.isnan(top.high).tolist() == [True, False]
