"""Map reliability: which points of an embedding picture to distrust, by two scores and a jump profile."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.measures.loo_map import FrozenMap, loo_map
from ontogeny.measures.tsne import Progress, hessian_blocks, require_minimum

SINGULAR = 1e-10  # a smallest eigenvalue below it counts as 0


def principal_directions(x: Float[Tensor, "point feature"], count: int = 3) -> Float[Tensor, "direction feature"]:
    """Plus and minus the first `count` principal directions of the data (fewer where it has fewer columns)."""
    _, _, v = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    return torch.cat([v[:count], -v[:count]])


def perturbation_score(
    frozen: FrozenMap,
    x: Float[Tensor, "point feature"],
    points: Int[Tensor, "some"] | None = None,
    *,
    length: float = 0.5,
    directions: int = 3,
    progress: Progress | None = None,
) -> Float[Tensor, "some"]:
    r"""How far a point leaps in the picture when its data move a little: high where the map tears or guesses.

    $$\max_u \| f(x_i + \lambda u) - y_i \|$$

    over plus and minus the top principal directions u, f being the LOO-map. In units of the picture, so compare within
    one picture only. The effect is in the tail: medians hide it. `points` names the points to score (None: all).

    Cost: 2 * directions LOO-map queries a point. Source: Liu, Ma & Zhong (arXiv 2410.16608).
    """
    points = torch.arange(len(x), device=x.device) if points is None else points
    ways = length * principal_directions(x, directions)
    queries = (x[points][:, None] + ways).flatten(0, 1)
    moved = points.repeat_interleave(len(ways))
    place, _ = loo_map(frozen, queries, moved, progress=progress)
    return (place - frozen.y[moved]).norm(dim=-1).unflatten(0, (len(points), len(ways))).amax(-1)


def singularity_score(
    p: Float[Tensor, "point point"], y: Float[Tensor, "point 2"], *, tolerance: float = 1e-5
) -> Float[Tensor, "point"]:
    r"""How loosely a point sits where it is drawn: high where the picture is fractured.

    $1 / \lambda_{\min}$ of the 2 x 2 Hessian block at each point, in squared units of the picture. Print and average
    its logarithm: over one picture it runs through decades. A smallest eigenvalue within 1e-10 of 0 counts as singular
    and gives 1e10; a negative one means that the point is not at a minimum and gives NaN.

    Raises: `UserError` when the picture is not at a minimum of t-SNE's objective, for then the score says nothing.
    Source: Liu, Ma & Zhong (arXiv 2410.16608).
    """
    require_minimum(p, y, tolerance=tolerance)
    smallest = torch.linalg.eigvalsh(hessian_blocks(p, y))[:, 0]
    return torch.where(smallest < -SINGULAR, torch.nan, 1.0 / smallest.clamp_min(SINGULAR))


def jump(path: Float[Tensor, "place 2"]) -> Float[Tensor, ""]:
    """Largest step of a path over its length: 1 / steps for an even walk, towards 1 for a single leap.

    NaN for a path that never moves.
    """
    steps = path.diff(dim=0).norm(dim=-1)
    return steps.max() / steps.sum()


def tail(score: Float[Tensor, "point"], *, times: float = 3.0) -> Tensor:
    """Which points score more than three times the median."""
    return score > times * score.median()
