"""Oracles: traces drawn by hand."""

import numpy as np
import pytest

from ontogeny.measures.abruptness import abruptness, drop


def trace(*pieces):
    return np.concatenate([np.full(count, value) for count, value in pieces])


def test_a_plateau_and_a_drop_by_hand():
    # Entries 0-9 at 1, 10-11 at 0.5, from 12 on at 0.1: plateau 9, end 12.
    found = drop(trace((10, 1.0), (2, 0.5), (5, 0.1)))
    assert (found.plateau, found.width, found.abruptness) == (9, 3, pytest.approx(3 / 12))


def test_the_loss_counts_relative_to_its_start():
    # In raw numbers 0.5 is below 0.8 from the start; relative to it the plateau lasts until entry 9.
    assert drop(trace((10, 0.5), (1, 0.3), (5, 0.1))).plateau == 9


def test_a_straight_line_is_not_abrupt():
    # l = 1 - i / 101: above 0.8 for i < 20.2, below 0.35 for i > 65.65.
    line = 1 - np.arange(102) / 101
    assert abruptness(line) == pytest.approx((66 - 20) / 66)


def test_it_is_the_last_drop_that_counts():
    # Down at 5, up again at 10, down for good at 20.
    assert drop(trace((5, 1.0), (5, 0.1), (10, 0.9), (5, 0.1))).plateau == 19


@pytest.mark.parametrize(
    "loss",
    [
        trace((10, 1.0), (10, 0.5)),  # not far enough down
        trace((5, 1.0), (5, 0.1), (5, 0.9)),  # not there to stay
        np.full(6, np.nan),
        np.zeros(6),  # nothing to learn
    ],
)
def test_what_never_falls_is_undefined(loss):
    assert np.isnan(np.stack(drop(loss))).all()


def test_traces_side_by_side_are_as_alone(seed):
    losses = np.abs(np.random.default_rng(seed).normal(size=(2, 3, 40)).cumsum(-1))
    together = abruptness(losses)
    for i in range(2):
        for j in range(3):
            np.testing.assert_array_equal(together[i, j], abruptness(losses[i, j]))
