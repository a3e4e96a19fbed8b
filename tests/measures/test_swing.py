"""Oracles: traces drawn by hand, and exponentials of known rate."""

import numpy as np
import pytest

from ontogeny.measures.swing import swing, terminal_rate, turning_points

NAN = np.nan


@pytest.mark.parametrize(
    ("loss", "amplitude", "peak"),
    [
        ([2.0, 1.0, 0.5, 0.0], 0.0, 0),
        ([2.0, 1.0, 1.5, 0.0], 0.25, 2),
        ([2.0, 1.0, 1.5, 0.5, 1.25, 0.0], 0.375, 4),  # the larger of two ways up
        ([2.0, 1.0, 1.2, 1.1, 1.6, 0.0], 0.3, 4),  # from the lowest so far, not from the last turn
        ([2.0, 3.0, 0.0], 0.5, 1),
        ([2.0, 1.0, NAN, 1.5, NAN], 0.25, 3),
        ([0.0, 1.0], NAN, 0),
        ([NAN, 1.0, 2.0], NAN, 0),
    ],
)
def test_the_way_back_up(loss, amplitude, peak):
    found = swing(np.array(loss))
    np.testing.assert_allclose(found.amplitude, amplitude)
    assert found.peak == peak


@pytest.mark.parametrize(
    ("trace", "count"),
    [
        ([10.0, 5.0, 1.0, 0.0], 0),
        ([0.0, 0.0, 0.0], 0),
        ([10.0, 2.0, 6.0, 0.0], 2),
        ([10.0, 2.0, 2.05, 0.0], 0),  # up by 0.05, half of a hundredth of 10
        ([10.0, 2.0, 2.05, 2.1, 2.15, 0.0], 2),  # up by 0.15 in small steps
        ([10.0, 2.0, 6.0, 1.0, 3.0], 3),  # ends on its way up
        ([10.0, 2.0, 6.0], 1),
        ([10.0, 12.0, 0.0], 1),  # begins by rising
        ([10.0, 2.0, NAN, 6.0, 0.0, NAN], 2),
        ([10.0, 2.0, 6.0, 5.95, 6.0, 0.0], 2),  # a dent on top of the hill
    ],
)
def test_turns_by_hand(trace, count):
    assert turning_points(np.array(trace)) == count


def test_turns_of_a_wave_that_dies_out():
    # 10 + e^{-t/20} cos t has its turns at t = pi k, each 3.1 / 20 in the exponent below the one before. The way
    # from turn k to the next is about (1 + e^{-pi/20}) e^{-pi k / 20}; it is over 0.11 for k up to 17.
    t = np.linspace(0, 200, 20_001)
    wave = 10 + np.exp(-t / 20) * np.cos(t)
    ways = np.abs(np.diff([10 + np.exp(-np.pi * k / 20) * np.cos(np.pi * k) for k in range(60)]))
    assert turning_points(wave) == (ways > 0.11).sum() - 1


def test_swings_and_turns_side_by_side_are_as_alone(seed):
    traces = np.abs(np.random.default_rng(seed).normal(size=(3, 2, 50))) + 0.1
    for i in range(3):
        for j in range(2):
            assert swing(traces).amplitude[i, j] == swing(traces[i, j]).amplitude
            assert turning_points(traces)[i, j] == turning_points(traces[i, j])


def test_the_last_rate_is_that_of_the_slowest():
    # 1e-3 e^{-t} + e^{-5 t}: between 1e-8 and 1e-4 of its start the second term is gone.
    t = np.linspace(0, 30, 3_001)
    loss = 1e-3 * np.exp(-t) + np.exp(-5 * t)
    found = terminal_rate(np.stack([loss, np.exp(-2 * t)]), t)
    np.testing.assert_allclose(found, [-1, -2], rtol=1e-2)


def test_a_loss_that_stays_has_no_last_rate():
    assert np.isnan(terminal_rate(np.ones(10), np.arange(10)))
