"""Random directed graphs without cycles, and the exact numbers of their paths."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import Part
from ontogeny.streams import Streams


@dataclass(frozen=True)
class Graphs:
    """One graph a member. Nodes are numbered at random, so that a number says nothing about a place."""

    edges: Bool[Tensor, "member node node"]  # from row to column
    level: Int[Tensor, "member node"]  # the layer of a node, or its place in the order: edges lead upwards


class RandomDAG(Part):
    """A law of graphs without cycles. Abstract: gives `nodes`, `draw` and `gap`."""

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        raise NotImplementedError

    def draw(self, streams: Streams) -> Graphs:
        """A graph a member."""
        raise NotImplementedError

    def gap(self, graphs: Graphs) -> Int[Tensor, "member node node"]:
        """How far the end of a pair lies above its start by the order alone, 1 or more; 0 for a pair not in order."""
        raise NotImplementedError


class Layered(RandomDAG):
    """`layers` layers of `width` nodes; each node leads to each node of the next layer with probability `density`.

    Then a node without a way out gets one random edge to the next layer, and one without a way in one from the layer
    before. All paths between two nodes are as long as there are layers between them.

    Source: the hierarchical graphs of Khona et al., arXiv 2402.07757.
    """

    layers: int
    width: int
    density: float

    def check(self) -> None:
        """Two layers or more, and a probability."""
        if self.layers < 2 or self.width < 1:
            raise UserError(f"Layered needs 2 layers of a node or more, got {self.layers} of {self.width}")
        _check_density(self.density)

    @property
    def nodes(self) -> int:
        """layers * width."""
        return self.layers * self.width

    def draw(self, streams: Streams) -> Graphs:
        """Edges between neighbouring layers."""
        layers, width, members = self.layers, self.width, streams.members
        blocks = streams.bernoulli("edges", (layers - 1, width, width), self.density)
        way_out = _one_hot(streams.integers("way out", (layers - 1, width), width), width)
        blocks = blocks | (way_out & ~blocks.any(-1, keepdim=True))
        way_in = _one_hot(streams.integers("way in", (layers - 1, width), width), width).mT
        blocks = blocks | (way_in & ~blocks.any(-2, keepdim=True))
        ordered = blocks.new_zeros(members, layers, width, layers, width)
        for i in range(layers - 1):
            ordered[:, i, :, i + 1] = blocks[:, i]
        place = streams.permutation("names", (), self.nodes)
        return Graphs(_renamed(ordered.view(members, self.nodes, self.nodes), place), place // width)

    def gap(self, graphs: Graphs) -> Int[Tensor, "member node node"]:
        """Layers from one to the other."""
        return _above(graphs.level)


class Ordered(RandomDAG):
    """Nodes in a random order; each leads to each later one with probability `density`.

    The order alone does not say how far apart two nodes are, so all pairs in order have the gap 1.
    Source: the Bernoulli graphs of Khona et al., arXiv 2402.07757.
    """

    size: int
    density: float

    def check(self) -> None:
        """Two nodes or more, and a probability."""
        if self.size < 2:
            raise UserError(f"Ordered needs 2 nodes or more, got {self.size}")
        _check_density(self.density)

    @property
    def nodes(self) -> int:
        """As many as asked for."""
        return self.size

    def draw(self, streams: Streams) -> Graphs:
        """Edges from earlier to later nodes."""
        ordered = streams.bernoulli("edges", (self.size, self.size), self.density).triu(1)
        place = streams.permutation("names", (), self.size)
        return Graphs(_renamed(ordered, place), place)

    def gap(self, graphs: Graphs) -> Int[Tensor, "member node node"]:
        """1 for every pair in order."""
        return _above(graphs.level).clamp_max(1)


def count_paths(edges: Bool[Tensor, "member node node"], most: int) -> Float[Tensor, "member budget node node"]:
    r"""Number of paths of at most r edges from one node to another, for r = 0 to `most`: $P_r = 1 + A P_{r-1}$.

    Float64, exact up to 2^53 paths. A node reaches itself by the path without edges.
    """
    adjacency = edges.double()
    none = torch.eye(edges.shape[-1], dtype=torch.float64, device=edges.device).expand_as(adjacency)
    counts = [none]
    for _ in range(most):
        counts.append(none + torch.bmm(adjacency, counts[-1]))
    return torch.stack(counts, 1)


def reaches(edges: Bool[Tensor, "member node node"]) -> Bool[Tensor, "member node node"]:
    """Whether a path leads from one node to another, of any length; every node reaches itself."""
    closed = edges | torch.eye(edges.shape[-1], dtype=torch.bool, device=edges.device)
    for _ in range((edges.shape[-1] - 1).bit_length()):  # every product doubles the length that is covered
        closed = torch.bmm(closed.double(), closed.double()) > 0
    return closed


def _check_density(density: float) -> None:
    if not 0.0 <= density <= 1.0:
        raise UserError(f"density is the probability of an edge, got {density}: give a number from 0 to 1")


def _above(level: Int[Tensor, "member node"]) -> Int[Tensor, "member node node"]:
    return (level[:, None] - level[..., None]).clamp_min(0)


def _one_hot(index: Int[Tensor, "*lead"], size: int) -> Bool[Tensor, "*lead size"]:
    return index[..., None] == torch.arange(size, device=index.device)


def _renamed(
    ordered: Bool[Tensor, "member node node"], place: Int[Tensor, "member node"]
) -> Bool[Tensor, "member node node"]:
    """The same graph with node i standing where `place[i]` stood."""
    rows = ordered.gather(1, place[..., None].expand_as(ordered))
    return rows.gather(2, place[:, None].expand_as(ordered))
