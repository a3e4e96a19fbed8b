r"""Hermite coefficients of a function under the Gaussian, and the ridge penalty that an activation brings with itself.

With $\mu_k = E[f(G)\, He_k(G)] / \sqrt{k!}$ and $f = s'$, the slope of a two-layer network's activation: its tangent
kernel in d dimensions is, up to small terms, $\mu_0^2$ times the linear kernel plus $v = \sum_{k \ge 1} \mu_k^2$ times
the identity, as long as d << n << d^2. So its interpolant is ridge regression with the penalty $v / \mu_0^2$.

Source: Montanari & Zhong, arXiv 2007.12826.
"""

import functools
import math
from collections.abc import Callable
from itertools import pairwise

import torch
from scipy.integrate import quad
from scipy.special import eval_hermitenorm
from scipy.stats import norm

from ontogeny.models.two_layer import SLOPED

_FAR = 12.0  # standard deviations, beyond which a Gaussian integrates to 1e-32


def gaussian_mean(f: Callable[[float], float], jumps: tuple[float, ...] = ()) -> float:
    """E f(G) of a standard normal G, by adaptive quadrature between the places where f jumps; right to about 1e-10."""
    edges = [-_FAR, *sorted(jumps), _FAR]
    pieces = [
        quad(lambda z: f(z) * norm.pdf(z), low, high, epsabs=1e-12, limit=200)[0] for low, high in pairwise(edges)
    ]
    return float(sum(pieces))


@functools.cache
def slope_coefficient(activation: str, order: int) -> float:
    r"""$\mu_k$ of the activation's slope, k = `order`."""
    f = _slope(activation)
    mean = gaussian_mean(lambda z: f(z) * float(eval_hermitenorm(order, z)), SLOPED[activation].jumps)
    return mean / math.sqrt(math.factorial(order))


@functools.cache
def slope_energy(activation: str, least: int = 1) -> float:
    r"""$v_\ell = \sum_{k \ge \ell} \mu_k^2 = E s'(G)^2 - \sum_{k < \ell} \mu_k^2$; with $\ell = 1$ the variance of s'.

    For $d^\ell \ll n \ll d^{\ell + 1}$ the least eigenvalue of the tangent kernel tends to it. 0 for a polynomial of a
    lower degree, up to rounding.
    """
    f = _slope(activation)
    whole = gaussian_mean(lambda z: f(z) ** 2, SLOPED[activation].jumps)
    return whole - sum(slope_coefficient(activation, k) ** 2 for k in range(least))


def self_induced_penalty(activation: str, penalty: float = 0.0) -> float:
    r"""$\gamma = (\lambda + v) / \mu_0^2$: the ridge penalty on raw features like which the tangent kernel acts.

    In units where the Gram matrix is X X^T / d. 1 for ReLU without a penalty of its own, 0 for the linear activation.
    """
    return (penalty + slope_energy(activation)) / slope_coefficient(activation, 0) ** 2


def _slope(activation: str) -> Callable[[float], float]:
    slope = SLOPED[activation].slope
    return lambda z: float(slope(torch.tensor(z, dtype=torch.float64)))
