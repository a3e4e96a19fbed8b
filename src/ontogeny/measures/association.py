"""Association: correlations of paired numbers in one row after another, with what is missing left out."""

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

Rows = Float[np.ndarray, "row pair"]
Found = Float[np.ndarray, "row"]


def pearson(x: Rows, y: Rows) -> Found:
    """Pearson's correlation of each row, over the pairs that are both finite; NaN for fewer than 3, or a constant."""
    return np.array([_pearson(*_paired(a, b)) for a, b in zip(x, y, strict=True)])


def spearman(x: Rows, y: Rows) -> Found:
    """The same of the ranks, ties sharing their mean rank."""
    return np.array([_pearson(*map(rankdata, _paired(a, b))) for a, b in zip(x, y, strict=True)])


def partial(x: Rows, y: Rows, given: Rows) -> Found:
    r"""Pearson's correlation of what is left of x and y after a straight line in `given` is taken off each.

    $(r_{xy} - r_{xz} r_{yz}) / \sqrt{(1 - r_{xz}^2)(1 - r_{yz}^2)}$, over the triples that are all finite; NaN for
    fewer than 4, and where the line leaves nothing.
    """
    found = []
    for a, b, z in zip(x, y, given, strict=True):
        rest = _paired(a, b, z)
        if rest.shape[1] < 4:
            found.append(np.nan)
            continue
        xy, xz, yz = _pearson(rest[0], rest[1]), _pearson(rest[0], rest[2]), _pearson(rest[1], rest[2])
        left = (1 - xz**2) * (1 - yz**2)
        found.append((xy - xz * yz) / np.sqrt(left) if left > 1e-12 else np.nan)
    return np.array(found)


def _paired(*columns: np.ndarray) -> np.ndarray:
    rows = np.stack(columns)
    return rows[:, np.isfinite(rows).all(0)]


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])
