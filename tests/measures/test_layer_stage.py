"""Oracles: curves by hand."""

import numpy as np

from ontogeny.measures.layer_stage import stage


def test_stages_by_hand():
    curves = np.array(
        [
            [0.5, 0.9, 1.0, 1.0],  # 0.5 + 0.8 * 0.5 = 0.9 is reached at layer 1
            [0.5, 0.89, 1.0, 1.0],
            [0.5, 0.83, 0.6, 0.9],  # of its own maximum: 0.5 + 0.8 * 0.4 = 0.82
            [0.9, 0.5, 0.5, 0.5],
            [0.5, 0.6, 0.7, 0.79],  # never there
            [0.5, np.nan, 1.0, 1.0],
        ]
    )
    np.testing.assert_equal(stage(curves), [1, 2, 1, 0, np.nan, np.nan])
    np.testing.assert_equal(stage(curves.reshape(2, 3, 4)), stage(curves).reshape(2, 3))


def test_other_levels():
    curve = np.array([0.0, 0.3, 0.6, 0.7])
    assert stage(curve, chance=0.0, share=0.5, least=0.7) == 2
    assert np.isnan(stage(curve, chance=0.0, least=0.71))
