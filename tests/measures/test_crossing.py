"""Oracles: crossings worked out by hand."""

import numpy as np
import pytest

from ontogeny.measures.crossing import crossing, lasting_crossing, smooth

STEPS = np.array([10.0, 100.0, 1_000.0])


@pytest.mark.parametrize(
    ("curve", "level", "expected"),
    [
        ([0.0, 1.0, 1.0], 0.5, 10**1.5),  # half way in the logarithm, not 55
        ([0.0, 0.25, 0.75], 0.5, 10**2.5),
        ([0.6, 0.0, 1.0], 0.5, 10),  # there from the start
        ([0.0, 0.5, 0.2], 0.5, 100),  # at the level counts
        ([0.0, 0.1, 0.4], 0.5, np.inf),
        ([0.0, np.nan, 1.0], 0.5, 100),  # from 10 to 1,000, half way
        ([np.nan, 0.7, 1.0], 0.5, 100),
        ([np.nan, np.nan, np.nan], 0.5, np.inf),
        ([0.0, 0.8, 0.1], 0.4, 10**1.5),  # the first time, whatever comes later
    ],
)
def test_by_hand(curve, level, expected):
    assert crossing(STEPS, np.array(curve), level) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("curve", "level", "expected"),
    [
        ([0.0, 1.0, 1.0], 0.5, 10**1.5),
        ([0.8, 0.0, 1.0], 0.5, 10**2.5),  # what was lost does not count
        ([0.0, 1.0, 0.2], 0.5, np.inf),
        ([0.6, 0.7, 1.0], 0.5, 10),  # never below
        ([0.0, 0.5, 0.6], 0.5, 100),  # at the level counts
        ([0.0, np.nan, 1.0], 0.5, 100),
        ([0.0, 1.0, np.nan], 0.5, 10**1.5),
        ([1.0, 0.0, np.nan], 0.5, np.inf),
        ([np.nan, np.nan, np.nan], 0.5, np.inf),
    ],
)
def test_the_last_time_by_hand(curve, level, expected):
    assert lasting_crossing(STEPS, np.array(curve), level) == pytest.approx(expected)
    assert lasting_crossing(STEPS, np.array([[curve]]), level).shape == (1, 1)


def test_any_leading_axes():
    curves = np.array([[[0.0, 1.0, 1.0]], [[0.0, 0.0, 0.0]]])
    assert crossing(STEPS, curves, 0.5).tolist() == [[pytest.approx(10**1.5)], [np.inf]]


def test_smoothing_by_hand():
    assert smooth(np.array([1.0, 4.0, 1.0, 4.0])).tolist() == [2.5, 2.0, 3.0, 2.5]
    np.testing.assert_array_equal(smooth(np.array([1.0, np.nan, 3.0, 5.0])), [1.0, np.nan, 4.0, 4.0])
    np.testing.assert_array_equal(smooth(np.array([2.0, 4.0, np.nan, np.nan])), [3.0, 3.0, np.nan, np.nan])
    assert smooth(np.array([[1.0, 5.0]]), window=1).tolist() == [[1.0, 5.0]]
