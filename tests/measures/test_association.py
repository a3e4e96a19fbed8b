"""Oracles: SciPy's correlations, and residuals of least squares."""

import numpy as np
import pytest
import scipy.stats

from ontogeny.measures.association import partial, pearson, spearman


def rows(seed):
    x, y, z = np.random.default_rng(seed).normal(size=(3, 4, 30))
    return x + z, np.round(y + z, 1), z


def test_agrees_with_scipy(seed):
    x, y, _ = rows(seed)
    assert pearson(x, y) == pytest.approx([scipy.stats.pearsonr(a, b)[0] for a, b in zip(x, y, strict=True)])
    assert spearman(x, y**3) == pytest.approx([scipy.stats.spearmanr(a, b)[0] for a, b in zip(x, y, strict=True)])


def test_partial_is_the_correlation_of_residuals(seed):
    x, y, z = rows(seed)
    left = [[v - np.polyval(np.polyfit(c, v, 1), c) for v in (a, b)] for a, b, c in zip(x, y, z, strict=True)]
    assert partial(x, y, z) == pytest.approx([scipy.stats.pearsonr(*both)[0] for both in left])


def test_what_is_missing_is_left_out_of_its_row(seed):
    x, y, z = rows(seed)
    x[0, :3], y[0, 5], z[0, 7] = np.nan, np.inf, np.nan
    kept = [i for i in range(30) if i not in (0, 1, 2, 5, 7)]
    assert pearson(x, y)[1] == pearson(x[1:2], y[1:2])[0]
    assert spearman(x, y)[0] == pytest.approx(scipy.stats.spearmanr(x[0, [*kept, 7]], y[0, [*kept, 7]])[0])
    assert partial(x, y, z)[0] == pytest.approx(partial(x[:1, kept], y[:1, kept], z[:1, kept])[0])


def test_undefined():
    line, flat = np.arange(5.0)[None], np.ones((1, 5))
    assert np.isnan(pearson(line, flat))[0]
    assert np.isnan(spearman(line[:, :2], line[:, :2]))[0]
    assert np.isnan(partial(line, line[:, ::-1], 2 * line + 1))[0]
