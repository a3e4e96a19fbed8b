"""Concept vector: hidden units moved along what a concept changes on average."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def concept_vector(absent: slice, present: slice, strengths: Float[Tensor, "sample"]) -> Callable[[Tensor], Tensor]:
    r"""An edit for `population.edit`: $h + \beta (\bar h_{\text{present}} - \bar h_{\text{absent}})$, unit by unit.

    The two groups are samples of the very same pass, so that in a generator the vector is of the same time. Strength 0
    leaves a sample as it was, and so should all samples of the two groups have it. One strength a sample.
    """

    def edit(h: Float[Tensor, "member sample unit"]) -> Float[Tensor, "member sample unit"]:
        vector = h[:, present].mean(1, keepdim=True) - h[:, absent].mean(1, keepdim=True)
        moved = strengths[:, None] != 0
        return torch.where(moved, h + strengths.to(h)[:, None] * vector, h)

    return edit
