"""Sums of a population's arrays, one number a member."""

from jaxtyping import Float
from torch import Tensor


def member_sum(x: Float[Tensor, "member *rest"]) -> Float[Tensor, "member"]:
    """Sum over all but the member axis."""
    return x.flatten(1).sum(1)
