"""Dropout: units that are silent at random, each member's by its own stream."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import PerMember
from ontogeny.streams import Streams


def dropout(
    x: Float[Tensor, "member *units"], keep: PerMember, streams: Streams, name: str = "kept"
) -> Float[Tensor, "member *units"]:
    """Every number is kept with probability `keep` and divided by it, else 0: right on average.

    `keep` may be a tensor `[member]`. What is kept is a function of each member's seed, the streams' purpose and step
    and `name` alone: `streams.at(update)` gives fresh masks. A `keep` of 1 is the identity.

    Raises: `UserError` for a number that is not above 0 and at most 1.
    Source: Srivastava et al. (2014), "Dropout", JMLR 15, scaled while training as in `torch.nn.Dropout(1 - keep)`.
    """
    if not isinstance(keep, Tensor) and not 0 < keep <= 1:
        raise UserError(f"dropout keeps with a probability above 0 and up to 1, got {keep}")
    kept = streams.bernoulli(name, x.shape[1:], keep).to(x.dtype)
    each = torch.as_tensor(keep, dtype=x.dtype, device=x.device).expand(x.shape[0])
    return x * kept / each.view(-1, *[1] * (x.ndim - 1))
