"""Oracles: traces drawn by hand."""

import numpy as np
import pytest

from ontogeny.measures.collapse import collapsed, final, never_left

LOSSES = np.array(
    [
        [1.0] * 20,  # never learned
        [1.0] * 5 + [0.3] * 15,  # learned
        [1.0] * 5 + [0.3] * 10 + [1.0] * 5,  # learned and lost
        [1.0] * 5 + [0.3] * 10 + [1.0] * 4 + [0.5],  # came back just before the end
        [1.0] * 10 + [np.nan] * 10,  # diverged
    ]
)


def test_collapse_by_hand():
    assert collapsed(LOSSES).tolist() == [False, False, True, False, False]
    assert never_left(LOSSES).tolist() == [True, False, False, False, True]


def test_the_final_loss_is_the_mean_over_the_last_tenth():
    assert final(LOSSES)[:4].tolist() == pytest.approx([1.0, 0.3, 1.0, 0.75])  # the last 2 of 20
    assert final(np.array([4.0, 2.0])).item() == 2.0
