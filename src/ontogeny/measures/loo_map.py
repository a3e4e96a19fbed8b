"""LOO-map: where a finished picture would put a point it has not seen, or one that moved."""

import copy
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.measures.new_neighbours import Neighbourhoods
from ontogeny.measures.plane_minima import Landscape, minimise
from ontogeny.measures.tsne import Progress, kernel

# Pairs of query and point that are minimised at once: what a CPU's cache holds, what fills a GPU.
_CHUNK = {"cpu": 2**18, "cuda": 2**24}


@runtime_checkable
class FrozenMap(Protocol):
    """A finished picture with the rule it was drawn by."""

    y: Tensor  # [point, 2]

    def similarities(self, x: Tensor, moved: Tensor | None) -> Tensor:
        """How much each query is drawn to each point, `[query, point]`; 0 to the point that it replaces."""
        ...

    def landscape(self, similarities: Tensor, moved: Tensor | None) -> Landscape:
        """The loss of each query over the plane, all other points held fast."""
        ...


class FrozenTSNE:
    r"""A t-SNE picture: its leave-one-out loss.

    $$L(y; x) = 2 \sum_j P_{0j} \ln(1 + \|y - y_j\|^2) + \ln\Big(\sum_{k \ne l} \frac1{1 + d_{kl}^2}\Big)$$

    P is computed anew with the query in the data; the second sum runs over all pairs, the query among them. In nats,
    up to a constant. Source: Liu, Ma & Zhong (arXiv 2410.16608), equation of the LOO loss.
    """

    def __init__(self, x: Float[Tensor, "point feature"], y: Float[Tensor, "place axis"], perplexity: float) -> None:
        self.data = Neighbourhoods(x, perplexity)
        self._draw(y)

    def _draw(self, y: Tensor) -> None:
        require_picture(self.data.x, y)
        q = kernel(y)
        self.y, self.total, self.share = y, q.sum(), 2.0 * q.sum(-1)

    def at(self, y: Float[Tensor, "point 2"]) -> "FrozenTSNE":
        """Another picture of the same data, at the same perplexity."""
        other = copy.copy(self)
        other._draw(y)
        return other

    @property
    def joint(self) -> Float[Tensor, "point point"]:
        """P of the data as they are."""
        return (self.data.conditional + self.data.conditional.mT) / (2 * len(self.data))

    def similarities(self, x: Tensor, moved: Tensor | None) -> Tensor:
        """The similarities P_0j of each query."""
        return self.data.joint_row(x, moved)

    def landscape(self, similarities: Tensor, moved: Tensor | None) -> Landscape:
        """Value, gradient and Hessian of the leave-one-out loss, times the number of points."""
        n = len(self.y)
        rest = self.total - self.share[moved] if moved is not None else self.total.expand(len(similarities))

        def loss(at: Tensor, query: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            dx, dy = at[:, :1] - self.y[:, 0], at[:, 1:] - self.y[:, 1]
            near = 1.0 / (1.0 + dx.square() + dy.square())
            p = similarities[query]
            value = -2.0 * (p * near.log()).sum(-1)
            pull, repel = p * near, near.square()
            bend = pull * near
            if moved is not None:
                own = moved[query][:, None]
                near, repel = near.scatter(1, own, 0.0), repel.scatter(1, own, 0.0)
            steep = repel * near
            z = rest[query] + 2.0 * near.sum(-1)
            value = value + z.log()
            g = [(4.0 * pull * d - 4.0 / z[:, None] * repel * d).sum(-1) for d in (dx, dy)]
            push = [4.0 / z * (repel * d).sum(-1) for d in (dx, dy)]
            straight = 4.0 * pull.sum(-1) - 4.0 / z * repel.sum(-1)
            curve = -8.0 * bend + 16.0 / z[:, None] * steep
            xx = straight + (curve * dx.square()).sum(-1) - push[0] ** 2
            yy = straight + (curve * dy.square()).sum(-1) - push[1] ** 2
            xy = (curve * dx * dy).sum(-1) - push[0] * push[1]
            h = torch.stack([xx, xy, xy, yy], -1).unflatten(-1, (2, 2))
            return n * value, n * torch.stack(g, -1), n * h

        return loss


def loo_map(
    frozen: FrozenMap,
    x: Float[Tensor, "query feature"],
    moved: Int[Tensor, "query"] | None = None,
    *,
    progress: Progress | None = None,
) -> tuple[Float[Tensor, "query 2"], Float[Tensor, "query"]]:
    r"""$f(x) = \arg\min_y L(y; x)$ for each query, and how far the second-best valley that was found lies from it.

    Each query starts at the drawn positions of the two points most similar to it and, where it is a point of the
    picture that moved, at its own; the lowest of the minima found is its place. All minimisations run at once.
    The second value is 0 where all starts ended in one valley.

    Raises: `UserError` for queries with another number of features than the data of the map.
    """
    places, others = [], []
    each = max(1, _CHUNK.get(x.device.type, 2**20) // (3 * len(frozen.y)))
    for i in range(0, len(x), each):
        near = None if moved is None else moved[i : i + each]
        place, other = _placed(frozen, x[i : i + each], near)
        places.append(place)
        others.append(other)
        if progress is not None:
            progress("placing moved points", min(i + each, len(x)), len(x))
    return torch.cat(places), torch.cat(others)


def _placed(frozen: FrozenMap, x: Tensor, moved: Tensor | None) -> tuple[Tensor, Tensor]:
    p = frozen.similarities(x, moved)
    start = frozen.y[p.topk(2, dim=-1).indices]
    if moved is not None:
        start = torch.cat([start, frozen.y[moved][:, None]], 1)
    count, starts = start.shape[:2]
    query = torch.arange(count, device=x.device).repeat_interleave(starts)
    span = float((frozen.y.amax(0) - frozen.y.amin(0)).max())
    reach = max(span / 20, 1e-12)
    y, value = minimise(frozen.landscape(p, moved), start.flatten(0, 1), query, reach=reach)
    y, value = y.unflatten(0, (count, starts)), value.unflatten(0, (count, starts))
    best = value.argmin(-1)
    place = y[torch.arange(count, device=x.device), best]
    return place, (y - place[:, None]).norm(dim=-1).amax(-1)


def require_picture(x: Tensor, y: Tensor) -> None:
    """Refuses what is not a picture of the data.

    Raises: `UserError` when it is not one pair of finite coordinates for each row of the data.
    """
    if y.ndim != 2 or y.shape[1] != 2 or len(y) != len(x):
        raise UserError(f"a picture is one pair of coordinates for each of the {len(x)} rows, got {tuple(y.shape)}")
    if not bool(y.isfinite().all()):
        raise UserError("a picture has finite coordinates, this one has not: drop the rows without a place")
