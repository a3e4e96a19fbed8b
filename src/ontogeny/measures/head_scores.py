"""Head scores: what a head attends to, where it stands: the position before, or the examples of one kind."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_mean

PATTERN = "blocks.*.attn.hook_pattern"
HEAD_DIMS = ("member", "block", "head")  # not "layer": the stream has one more, before the first block


def patterns(population: Population, inputs: Tensor) -> Float[Tensor, "member sample layer head query key"]:
    """The attention patterns of all heads."""
    _, seen = population.record(inputs, PATTERN)
    return torch.stack(list(seen.values()), 2)


def attention_mass(
    pattern: Float[Tensor, "member sample layer head query key"],
    at: Int[Tensor, "member sample"],
    onto: Bool[Tensor, "member sample key"],
) -> Float[Tensor, "member layer head"]:
    """Mean over samples of the attention that each head pays from position `at` to the positions marked in `onto`.

    From 0 to 1. Uniform causal attention pays m / (t + 1) from position t to m marked ones that are not after it.
    """
    where = at[..., None, None, None, None].expand(*pattern.shape[:4], 1, pattern.shape[-1])
    row = pattern.gather(4, where)[..., 0, :]
    paid = (row * onto[:, :, None, None]).sum(-1).permute(0, 2, 3, 1)
    return member_mean(paid.flatten(0, 2)).view(paid.shape[:3])


def previous_token_score(
    pattern: Float[Tensor, "member sample layer head query key"], at: Int[Tensor, "member sample"]
) -> Float[Tensor, "member layer head"]:
    """Mean attention from position `at`, 1 or later, to the one before it: 1 for a perfect previous-token head."""
    onto = torch.arange(pattern.shape[-1], device=pattern.device) == at[..., None] - 1
    return attention_mass(pattern, at, onto)


def induction_score(
    pattern: Float[Tensor, "member sample layer head query key"],
    at: Int[Tensor, "member sample"],
    same: Bool[Tensor, "member sample key"],
    other: Bool[Tensor, "member sample key"],
) -> Float[Tensor, "member layer head"]:
    """Mean attention from `at` to what followed things like the one asked about, less that to what followed others.

    From -1 to 1; 0 for a head that does not tell them apart, however much it attends to both.

    Source: the prefix-matching score of Olsson et al., arXiv 2209.11895, with its contrast.
    """
    return attention_mass(pattern, at, same) - attention_mass(pattern, at, other)


def heads_above(
    score: Float[Tensor, "member layer head"],
    least: float,
    otherwise: int,
    among: Bool[Tensor, "member layer head"] | None = None,
) -> Bool[Tensor, "member layer head"]:
    """The heads of `among` (None: all) that score `least` or more; in a member that has none, its `otherwise` best.

    Of equal scores the earlier head counts as the better one.
    """
    if among is None:
        among = torch.ones_like(score, dtype=torch.bool)
    ranked = score.where(among, -torch.inf).flatten(1)
    best = torch.argsort(torch.argsort(ranked, dim=-1, descending=True, stable=True), dim=-1) < otherwise
    best = best.view(score.shape) & among
    found = (score >= least) & among
    return torch.where(found.flatten(1).any(1)[:, None, None], found, best)


def labelled_scores(score: Float[Tensor, "member layer head"]) -> Labelled:
    """A score with its axes named, blocks and heads counted from 1."""
    layers, heads = score.shape[1:]
    coords = {"block": range(1, layers + 1), "head": range(1, heads + 1)}
    return Labelled(score, HEAD_DIMS, coords, unit="share of attention")
