"""Overprompting: a condition that is pushed past what it was trained on, and random pushes of the same length."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.streams import Streams


def overprompted(
    plain: Float[Tensor, "member condition"], part: slice, factors: Sequence[float]
) -> Float[Tensor, "member factor condition"]:
    """The condition with a part of it times each factor: 1 is the plain prompt, 0 leaves that part untold.

    Source: Park et al., arXiv 2406.19370, section 4.3, where the part is a colour about grey.
    """
    scale = torch.ones(len(factors), plain.shape[1], dtype=plain.dtype, device=plain.device)
    scale[:, part] = torch.tensor(list(factors), dtype=plain.dtype, device=plain.device)[:, None]
    return plain[:, None] * scale


def random_pushes(
    streams: Streams, plain: Float[Tensor, "member condition"], prompts: Float[Tensor, "member factor condition"]
) -> Float[Tensor, "member factor condition"]:
    """The control: each prompt as far from the plain one, but in a direction of its own, uniform over the sphere."""
    pushes = (prompts - plain[:, None]).square().sum(-1, keepdim=True).sqrt()
    directions = streams.normal("directions", prompts.shape[1:]).to(plain)
    lengths = directions.square().sum(-1, keepdim=True).sqrt()
    return plain[:, None] + pushes * directions / lengths
