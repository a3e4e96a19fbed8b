"""How unsure a predicted distribution is, and by how much it misses the best possible one."""

import math

from jaxtyping import Float
from torch import Tensor


def entropy(log_p: Float[Tensor, "*sample option"]) -> Float[Tensor, "*sample"]:
    """-sum p ln p in nats, from log-probabilities: 0 for a sure prediction, ln(options) for a uniform one."""
    p = log_p.exp()
    return -(p * log_p).where(p != 0, 0.0).sum(-1)


def cross_entropy(
    p: Float[Tensor, "*sample option"], log_q: Float[Tensor, "*sample option"]
) -> Float[Tensor, "*sample"]:
    """-sum p ln q in nats; infinite where q rules out what p allows."""
    return -(p * log_q).where(p != 0, 0.0).sum(-1)


def excess(
    posterior: Float[Tensor, "*sample option"], log_p: Float[Tensor, "*sample option"]
) -> Float[Tensor, "*sample"]:
    """KL(posterior || predicted) in nats: what a prediction loses on average to the best one, 0 only for the best.

    NaN where the posterior is undefined, infinite where the prediction rules out what can happen.
    """
    return cross_entropy(posterior, log_p) - entropy(posterior.log())


def mode_entropy(noise: float, options: int) -> float:
    """Entropy in nats of believing one number of `options` that is wrong with probability `noise`.

    h(x) + x ln(options - 1), with h the entropy of a coin: what a network is unsure of in a pure mode, which knows how
    often its one source is wrong and nothing else.
    """
    coin = sum(-x * math.log(x) for x in (noise, 1 - noise) if x > 0)
    return coin + noise * math.log(options - 1)
