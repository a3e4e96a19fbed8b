"""Oracles: runs drawn by hand, whose times, slopes, crossings and turns are known."""

import numpy as np
import pytest
import xarray as xr

from ontogeny.measures import concept_order as m
from ontogeny.tasks.coloured_discs import COMBINATIONS

STEPS = [10, 20, 40, 80, 160, 320, 640]
SIGNALS = (0.1, 0.2, 0.3, 0.45, 0.6, 0.8)
SEEDS = (1, 2, 3, 4)
BENT = np.array([[min(j, 3), max(j - 3, 0)] for j in range(7)], float)  # a right angle at the fourth measurement
STRAIGHT = np.arange(14.0).reshape(7, 2)


def drawn(
    signals=SIGNALS,
    colour=lambda s: 20 * (0.8 / s) ** 1.2,
    size=lambda s: 60.0,
    way=lambda s: STRAIGHT if s == 0.3 else BENT,
    size_signal=lambda s: 4.0,
):
    """A run whose learning times are `colour` and `size`, seeds differing by 2 %."""
    rows = [(seed, s) for seed in SEEDS for s in signals]
    z, signal = np.zeros((len(rows), 7, 4, 2)), np.zeros((len(rows), 7, 2))
    for i, (seed, s) in enumerate(rows):
        late = 1 + 0.02 * seed
        # Linear in the logarithm of the step, and at 0.8 just where it should be.
        z[i, :, 2, 0] = 0.8 + 0.3 * np.log(np.array(STEPS) / (late * colour(s)))
        z[i, :, 1, 1] = 0.8 + 0.3 * np.log(np.array(STEPS) / (late * size(s)))
        z[i, :, 3] = way(s)
        signal[i] = 8.8 * s, size_signal(s)
    # Corners that nothing is read from: what all share is no difference.
    z[:, :, :3] += 0.1
    return xr.Dataset(
        dict(z=(("member", "step", "combination", "concept"), z), signal=(("member", "step", "concept"), signal)),
        dict(
            step=STEPS,
            combination=list(COMBINATIONS),
            concept=["colour", "size"],
            seed=("member", [r[0] for r in rows]),
            colour_signal=("member", [r[1] for r in rows]),
        ),
    )


def test_times_and_slopes_are_read_off():
    ds = drawn()
    found = m.learning_time(ds, "colour").values.reshape(4, 6)
    expected = [[(1 + 0.02 * seed) * 20 * (0.8 / s) ** 1.2 for s in SIGNALS] for seed in SEEDS]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert m.slope(ds, "colour").values == pytest.approx([-1.2] * 4)
    assert m.slope(ds, "size").values == pytest.approx([0] * 4, abs=1e-9)
    # ln(20 / 60) at 0.8, ln(20 * 8^1.2 / 60) at 0.1; seeds cancel.
    late = m.by_signal(ds, late=m.lateness(ds)).late
    assert late.isel(colour_signal=-1).values == pytest.approx([np.log(1 / 3)] * 4)
    assert late.isel(colour_signal=0).values == pytest.approx([np.log(8**1.2 / 3)] * 4)


def test_levels_are_sorted():
    shuffled = drawn(signals=(0.8, 0.1, 0.3, 0.6, 0.2, 0.45))
    assert m.slope(shuffled, "colour").values == pytest.approx([-1.2] * 4)
    assert m.flips(shuffled).values.all()
    assert m.crossing_signals(shuffled).values == pytest.approx(m.crossing_signals(drawn()).values)


def test_what_a_signal_explains_is_taken_off():
    # Size is learned in inverse proportion to its own signal, which grows as colour's to the power of 0.3.
    ds = drawn(size=lambda s: 60 * s**-0.3, size_signal=lambda s: 4 * s**0.3)
    assert m.slope(ds, "size").values == pytest.approx([-0.3] * 4)
    assert m.slope_beyond_signal(ds, "size").values == pytest.approx([0] * 4, abs=1e-9)
    # Colour's time goes as its signal to the power of -1.2, of which -1 is explained.
    assert m.slope_beyond_signal(ds, "colour").values == pytest.approx([-0.2] * 4)


def test_a_concept_that_is_never_learned_has_no_slope_and_no_place():
    ds = drawn(colour=lambda s: 1_000.0 if s == 0.1 else 20.0, size=lambda s: 1_000.0 if s < 0.25 else 60.0)
    late = m.by_signal(ds, late=m.lateness(ds)).late.values
    assert np.isnan(late[:, 0]).all()  # neither is
    assert (late[:, 1] == -np.inf).all()  # size is not
    assert not np.isfinite(m.slope(ds, "colour").values).any()
    assert not m.flips(ds).values.any()


def test_one_separation_and_one_seed():
    ds = drawn(signals=(0.8,)).isel(member=[2])
    assert m.by_signal(ds, late=m.lateness(ds)).late.values == pytest.approx(np.log([[1 / 3]]))
    assert not np.isfinite(m.slope(ds, "colour").values).any()
    assert np.isnan(m.crossing_signals(ds).values).all()
    assert m.least_angle(ds).values == pytest.approx([90], abs=1e-4)


def test_where_the_order_flips():
    # 20 (0.8 / s)^1.2 = 60 at s = 0.8 / 3^(1 / 1.2), where the signals are as 8.8 s to 4.
    assert m.crossing_signals(drawn()).values == pytest.approx([np.log(2.2 * 0.8 / 3 ** (1 / 1.2))] * 4)
    assert m.flips(drawn()).values.all()
    never = drawn(size=lambda s: 1_000.0)
    assert np.isnan(m.crossing_signals(never).values).all()
    assert not m.flips(never).values.any()
    # Size is not learned any more where colour comes first: nobody knows where between the two the order flips.
    lost = drawn(size=lambda s: 60.0 if s < 0.25 else 1_000.0)
    assert np.isnan(m.crossing_signals(lost).values).all()


def test_turns_by_separation():
    assert m.angles(drawn()).values == pytest.approx(np.array([[90, 90, 0, 90, 90, 90]] * 4), abs=1e-4)
    # The balanced separation, where ln(20 (0.8 / s)^1.2 / 60) is nearest to 0, is 0.3: the one without a turn.
    assert m.sharper_than_balanced(drawn()).values == pytest.approx([90] * 4, abs=1e-4)
    assert m.least_angle(drawn(signals=(0.1, 0.3, 0.8))).values == pytest.approx([0] * 4, abs=1e-4)
    assert m.least_angle(drawn(signals=(0.1, 0.8))).values == pytest.approx([90] * 4, abs=1e-4)
    assert m.turn(drawn()).entry.tolist() == [3, 3, m.turn(drawn()).entry[2], 3, 3, 3] * 4
