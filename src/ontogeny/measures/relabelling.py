"""Relabelling: the null against which a graph is found in a geometry, the same graph with its nodes renamed."""

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams

COUNT = 1_000
ROUNDS = 16  # of draws, before a graph is held to have no other form


def relabellings(edges: Bool[Tensor, "node node"], count: int = COUNT) -> Int[Tensor, "relabelling node"]:
    """`count` random orders of the nodes, always the same ones, none of which maps the graph onto itself.

    Raises: `UserError` for a graph that hardly any order changes: without edges, complete, or very small.
    """
    kept = torch.zeros(0, len(edges), dtype=torch.long, device=edges.device)
    for round_ in range(ROUNDS):
        streams = Streams((0,), device=edges.device).of("relabellings").at(round_)
        orders = streams.permutation("order", (count,), len(edges))[0]
        moved = edges[orders[:, :, None], orders[:, None, :]]
        kept = torch.cat([kept, orders[(moved != edges).any(-1).any(-1)]])
        if len(kept) >= count:
            return kept[:count]
    raise UserError(f"a graph of {len(edges)} nodes is the same in nearly any order: relabelling it tells nothing")


def relabelled(
    table: Shaped[Tensor, "node node *rest"], orders: Int[Tensor, "relabelling node"]
) -> Shaped[Tensor, "relabelling node node *rest"]:
    """A table over pairs of nodes under every order."""
    return table[orders[:, :, None], orders[:, None, :]]


def above_null(
    value: Float[Tensor, "*lead"], null: Float[Tensor, "*lead relabelling"]
) -> tuple[Float[Tensor, "*lead"], Float[Tensor, "*lead"]]:
    """How many standard deviations of the null a value lies above its mean, and the share of the null below it.

    Both are NaN where the value is. A null without spread gives an infinite or undefined first number.
    """
    score = (value - null.mean(-1)) / null.std(-1)
    share = (null < value[..., None]).to(value.dtype).mean(-1)
    return score, share.where(value.isfinite(), torch.nan)
