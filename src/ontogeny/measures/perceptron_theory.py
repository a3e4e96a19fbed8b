r"""Thresholds of the perceptron with any margin, when the number of points and of dimensions are large together.

The question: n points z of N(0, I) in d dimensions, $\delta = n / d$. Is there a unit vector with <theta, z> of kappa
or more on all of them? For kappa < 0 the vectors that satisfy all constraints are a convex body around 0, and the
question is whether it reaches the unit sphere: not a convex problem. Maximising a linear function over the body is one,
and finds a vector long enough up to a threshold of its own.

Sources: Cover (1965) for kappa = 0; Gardner (1988) for kappa > 0; Montanari, Zhong & Zhou, arXiv 2110.15824, for
kappa < 0. The threshold of the program is derived here by Gordon's comparison: among vectors of length r the largest
squared value of the program is about $F(r) = r^2 - \delta\, E[(\kappa + r G)_+^2]$, which is largest where
$\Phi(\kappa / r) = 1 / \delta$; it reaches length 1 just when $\delta = 1 / \Phi(\kappa)$.
"""

import math

import scipy.optimize
from scipy.stats import binom, norm


def squared_shortfall(kappa: float) -> float:
    r"""$E[(\kappa + G)_+^2] = (1 + \kappa^2) \Phi(\kappa) + \kappa \phi(\kappa)$ for a standard normal G."""
    return float((1 + kappa**2) * norm.cdf(kappa) + kappa * norm.pdf(kappa))


def existence_bound(kappa: float) -> float:
    r"""The $\delta$ above which no vector exists: $1 / E[(\kappa + G)_+^2]$. Sharp for kappa >= 0 (2 at 0)."""
    return 1 / squared_shortfall(kappa)


def program_threshold(kappa: float) -> float:
    r"""The $\delta$ up to which the linear program finds a vector: $1 / \Phi(\kappa)$, for kappa <= 0 (2 at 0)."""
    return float(1 / norm.cdf(kappa))


def program_norm(kappa: float, ratio: float) -> float:
    r"""Length of the program's solution, $|\kappa| / |\Phi^{-1}(1 / \delta)|$; infinite up to $\delta = 2$.

    For kappa < 0. It is 1 at the program's threshold.
    """
    return math.inf if ratio <= 2 else float(kappa / norm.ppf(1 / ratio))


def farthest_norm(kappa: float, ratio: float) -> float:
    r"""The length that no feasible vector exceeds, by Gordon's bound: where F(r) = 0; infinite up to $\delta = 2$.

    For kappa < 0. It is 1 at `existence_bound`, and longer than `program_norm` at any $\delta$ above 2.
    """
    if ratio <= 2:
        return math.inf
    found = scipy.optimize.root_scalar(lambda t: squared_shortfall(t) - 1 / ratio, bracket=(-38.0, 0.0), xtol=1e-13)
    return kappa / float(found.root)


def separable_chance(points: int, dimensions: int) -> float:
    r"""Chance that n points in general position lie in one half-space: $2^{1-n} \sum_{k<d} \binom{n-1}{k}$ (Cover)."""
    return float(binom.cdf(dimensions - 1, points - 1, 0.5))
