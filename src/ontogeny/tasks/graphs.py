"""Undirected graphs to walk on: circulants, grids, tori and random regular graphs, as tables for the device."""

import math

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import Part
from ontogeny.streams import Streams

TRIES = 2_000  # pairings of half-edges drawn at once
ROUNDS = 64  # of tries, before a random graph is given up


class Graph(Part):
    """Abstract: gives `nodes` and `draw`. Nodes are numbered from 0; edges have no direction and no loops."""

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        raise NotImplementedError

    def draw(self, streams: Streams) -> Bool[Tensor, "member graph node node"]:
        """Adjacency of one graph a member, or of several to choose from."""
        raise NotImplementedError


class Circulant(Graph):
    """Node i is joined to i - j and i + j (mod `size`) for every j in `jumps`: C9(1, 2) with the defaults.

    `jumps=(1,)` is the ring.
    """

    size: int = 9
    jumps: tuple[int, ...] = (1, 2)

    def check(self) -> None:
        """Jumps from 1 to half the size, none twice."""
        fit = all(1 <= jump <= self.size // 2 for jump in self.jumps)
        if not self.jumps or len(set(self.jumps)) < len(self.jumps) or not fit:
            raise UserError(
                f"Circulant: jumps are different numbers from 1 to size // 2, got {self.jumps} of {self.size}"
            )

    @property
    def nodes(self) -> int:
        """`size`."""
        return self.size

    def draw(self, streams: Streams) -> Bool[Tensor, "member 1 node node"]:
        """The same graph for all members."""
        index = torch.arange(self.size, device=streams.device)
        apart = (index[:, None] - index).abs()
        apart = torch.minimum(apart, self.size - apart)
        joined = torch.isin(apart, torch.tensor(self.jumps, device=streams.device))
        return joined.expand(streams.members, 1, -1, -1)


class Grid(Graph):
    """A rectangle of nodes, row by row, each joined to the next in its row and in its column.

    With `diagonals` also to the diagonal ones (the king's moves of chess). With `wraps` the last of a row or column is
    next to the first: a torus.
    """

    rows: int
    columns: int
    diagonals: bool = False
    wraps: bool = False

    def check(self) -> None:
        """At least a node a side, and three where a side closes on itself."""
        least = 3 if self.wraps else 1
        if min(self.rows, self.columns) < least or self.rows * self.columns < 2:
            raise UserError(f"Grid: sides of {least} or more and 2 nodes or more, got {self.rows} x {self.columns}")

    @property
    def nodes(self) -> int:
        """Rows times columns."""
        return self.rows * self.columns

    def draw(self, streams: Streams) -> Bool[Tensor, "member 1 node node"]:
        """The same graph for all members."""
        index = torch.arange(self.nodes, device=streams.device)
        down, across = (
            self._apart(place, side)
            for place, side in ((index // self.columns, self.rows), (index % self.columns, self.columns))
        )
        joined = torch.maximum(down, across) == 1 if self.diagonals else down + across == 1
        return joined.expand(streams.members, 1, -1, -1)

    def _apart(self, place: Int[Tensor, "node"], side: int) -> Int[Tensor, "node node"]:
        apart = (place[:, None] - place).abs()
        return torch.minimum(apart, side - apart) if self.wraps else apart


class RandomRegular(Graph):
    """`count` graphs a member, uniform among the connected ones that are not bipartite and in which all have `degree`.

    Half-edges are paired at random, and a pairing with a loop or a double edge is drawn again (Bollobas, European
    Journal of Combinatorics 1, 1980), about exp((degree^2 - 1) / 4) times: for degrees up to 5 or so. A graph may be
    there twice.
    """

    size: int = 9
    degree: int = 4
    count: int = 100

    def check(self) -> None:
        """A graph of these numbers that is not bipartite must exist, and be found."""
        if not 2 <= self.degree < self.size or self.size * self.degree % 2 or self.count < 1:
            raise UserError(
                "RandomRegular: degree is from 2 to size - 1, size * degree is even and count 1 or more, got "
                f"size={self.size}, degree={self.degree}, count={self.count}"
            )
        if math.exp((self.degree**2 - 1) / 4) * self.count > TRIES * ROUNDS / 4:
            raise UserError(f"RandomRegular: too few pairings make a graph of degree {self.degree}: lower it, or count")

    @property
    def nodes(self) -> int:
        """`size`."""
        return self.size

    def draw(self, streams: Streams) -> Bool[Tensor, "member graph node node"]:
        """Each member's own graphs.

        Raises: `UserError` when too few were found.
        """
        return torch.stack([self._draw(streams.take([i])) for i in range(streams.members)])

    def _draw(self, streams: Streams) -> Bool[Tensor, "graph node node"]:
        found = torch.zeros(0, self.size, self.size, dtype=torch.bool, device=streams.device)
        for round_ in range(ROUNDS):
            order = streams.at(round_).permutation("pairing", (TRIES,), self.size * self.degree)[0]
            one, other = (order // self.degree).view(TRIES, -1, 2).unbind(-1)
            edges = torch.zeros(TRIES, self.size**2, dtype=torch.long, device=streams.device)
            edges.scatter_add_(1, one * self.size + other, torch.ones_like(one))
            edges.scatter_add_(1, other * self.size + one, torch.ones_like(one))
            edges = edges.view(TRIES, self.size, self.size)
            simple = (edges.amax((1, 2)) == 1) & (edges.diagonal(dim1=1, dim2=2).amax(1) == 0)
            graphs = edges[simple] > 0
            found = torch.cat([found, graphs[mixes(graphs)]])
            if len(found) >= self.count:
                return found[: self.count]
        raise UserError(f"{self!r}: only {len(found)} graphs were found: lower count")


def mixes(edges: Bool[Tensor, "*graph node node"]) -> Bool[Tensor, "*graph"]:
    """Whether a walk is at any node with some chance after enough steps: the graph is connected and not bipartite."""
    nodes = edges.shape[-1]
    reach = edges.double()
    for _ in range(max(1, math.ceil(math.log2(2 * nodes)))):  # powers of two up to 2 * nodes steps, at least
        reach = ((reach @ reach) > 0).double()
    return (reach > 0).all(-1).all(-1)


def neighbours_of(
    edges: Bool[Tensor, "*graph node node"],
) -> tuple[Int[Tensor, "*graph node slot"], Int[Tensor, "*graph node"]]:
    """Every node's neighbours in rising order, and how many there are; slots past that number hold other nodes."""
    degree = edges.sum(-1)
    slots = max(1, int(degree.max()))
    return torch.argsort(~edges, dim=-1, stable=True)[..., :slots], degree
