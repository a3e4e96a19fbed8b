r"""The excess risk of ridge regression on isotropic inputs, when points and dimensions are many together.

$\hat f(x) = x^T X^T (X X^T + \gamma d)^{-1} y$ from n points in d dimensions, $\delta = n / d$,
$y = \langle\beta, x\rangle + \sigma N(0, 1)$. With m the Stieltjes transform of the spectrum of X^T X / d at
$-\gamma$, and $b = \gamma + \delta - 1$:

$$m = \frac{-b + \sqrt{b^2 + 4\gamma}}{2\gamma}, \quad m' = \frac{m^2 + m}{2\gamma m + b}, \qquad
E(\hat f - \langle\beta, x\rangle)^2 = \gamma^2 m' |\beta|^2 + \sigma^2 (m - \gamma m')$$

Sources: Marchenko & Pastur (1967); Dobriban & Wager, arXiv 1507.03003; Hastie et al., arXiv 1903.08560.
"""

import math

from ontogeny.errors import UserError


def ridge_bias(penalty: float, ratio: float) -> float:
    r"""$\gamma^2 m'$: the share of $|\beta|^2$ that shrinkage and too few points cost, from 0 to 1."""
    _, slope = _transform(penalty, ratio)
    return penalty**2 * slope


def ridge_variance(penalty: float, ratio: float) -> float:
    r"""$m - \gamma m'$: what a noise of variance 1 costs."""
    m, slope = _transform(penalty, ratio)
    return m - penalty * slope


def ridge_risk(penalty: float, ratio: float, noise: float, norm: float = 1.0) -> float:
    r"""Excess risk for a penalty $\gamma > 0$, $\delta = n / d$ = `ratio`, noise $\sigma$ and $|\beta|$ = `norm`.

    Raises: `UserError` for a penalty or a ratio that is not above 0.
    """
    return ridge_bias(penalty, ratio) * norm**2 + ridge_variance(penalty, ratio) * noise**2


def _transform(penalty: float, ratio: float) -> tuple[float, float]:
    if penalty <= 0 or ratio <= 0:
        raise UserError(f"ridge theory needs a penalty and n / d above 0, got {penalty} and {ratio}")
    b = penalty + ratio - 1
    root = math.sqrt(b * b + 4 * penalty)
    m = 2 / (b + root) if b > 0 else (root - b) / (2 * penalty)  # without cancellation
    return m, (m * m + m) / (2 * penalty * m + b)
