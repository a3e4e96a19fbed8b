"""In-context graph tracing: walks over a graph whose nodes are words that mean something else in every sequence."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.tasks.graphs import Circulant, Graph, mixes, neighbours_of


@dataclass(frozen=True)
class Graphs:
    """All graphs of a member, padded with lone nodes to as many as there are tokens; the last one is the semantic one.

    `law` are the chances of the graphs in training.
    """

    edges: Bool[Tensor, "member graph node node"]
    neighbours: Int[Tensor, "member graph node slot"]
    degree: Int[Tensor, "member graph node"]
    law: Float[Tensor, "member graph"]


@dataclass(frozen=True)
class Walks:
    """Walks over a known graph: position 0 of `inputs` tells the mode, `nodes[..., i]` stands at position i + 1.

    `names` are the tokens of the nodes.
    """

    inputs: Int[Tensor, "member sample position"]
    nodes: Int[Tensor, "member sample step"]
    names: Int[Tensor, "member sample node"]
    edges: Bool[Tensor, "member sample node node"]


class GraphTracing(Task):
    """Random walks of `length` steps over graphs; the model predicts every next token.

    A walk on the ring a - b - c - d, whose nodes are called 7, 3, 0 and 9 in this sequence only:

        position     0      1      2      3      4      5
        role       mode   node   node   node   node   node
        node               b      a      b      c      d
        input       CTX    3      7      3      0      9
        target       -     7      3      0      9      0
        drawn from       N(b)   N(a)   N(b)   N(c)   N(d)    neighbours, all alike; the first node is any

    A share `semantic` of the sequences has the other mode, SEM: walks on one fixed graph over all tokens, `rings` rings
    of equal size in the order of the tokens, where a token always means the same. All others have a graph drawn from
    `graphs` by their `shares`, and fresh names for its nodes: which tokens, in which places, is drawn every time.
    The target of position 0 has no weight, for it can be anything.

    Graphs that are bipartite are refused in `graphs`: there the side a node is on is told by the parity of its
    position. Optimal predictors within a sequence stand in `ontogeny.tasks.walk_predictors`.

    Latent: `graph [member, sample]`, an index into `world.edges`.

    Source: Park et al., arXiv 2501.00070, who trace graphs with the words of pretrained networks.
    """

    graphs: tuple[Graph, ...] = (Circulant(),)
    shares: tuple[float, ...] = (1.0,)
    tokens: int = 32
    length: int = 96
    semantic: float = 0.125
    rings: int = 2

    def check(self) -> None:
        """Graphs that fit the tokens and can be told from positions alone by nobody."""
        if not self.graphs or len(self.shares) != len(self.graphs) or min(self.shares) < 0 or not sum(self.shares) > 0:
            raise UserError(f"GraphTracing: a share a graph, none below 0, got {self.shares} for {len(self.graphs)}")
        if max(graph.nodes for graph in self.graphs) > self.tokens:
            raise UserError(f"GraphTracing: {self.tokens} tokens are too few for {self.graphs}: raise tokens")
        if self.length < 2 or not 0 <= self.semantic < 1:
            raise UserError(
                f"GraphTracing: length is 2 or more and semantic from 0 to below 1, got {self.length}, {self.semantic}"
            )
        if self.rings < 1 or self.tokens % self.rings or self.tokens // self.rings < 3:
            raise UserError(f"GraphTracing: {self.tokens} tokens do not make {self.rings} rings of 3 or more")
        for graph in self.graphs:
            if not mixes(graph.draw(Streams((0,)))).all():
                raise UserError(
                    f"GraphTracing: {graph!r} is not connected, or bipartite: parity alone would tell sides"
                )

    @property
    def shape(self) -> Shape:
        """The tokens and two modes; the mode and `length` steps go in."""
        return Shape(outputs=self.tokens + 2, vocabulary=self.tokens + 2, length=self.length + 1)

    @property
    def context_mode(self) -> int:
        """The token of the mode in which names are fresh; the next one is that of the semantic mode."""
        return self.tokens

    def world(self, streams: Streams) -> Graphs:
        """Each member's graphs: those that are drawn are its own."""
        drawn = [graph.draw(streams.of(f"graph.{i}")) for i, graph in enumerate(self.graphs)]
        ring = Circulant(size=self.tokens // self.rings, jumps=(1,)).draw(streams)[:, 0]
        semantic = torch.stack([torch.block_diag(*[rows] * self.rings) for rows in ring])[:, None]
        edges = torch.cat([padded(graphs, self.tokens) for graphs in (*drawn, semantic)], 1)
        weights = torch.tensor(self.shares, dtype=torch.float64) * (1 - self.semantic) / sum(self.shares)
        each = [w / graphs.shape[1] for w, graphs in zip(weights, drawn, strict=True) for _ in range(graphs.shape[1])]
        law = torch.stack([*each, torch.tensor(self.semantic, dtype=torch.float64)]).to(streams.device)
        return Graphs(edges, *neighbours_of(edges), law.expand(streams.members, -1))

    def sample(self, world: Graphs, streams: Streams, size: int) -> Batch:
        """`size` walks a member, of both modes."""
        graph = streams.categorical("graph", (size,), world.law[:, None])
        fresh = streams.permutation("names", (size,), self.tokens)
        semantic = graph == world.law.shape[1] - 1
        names = torch.where(semantic[..., None], torch.arange(self.tokens, device=graph.device), fresh)
        walks = self._walk(world, streams, graph, names, self.context_mode + semantic.long())
        weights = torch.ones(self.length + 1, device=graph.device)
        weights[0] = 0.0
        return Batch(
            inputs=walks[..., :-1],
            targets=walks[..., 1:],
            weights=weights.expand(*graph.shape, -1),
            latents={"graph": graph},
        )

    def traces(
        self,
        graph: Graph,
        streams: Streams,
        size: int,
        *,
        names: Sequence[int] | None = None,
        semantic: bool = False,
    ) -> Walks:
        """`size` walks a member in the mode of fresh names, on any graph, trained on or not.

        With `names` the nodes are called by just these tokens in every sequence, in an order drawn each time. Where
        `semantic`, the other mode is told, which holds out the fixed graph that these walks are not on.
        """
        edges = graph.draw(streams.of("edges"))
        kinds, nodes = edges.shape[1:3]
        which = streams.integers("kind", (size,), kinds)
        pool = (
            torch.arange(self.tokens, device=which.device)
            if names is None
            else torch.tensor(names, device=which.device)
        )
        called = pool[streams.permutation("names", (size,), len(pool))][..., :nodes]
        world = Graphs(edges, *neighbours_of(edges), torch.ones(len(edges), kinds))
        walks = self._walk(world, streams, which, called, self.context_mode + semantic)
        steps = (walks[..., 1:-1, None] == called[:, :, None]).long().argmax(-1)
        members = torch.arange(len(edges), device=which.device)[:, None]
        return Walks(walks[..., :-1], steps, called, edges[members, which])

    def _walk(
        self,
        world: Graphs,
        streams: Streams,
        graph: Int[Tensor, "member sample"],
        names: Int[Tensor, "member sample node"],
        mode: int | Int[Tensor, "member sample"],
    ) -> Int[Tensor, "member sample position"]:
        """Mode, and `length` + 1 steps by name: the first node is any with neighbours, each next one a neighbour."""
        words = streams.words("steps", (graph.shape[1], self.length + 1))
        members = torch.arange(graph.shape[0], device=graph.device)[:, None]
        neighbours, degree = world.neighbours[members, graph], world.degree[members, graph]
        node = (words[..., 0] * (degree > 0).sum(-1)) >> 32  # lone nodes stand last
        steps = [node]
        for i in range(1, self.length + 1):
            slots = neighbours.gather(2, node[..., None, None].expand(-1, -1, 1, neighbours.shape[-1]))[:, :, 0]
            slot = (words[..., i] * degree.gather(2, node[..., None])[..., 0]) >> 32
            node = slots.gather(2, slot[..., None])[..., 0]
            steps.append(node)
        called = names.gather(2, torch.stack(steps, -1))
        return torch.cat([(torch.zeros_like(graph) + mode)[..., None], called], -1)


def padded(edges: Bool[Tensor, "member graph node node"], nodes: int) -> Bool[Tensor, "member graph all all"]:
    """The same graphs with lone nodes after their own."""
    missing = nodes - edges.shape[-1]
    return torch.nn.functional.pad(edges, (0, missing, 0, missing))
