"""Head scores: what a head attends to: the token before, what followed earlier copies, or marked positions."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_mean

PATTERN = "blocks.*.attn.hook_pattern"
HEAD_DIMS = ("member", "block", "head")  # not "layer": the stream has one more, before the first block


def patterns(population: Population, inputs: Tensor) -> Float[Tensor, "member sample layer head query key"]:
    """The attention patterns of all heads."""
    _, seen = population.record(inputs, PATTERN)
    return torch.stack(list(seen.values()), 2)


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


def attention_before(
    pattern: Float[Tensor, "member sample layer head query key"], at: Int[Tensor, "member sample"]
) -> Float[Tensor, "member layer head"]:
    """Mean attention from position `at`, 1 or later, to the one before it: 1 for a perfect previous-token head."""
    onto = torch.arange(pattern.shape[-1], device=pattern.device) == at[..., None] - 1
    return attention_mass(pattern, at, onto)


def attention_contrast(
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
