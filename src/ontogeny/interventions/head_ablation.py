"""Head ablation: what some heads write is replaced by what they write on average, or by nothing."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.models.population import Population
from ontogeny.streams import Streams

Z = "blocks.{}.attn.hook_z"

Writes = Float[Tensor, "member layer position head feature"]
Edits = dict[str, Callable[[Tensor], Tensor]]


@torch.no_grad()
def mean_writes(population: Population, inputs: Tensor) -> Writes:
    """What every head gives at every position, before its output map, averaged over the samples."""
    _, seen = population.record(inputs, Z.format("*"))
    return torch.stack([z.mean(1) for z in seen.values()], 1)


def ablated(
    population: Population, heads: Bool[Tensor, "member #sample layer head"], instead: Writes | None = None
) -> Edits:
    """Edits for `population.edit`, in which the marked heads give `instead` (None: zeros), whatever they read.

    `heads` marks each member's own, for all samples alike or sample by sample. `instead` has one position for all of
    them, or one for each: inputs may be shorter than what it was averaged over. Replacing by the mean takes away what
    depends on the input and leaves the scale of the stream as it was; zeros take the constant part too. Where no head
    is marked nothing changes, bit for bit.

    Raises: `UserError` for marks that do not fit the heads of the network.
    """
    if Z.format(heads.shape[2]) in dict(population.network.named_modules()):
        raise UserError(f"the network has more than {heads.shape[2]} layers: mark the heads of all of them")
    return {
        Z.format(i): partial(_replace, heads[:, :, i], None if instead is None else instead[:, i])
        for i in range(heads.shape[2])
    }


def _replace(
    heads: Bool[Tensor, "member #sample marked"],
    instead: Float[Tensor, "member position head feature"] | None,
    z: Float[Tensor, "member sample here head feature"],
) -> Tensor:
    if heads.shape[-1] != z.shape[3]:
        raise UserError(f"marks for {heads.shape[-1]} heads a layer in a network with {z.shape[3]}: mark each of them")
    marked = heads[:, :, None, :, None]
    return z.where(~marked, 0.0 if instead is None else instead[:, None, : z.shape[2]])


def matched_heads(
    streams: Streams,
    chosen: Bool[Tensor, "member layer head"],
    outside: Bool[Tensor, "member layer head"],
    draws: int,
) -> Bool[Tensor, "member draw layer head"]:
    """Random controls of an ablation: in every draw as many heads as `chosen` marks, none of those in `outside`.

    They may be of any layer. Where fewer are left than are chosen, all that are left are taken.
    """
    layers, heads = chosen.shape[1:]
    key = streams.uniform("heads", (draws, layers * heads)) + 2.0 * outside.flatten(1)[:, None]
    rank = torch.argsort(torch.argsort(key, dim=-1, stable=True), dim=-1)
    count = chosen.flatten(1).sum(1)[:, None, None]
    return ((rank < count) & ~outside.flatten(1)[:, None]).unflatten(-1, (layers, heads))
