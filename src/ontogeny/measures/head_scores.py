"""Head scores: how much a head attends to the token before, or to what followed earlier copies of the present one."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError


def previous_token_score(
    pattern: Float[Tensor, "*lead head query key"],
) -> Float[Tensor, "*lead head"]:
    """Mean attention to the token before, over all positions but the first; from 0 to 1.

    Raises: `UserError` for a single position.
    """
    _check(pattern)
    return pattern.diagonal(-1, -2, -1).mean(-1)


def induction_score(
    pattern: Float[Tensor, "*lead head query key"], tokens: Int[Tensor, "*lead query"]
) -> Float[Tensor, "*lead head"]:
    r"""Mean attention to what followed earlier copies of the present token, less what even attention has there.

    $$\frac{1}{|Q|} \sum_{t \in Q} \sum_{s \in S_t} \Big(a_{ts} - \frac{1}{t + 1}\Big), \qquad
      S_t = \{s \le t : x_{s-1} = x_t\}$$

    over the positions Q, counted from 0, whose token was there before. From below 0 to 1; 0 for even attention, NaN
    where no token comes twice.

    Raises: `UserError` for a single position.
    Source: Olsson et al., arXiv 2209.11895, with the base rate taken off.
    """
    _check(pattern)
    length = tokens.shape[-1]
    copies = (tokens[..., :, None] == tokens[..., None, :]).tril(-1)  # [t, s - 1]
    followers = torch.cat([torch.zeros_like(copies[..., :1]), copies[..., :-1]], -1)[..., None, :, :].to(pattern.dtype)
    even = 1.0 / torch.arange(1, length + 1, device=tokens.device, dtype=pattern.dtype)
    over = ((pattern - even[:, None]) * followers).sum(-1)  # head, query
    counted = followers.sum(-1) > 0
    return over.sum(-1) / counted.sum(-1)


def _check(pattern: Tensor) -> None:
    if pattern.shape[-1] < 2:
        raise UserError("a head's score needs two positions or more, got one")
