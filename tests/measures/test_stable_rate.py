"""Oracle: losses drawn by hand."""

import numpy as np

from ontogeny.measures.stable_rate import largest_stable_rate

RATES, CHANCE = (0.1, 1.0, 10.0), 2.3


def test_by_hand():
    ends = np.array([[1.0, 1.0, 1.0], [1.0, 3.0, 1.0], [1.0, np.nan, 1.0], [3.0, 1.0, 1.0], [2.34, 2.36, np.inf]])
    losses = np.repeat(ends[..., None], 30, axis=-1)
    losses[..., :10] = 100.0  # only the last 20 count
    np.testing.assert_array_equal(largest_stable_rate(RATES, losses, CHANCE), [10.0, 0.1, 0.1, np.nan, 0.1])
