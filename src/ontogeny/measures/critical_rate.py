"""Critical learning rate: the largest one that no start fails at, found by bisection."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.errors import UserError

Fails = Callable[[Float[Tensor, "any"]], Bool[Tensor, "any"]]


def critical_rate(
    fails: Fails, low: Float[Tensor, "any"], high: Float[Tensor, "any"], rounds: int = 20
) -> Float[Tensor, "any"]:
    """The rate up to which nothing fails, for several problems at once: `fails(rates)` says which do at their rate.

    Bisects the logarithm: after k rounds the bracket is (high / low)^(2^-k) wide, and its lower end is given, so that
    nothing fails at the result. That nothing fails below it either is taken for granted.

    Raises: `UserError` where training fails at `low` already, or not yet at `high`.
    Cost: `rounds` + 2 calls of `fails`.
    """
    if fails(low).any() or not fails(high).all():
        raise UserError("the critical learning rate is not between low and high: widen the bracket")
    for _ in range(rounds):
        middle = (low * high).sqrt()
        failed = fails(middle)
        low, high = torch.where(failed, low, middle), torch.where(failed, middle, high)
    return low
