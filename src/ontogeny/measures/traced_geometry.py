"""Traced geometry: whether the graph walked in a context shows in the mean representations of its tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.interventions.head_ablation import Edits
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.dirichlet_energy import dirichlet_energy
from ontogeny.measures.distances import pooled_distances, squared_distances
from ontogeny.measures.graph_fit import graph_fit
from ontogeny.measures.hidden_states import hidden_states
from ontogeny.measures.node_means import aligned, node_means, without_names
from ontogeny.measures.relabelling import above_null, relabellings
from ontogeny.measures.traced_prediction import cuts, held_out, tracing
from ontogeny.models.population import Population
from ontogeny.models.stacked import matmul
from ontogeny.streams import Streams
from ontogeny.tasks.graph_walks import Walks
from ontogeny.tasks.graphs import Graph

HALVES = ("choose", "read")  # of the walks: one to choose a layer on, one to read it
CONDITIONS = ("as it is", "shuffled", "relabelled", "induction heads", "other heads", "token before")
SMOOTHINGS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
ESTIMATES = ("pooled", "aligned")  # distances averaged over walks, or distances of the averages over walks
FEWEST = 3  # walks that a pair of nodes must be seen in to have a distance
LEVEL = 0.99  # of the null


@dataclass(frozen=True)
class Traced:
    """Where nodes lie, in two halves of the walks: squared distances by both of `ESTIMATES`, and the aligned means.

    `bare` is what is left when the part that belongs to the nodes' names is taken off.
    """

    bare: Float[Tensor, "member layer half estimate node node"]
    raw: Float[Tensor, "member layer half estimate node node"]
    means: Float[Tensor, "member layer half node width"]


def traced(hidden: Float[Tensor, "member layer sample position width"], walks: Walks, time: int, tokens: int) -> Traced:
    """Nodes by their mean hidden states in the window of the last time // 2 steps up to `time`.

    Position 0 of `hidden` is the mode. Aligned, a node counts when 10 walks saw it (a quarter of the walks of a half
    where that is less); pooled, a pair when 3 walks saw both, so that short windows on large graphs are undefined.
    """
    members, layers, samples, _, width = hidden.shape
    here, half, nodes = slice(time - time // 2, time), samples // 2, walks.names.shape[-1]
    least = min(10, max(1, half // 4))

    def split(x: Tensor) -> Tensor:
        return x[:, None, : 2 * half].unflatten(2, (2, half)).expand(-1, layers, *[-1] * x.ndim)

    states = hidden[..., : 2 * half, 1:, :][..., here, :].reshape(members, layers, 2, half, -1, width)
    means, seen = node_means(states, split(walks.nodes[..., here]), nodes)
    bare, known = without_names(means, seen, split(walks.names), tokens)

    def both(points: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        mean = aligned(points, there, least).double()
        return torch.stack([pooled_distances(points, there, min(FEWEST, least)), squared_distances(mean)], -3), mean

    apart, mean = both(bare, known)
    return Traced(apart, both(means, seen)[0], mean)


def shuffled(walks: Walks, streams: Streams) -> Walks:
    """The same steps in another order, in which nothing is left of the graph."""
    order = streams.permutation("shuffle", (walks.nodes.shape[1],), walks.nodes.shape[2])
    moved = torch.cat([walks.inputs[..., :1], walks.inputs[..., 1:].gather(2, order)], 2)
    return replace(walks, inputs=moved, nodes=walks.nodes.gather(2, order))


def renamed(walks: Walks, streams: Streams) -> Walks:
    """The same walks, with the nodes of each numbered in an order of its own."""
    order = streams.permutation("relabel", (walks.names.shape[1],), walks.names.shape[2])
    back = torch.argsort(order, dim=-1)
    return replace(walks, nodes=back.gather(2, walks.nodes), names=walks.names.gather(2, order))


def smoothed(
    embedded: Float[Tensor, "member sample position width"], shares: tuple[float, ...] = SMOOTHINGS
) -> Float[Tensor, "member share sample position width"]:
    """Exponential moving averages of the past, h_t = (1 - s) sum_k s^k e_(t - k), for each share s."""
    length, width = embedded.shape[-2:]
    share = torch.tensor(shares, dtype=embedded.dtype, device=embedded.device)[:, None, None]
    ago = torch.arange(length, device=embedded.device)[:, None] - torch.arange(length, device=embedded.device)
    kernel = ((1 - share) * torch.exp(ago.clamp_min(0) * torch.log(share))).where(ago >= 0, 0.0)
    flat = embedded.reshape(-1, length, width)
    each = [matmul(row.expand(len(flat), -1, -1), flat).view_as(embedded) for row in kernel]
    return torch.stack(each, 1)


class TracedGeometry(Measure):
    """The graph in the means of its nodes, at the steps `times` of `samples` held-out walks on each of `graphs`.

    `layer` counts from 1; `half` are two halves of the walks, that a layer can be chosen on one and read on the other.
    `estimate` tells pooled from aligned: squared distances averaged over the walks, or those between the averages over
    walks of each node. Aligned, what a node is by its neighbours' names averages out, and what is left is in great part
    the chance of a finite number of walks; pooled, it stays.

    - `graph_fit`, `graph_fit_null` `[member, graph, time, layer, half, estimate]`: the fit (`graph_fit`) of the
      nodes without names, and the 99 % point of its relabelled graphs.
    - `energy`, `energy_score`: the Dirichlet energy of the same, and how many standard deviations it lies above that of
      relabelled graphs; `raw_energy`, `raw_energy_score` with the names left in.
    - `condition_fit`, `condition_null` `[member, condition, graph, layer, half, estimate]` at the last time: as it is,
      with the steps shuffled, with the nodes relabelled in every walk, and with heads cut as in `TracedPrediction`; a
      member without other heads has what it has as it is.
    - `smoothed_fit` `[member, graph, share, half, estimate]`: of moving averages of the embeddings, at the last time.
    - `node_map` `[member, graph, time, layer, node, axis]`: the two main axes of the aligned means without names,
      of both halves; NaN for nodes that a smaller graph has not.
    """

    graphs: Mapping[str, Graph]
    times: tuple[int, ...]
    samples: int = 256

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Reads every walk five times."""
        edits, _, _ = cuts(at, next(iter(self.graphs.values())), self.samples // 4)
        most = max(graph.nodes for graph in self.graphs.values())
        found: dict[str, list[Tensor]] = {}
        for name, graph in self.graphs.items():
            for key, value in self._graph(at, name, graph, edits, most).items():
                found.setdefault(key, []).append(value)
        dims = ("member", "graph", "time", "layer", "half", "estimate")
        by = {
            "condition_fit": ("member", "condition", "graph", "layer", "half", "estimate"),
            "condition_null": ("member", "condition", "graph", "layer", "half", "estimate"),
            "smoothed_fit": ("member", "graph", "share", "half", "estimate"),
            "node_map": ("member", "graph", "time", "layer", "node", "axis"),
        }
        labels = {
            "graph": list(self.graphs),
            "time": list(self.times),
            "half": list(HALVES),
            "estimate": list(ESTIMATES),
            "condition": list(CONDITIONS),
            "share": list(SMOOTHINGS),
            "layer": range(1, found["energy"][0].shape[2] + 1),
        }
        return {
            key: Labelled(
                torch.stack(values, by.get(key, dims).index("graph")),
                by.get(key, dims),
                {dim: labels[dim] for dim in by.get(key, dims) if dim in labels},
            )
            for key, values in found.items()
        }

    def _graph(self, at: Checkpoint, name: str, graph: Graph, edits: dict[str, Edits], most: int) -> dict[str, Tensor]:
        walks, tokens, last = held_out(at, name, graph, self.samples), tracing(at).tokens, self.times[-1]
        edges = graph.draw(Streams((0,), device=walks.edges.device))[0, 0]
        orders, streams = relabellings(edges), at.streams.of("controls").of(name)
        hidden = _hidden(at.population, walks)
        states = hidden[:, 1:]
        over_time = [traced(states, walks, time, tokens) for time in self.times]
        found = _statistics(over_time, edges, orders)
        found["node_map"] = torch.stack([_map(means.means, most) for means in over_time], 1)
        moved, mixed = shuffled(walks, streams), renamed(walks, streams)
        conditions = [
            over_time[-1],
            traced(_hidden(at.population, moved)[:, 1:], moved, last, tokens),
            traced(states, mixed, last, tokens),
        ]
        for cut in CONDITIONS[3:]:
            with at.population.edit(edits[cut]):
                conditions.append(traced(_hidden(at.population, walks)[:, 1:], walks, last, tokens))
        bare = torch.stack([means.bare for means in conditions], 1)
        found["condition_fit"] = graph_fit(bare, edges)
        found["condition_null"] = graph_fit(bare, edges, orders).quantile(LEVEL, -1)
        averages = traced(smoothed(hidden[:, 0]), walks, last, tokens)
        found["smoothed_fit"] = graph_fit(averages.bare, edges)
        return found


def _hidden(population: Population, walks: Walks) -> Float[Tensor, "member layer sample position width"]:
    return torch.cat([hidden for _, hidden in hidden_states(population, walks.inputs, at_once=32)], 2)


def _statistics(over_time: list[Traced], edges: Bool[Tensor, "node node"], orders: Tensor) -> dict[str, Tensor]:
    bare = torch.stack([means.bare for means in over_time], 1)
    raw = torch.stack([means.raw for means in over_time], 1)
    found = {"graph_fit": graph_fit(bare, edges), "graph_fit_null": graph_fit(bare, edges, orders).quantile(LEVEL, -1)}
    for name, points in (("energy", bare), ("raw_energy", raw)):
        found[name] = dirichlet_energy(points, edges)
        found[f"{name}_score"] = above_null(found[name], dirichlet_energy(points, edges, orders))[0]
    return found


def _map(bare: Float[Tensor, "member layer half node width"], most: int) -> Float[Tensor, "member layer most axis"]:
    """Both halves' mean on its two main axes, with a sign that does not depend on the solver."""
    points = bare.mean(2)
    centred = points - points.mean(-2, keepdim=True)
    finite = centred.isfinite().all(-1).all(-1)[..., None, None]
    u, sigma, _ = torch.linalg.svd(centred.where(finite, 0.0), full_matrices=False)
    on = u[..., :2] * sigma[..., None, :2]
    on = on * torch.where(on[..., :1, :] < 0, -1.0, 1.0)
    return torch.nn.functional.pad(on.where(finite, torch.nan), (0, 0, 0, most - on.shape[-2]), value=torch.nan)
