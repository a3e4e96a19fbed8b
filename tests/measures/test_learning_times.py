"""Oracles: traces drawn by hand."""

import numpy as np
import pytest

from ontogeny.measures.learning_times import amount_until, first_time, in_order, lasting_time, order_score

NAN = np.nan


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        ([0.0, 0.5, 0.9, 1.0, 1.0], 20),
        ([0.0, 0.9, 0.5, 0.7, 1.0], 40),  # the first crossing, at 10, was lost again
        ([0.9, 0.9, 0.9, 0.9, 0.9], 0),
        ([0.0, 0.9, 0.9, 0.9, 0.8], np.inf),  # ends on the level, which is not above it
        ([0.0, 0.9, NAN, 0.9, NAN], 10),  # not recorded is neither above nor below
        ([0.0, NAN, 0.9, 0.9, NAN], 20),
        ([NAN, NAN, NAN, NAN, NAN], NAN),
        ([0.9, 0.1, NAN, NAN, NAN], np.inf),
    ],
)
def test_from_when_on_it_stays(trace, expected):
    found = lasting_time(np.array(trace), np.arange(0, 50, 10), 0.8)
    np.testing.assert_array_equal(found, expected)


def test_traces_side_by_side_are_as_alone(seed):
    traces = np.random.default_rng(seed).random((3, 4, 12))
    together = lasting_time(traces, np.arange(12), 0.3)
    for i in range(3):
        for j in range(4):
            assert together[i, j] == lasting_time(traces[i, j], np.arange(12), 0.3)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([1.0, 2.0, 3.0], True),
        ([1.0, 3.0, 2.0], False),
        ([1.0, 2.0, 2.0], False),
        ([1.0, 2.0, np.inf], True),
        ([1.0, np.inf, np.inf], False),
        ([1.0, np.inf, 3.0], False),
        ([1.0, NAN, 3.0], False),
    ],
)
def test_order(times, expected):
    assert in_order(np.array(times)).item() is expected


def test_amounts_until_two_in_succession_by_hand():
    error = np.array([[1.0, 0.4, 0.9, 0.5, 0.3, 0.8], [1.0, 0.4, 0.9, 0.4, 0.9, 0.1], [0.2, NAN, 0.2, 0.2, NAN, NAN]])
    amount = np.array([[0, 3, 5, 9, 9, 12], [0, 1, 2, 3, 4, 5], [7, 8, 9, 10, 11, 12]])
    found, reached = amount_until(error, amount, 0.5)
    assert found.tolist() == [9, 5, 9]  # lucky once is not enough; all that was spent; over a gap nothing is known
    assert reached.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("reached", "hold", "expected"),
    [
        ([0, 1, 0, 1, 1], 1, 10),  # the first, though it is lost again
        ([0, 1, 0, 1, 1], 2, 30),
        ([0, 1, 0, 0, 1], 2, np.inf),  # too late to hold
        ([1, 1, 0, 0, 0], 2, 0),
        ([0, 0, 0, 0, 0], 1, np.inf),
        ([1, 1, 1, 1, 1], 6, np.inf),
    ],
)
def test_first_times(reached, hold, expected):
    steps = np.arange(0, 50, 10)
    assert first_time(np.array(reached, bool), steps, hold) == expected
    both = first_time(np.array([reached, [1] * 5], bool), steps, hold)
    assert both.tolist() == [expected, 0 if hold < 6 else np.inf]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([1.0, 2.0, 3.0], 1),
        ([3.0, 2.0, 1.0], -1),
        ([1.0, 2.0, np.inf], 1),
        ([1.0, np.inf, np.inf], 0.5),  # nobody knows the order of the last two
        ([np.inf, 2.0, np.inf], 0),
        ([2.0, 2.0, 1.0], -0.5),
        ([np.inf, np.inf, np.inf], 0),
        ([1.0, NAN, 3.0], NAN),
    ],
)
def test_order_scores(times, expected):
    np.testing.assert_array_equal(order_score(np.array([times, [1.0, 2.0, 3.0]])), [expected, 1])
