"""Averages over some of the samples: each member has its own count of those that qualify."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.models.stacked import member_sum


def average(
    values: Float[Tensor, "*member sample"], among: Bool[Tensor, "*member sample"] | None = None
) -> Float[Tensor, "*member"]:
    """Mean over the samples that `among` marks (None: all). NaN where it marks none; what it leaves out may be NaN."""
    if among is None:
        among = torch.ones_like(values, dtype=torch.bool)
    rows = values.where(among, 0.0).flatten(0, -2) if values.ndim > 1 else values.where(among, 0.0)[None]
    return member_sum(rows).view(values.shape[:-1]) / among.sum(-1)


def agreement(
    one: Int[Tensor, "*member sample"],
    other: Int[Tensor, "*member sample"],
    among: Bool[Tensor, "*member sample"] | None = None,
) -> Float[Tensor, "*member"]:
    """Share of the samples that `among` marks (None: all) in which both are equal, from 0 to 1; float64, exact.

    NaN where none is marked.
    """
    return average((one == other).double(), among)
