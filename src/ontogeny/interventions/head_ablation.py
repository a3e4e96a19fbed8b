"""Head ablation: what some heads write is replaced by its mean, and as many others' for comparison."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.models.population import Population
from ontogeny.streams import Streams

HEADS = "blocks.*.attn.hook_z"

Edits = dict[str, Callable[[Tensor], Tensor]]


def mean_outputs(population: Population, inputs: Tensor) -> Float[Tensor, "member layer head feature"]:
    """What every head gives on average over samples and positions, before its output map. Without gradients."""
    with torch.no_grad():
        _, seen = population.record(inputs, HEADS)
    return torch.stack([z.flatten(1, 2).mean(1) for z in seen.values()], 1)


def ablated(heads: Bool[Tensor, "member layer head"], instead: Float[Tensor, "member layer head feature"]) -> Edits:
    """Edits for `population.edit` that put `instead` (see `mean_outputs`) in the place of what the chosen heads give.

    Each member has its own choice. Where none is chosen nothing changes, bit for bit.
    """
    return {
        f"blocks.{layer}.attn.hook_z": partial(_replace, heads[:, layer], instead[:, layer])
        for layer in range(heads.shape[1])
    }


def other_heads(
    streams: Streams, heads: Bool[Tensor, "member layer head"]
) -> tuple[Bool[Tensor, "member layer head"], Bool[Tensor, "member"]]:
    """As many heads as were chosen, or all if there are fewer, drawn from the others; and which members have others."""
    order = streams.permutation("other heads", (1,), heads[0].numel())[:, 0]
    # Those chosen go last; of the rest, as many as were chosen come first.
    place = torch.argsort(torch.argsort(order + heads.flatten(1) * order.shape[1], dim=1), dim=1)
    count = heads.flatten(1).sum(1)
    return ((place < count[:, None]) & ~heads.flatten(1)).view_as(heads), count < order.shape[1]


def _replace(
    chosen: Bool[Tensor, "member head"],
    instead: Float[Tensor, "member head feature"],
    z: Float[Tensor, "member sample position head feature"],
) -> Float[Tensor, "member sample position head feature"]:
    return torch.where(chosen[:, None, None, :, None], instead[:, None, None], z)
