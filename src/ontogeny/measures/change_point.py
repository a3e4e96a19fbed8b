"""Change point: where a curve breaks from one straight line into another."""

import itertools

import numpy as np
from jaxtyping import Float

EXPLAINED = 0.5  # of what one line leaves over, that a break must explain
FINE = 20  # places tried between two neighbouring points


def change_point(
    x: Float[np.ndarray, "point"], y: Float[np.ndarray, "*curve point"], explained: float = EXPLAINED
) -> Float[np.ndarray, "*curve"]:
    r"""Where two lines that meet fit a curve best, in units of x.

    $$\min_{b} \min_{\beta} \sum_i \big(y_i - \beta_0 - \beta_1 x_i - \beta_2 (x_i - b)_+\big)^2$$

    b is tried at `FINE` even places between neighbouring points, from the second point to the last but one. NaN when
    the best break explains less than `explained` of the residual of a single line, for a curve that is such a line, and
    for a curve with a NaN. x has to rise, and five points are the fewest that can show a break.

    Source: Muggeo (2003), Statistics in Medicine 22, by exhaustive search.
    """
    inner = itertools.pairwise(x[1:-1])
    breaks = np.unique(np.concatenate([np.linspace(a, b, FINE + 1) for a, b in inner]))
    line = np.stack([np.ones_like(x), x], -1)
    alone = _left_over(line, y)
    broken = np.stack([_left_over(np.c_[line, np.maximum(x - b, 0.0)], y) for b in breaks], -1)
    best = broken.min(-1)
    scale = np.square(y - y.mean(-1, keepdims=True)).sum(-1)
    found = (alone - best >= explained * alone) & (alone > 1e-12 * scale) & np.isfinite(alone)
    return np.where(found, breaks[broken.argmin(-1)], np.nan)


def _left_over(columns: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sum of squares that a regression on these columns leaves."""
    q = np.linalg.qr(columns)[0]
    return np.asarray(np.square(y - (y @ q) @ q.T).sum(-1))
