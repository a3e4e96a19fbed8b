"""Oracles: polygons whose angles are known."""

from itertools import pairwise

import numpy as np
import pytest

from ontogeny.measures.turn import sharpest_turn


def polygon(*corners, each=10):
    """Even steps from corner to corner."""
    legs = [np.linspace(a, b, each, endpoint=False) for a, b in pairwise(corners)]
    return np.concatenate([*legs, [corners[-1]]]).astype(float)


@pytest.mark.parametrize(
    ("corners", "angle", "entry"),
    [
        ([(0, 0), (1, 0), (1, 1)], 90, 10),
        ([(0, 0), (1, 0), (2, 1)], 45, 10),
        ([(0, 0), (0, 1), (1, 0)], 135, 10),
        ([(0, 0), (1, 0), (0, 0)], 180, 10),
        ([(0, 0), (1, 0), (2, 1), (2, 0)], 135, 20),  # the sharper of two
    ],
)
def test_corners(corners, angle, entry):
    found = sharpest_turn(polygon(*corners))
    assert found.angle == pytest.approx(angle)
    assert found.entry == entry


def test_a_straight_way_has_no_turn():
    assert sharpest_turn(polygon((0, 0), (1, 2))).angle == pytest.approx(0, abs=1e-5)


def test_smoothing_halves_a_zigzag():
    # Up and down by 1 at every step of 1 to the right: neighbouring ways are at right angles, ways over two straight.
    zigzag = np.stack([np.arange(21.0), np.arange(21) % 2], -1)
    assert sharpest_turn(zigzag, window=1).angle == pytest.approx(90)
    assert sharpest_turn(zigzag, window=2).angle == pytest.approx(0, abs=1e-5)


def test_what_swings_faster_than_it_is_looked_at_seems_to_go_back():
    # To the right by 1 a look, and by 5 to and fro with a period of 0.7 looks: over two looks it still goes back.
    i = np.arange(16.0)
    way = np.stack([i + 5 * np.sin(2 * np.pi * i / 0.7), 0 * i], -1)
    for window in (1, 2, 3):
        assert sharpest_turn(way, window=window).angle == pytest.approx(180)
    # Its mean over a period goes straight on.
    period = np.linspace(0, 0.7, 70, endpoint=False)[:, None]
    mean = (i + period + 5 * np.sin(2 * np.pi * (i + period) / 0.7)).mean(0)
    assert sharpest_turn(np.stack([mean, 0 * i], -1)).angle == pytest.approx(0, abs=1e-5)


def test_turns_at_the_ends_do_not_count():
    # A hook of length 0.2 before a way of 10: below 5 % of the path.
    hook = np.concatenate([polygon((-0.1, 0.1), (0, 0.1), (0, 0), each=4), polygon((0, 0), (10, 0), each=20)[1:]])
    assert sharpest_turn(hook, window=1).angle == pytest.approx(0, abs=1e-5)
    assert sharpest_turn(hook, window=1, margin=0.005).angle == pytest.approx(90)


def test_what_is_missing_is_passed_over():
    way = polygon((0, 0), (1, 0), (1, 1))
    way[[0, 3]] = np.nan
    found = sharpest_turn(way)
    assert found.angle == pytest.approx(90)
    assert found.entry == 10


def test_without_a_way_there_is_no_turn():
    still = np.zeros((2, 3, 9, 2))
    found = sharpest_turn(still)
    assert found.angle.shape == found.entry.shape == (2, 3)
    assert np.isnan(found.angle).all()
    assert (found.entry == 0).all()
    assert np.isnan(sharpest_turn(np.arange(8.0).reshape(4, 2)).angle)  # too short for two ways over two entries
