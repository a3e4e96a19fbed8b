"""Settling an update: who is still alive, and how large each member's gradient is."""

from jaxtyping import Bool, Float
from torch import Tensor, linalg

from ontogeny.models.stacked import member_sum


def settle(
    alive: Bool[Tensor, "member"], loss: Float[Tensor, "member"], gradient: Float[Tensor, "member parameter"]
) -> Float[Tensor, "member"]:
    """Marks members whose loss or gradient is not finite as dead, takes their gradient out, and gives all norms.

    `alive` and `gradient` change in place; a dead member's norm is 0.
    """
    square = _square_norm(gradient)
    alive &= loss.isfinite() & square.isfinite()
    # A dead member's gradient may hold NaN, and NaN * 0 is NaN: it is taken out, not multiplied away.
    gradient.masked_fill_(~alive[:, None], 0.0)
    return square.where(alive, 0.0).sqrt()


def _square_norm(table: Float[Tensor, "member parameter"]) -> Float[Tensor, "member"]:
    # In 16 pieces a member: a whole row at once is summed in another order when it is the only one.
    pieces = table.view(table.shape[0], 16, -1)
    return member_sum(linalg.vector_norm(pieces, dim=-1).square())
