"""Predictors of regression in context: least squares, averaging, neighbours and the posterior mean.

Each gives a prediction for every pair of an episode from those before it, and 0 for the first.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.in_context_hermite import hermite

Points = Float[Tensor, "*episode pair dimension"]
Values = Float[Tensor, "*episode pair"]


def least_squares(x: Points, y: Values) -> Values:
    r"""Least squares on the pairs before, of the least norm where many fit: $\langle x, X^+ y \rangle$.

    For values linear in x, with directions drawn from a rotation-invariant law, no predictor does better: the part of
    the direction that the pairs before leave open is symmetric around 0. Over isotropic x its squared error after m of
    them is then 1 - m / d up to m = d, and 0 from there on, see `linear_risk`.
    """
    predicted = torch.zeros_like(y)
    for i in range(1, y.shape[-1]):
        w = torch.linalg.pinv(x[..., :i, :]) @ y[..., :i, None]
        predicted[..., i] = (x[..., i, :] * w[..., 0]).sum(-1)
    return predicted


def linear_risk(examples: int, dimensions: int) -> float:
    """The squared error that is left of a linear function of unit norm after so many examples: max(0, 1 - m / d)."""
    return max(0.0, 1.0 - examples / dimensions)


def averaging(x: Points, y: Values) -> Values:
    r"""$\langle x, \frac1m \sum_j y_j x_j \rangle$: what a single step of gradient descent from 0 gives."""
    predicted = torch.zeros_like(y)
    for i in range(1, y.shape[-1]):
        w = (x[..., :i, :] * y[..., :i, None]).mean(-2)
        predicted[..., i] = (x[..., i, :] * w).sum(-1)
    return predicted


def nearest_neighbours(x: Points, y: Values, neighbours: int = 3) -> Values:
    """The mean value of the nearest pairs before, of all of them while they are fewer."""
    predicted = torch.zeros_like(y)
    for i in range(1, y.shape[-1]):
        far = (x[..., :i, :] - x[..., i : i + 1, :]).square().sum(-1)
        near = torch.argsort(far, dim=-1, stable=True)[..., :neighbours]
        predicted[..., i] = y[..., :i].gather(-1, near).mean(-1)
    return predicted


def posterior_mean(
    x: Points, y: Values, degree: int, streams: Streams, particles: int = 20_000, tolerance: float = 0.05
) -> Values:
    r"""The mean of f_k(<w, x>) over directions w, weighted by how well they fit the pairs before.

    $$\hat y_i = \frac{\sum_w f_k(\langle w, x_i \rangle)\, e^{-S_i(w) / 2 s^2}}{\sum_w e^{-S_i(w) / 2 s^2}},
      \qquad S_i(w) = \sum_{j < i} (y_j - f_k(\langle w, x_j \rangle))^2$$

    over `particles` directions uniform on the sphere, s = `tolerance`: the best predictor that knows the degree, up to
    that tolerance and to how closely the particles lie. A reference for two or three dimensions: in more, few particles
    are left after some pairs. Direction by direction the same for all episodes, drawn from the streams' first member.

    Raises: `UserError` without particles, or tolerance.
    """
    if particles < 1 or tolerance <= 0:
        raise UserError(f"a posterior needs particles and a tolerance above 0, got {particles} and {tolerance}")
    w = streams.normal("particles", (particles, x.shape[-1]))[0].to(x)
    w = w / w.norm(dim=-1, keepdim=True)
    guesses = hermite(x @ w.mT, degree)  # [..., pair, particle]
    misfit = (y[..., None] - guesses).square().cumsum(-2) / (2 * tolerance**2)
    weights = torch.softmax(-torch.cat([torch.zeros_like(misfit[..., :1, :]), misfit[..., :-1, :]], -2), -1)
    return (weights * guesses).sum(-1)
