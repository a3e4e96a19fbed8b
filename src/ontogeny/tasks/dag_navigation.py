"""Finding a path in a directed graph without cycles: written node by node, or asked for as a yes or no."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.errors import UserError, nearest
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.tasks.random_dag import Graphs, RandomDAG, count_paths, reaches

LAWS = ("paths", "steps")
WORDS = ("STEP", "DIRECT", "PATH", "NOPATH", "END")
NEAR = 4  # edges: longer pairs are held out more often
NEAR_SHARE, FAR_SHARE = 0.2, 0.5  # of the pairs that are held out, up to NEAR edges and beyond


@dataclass(frozen=True)
class Routes:
    """A member's graph, what can be asked about it, and what of that is kept from training."""

    graphs: Graphs
    counts: Float[Tensor, "member budget goal node"]  # paths of at most so many edges from the node to the goal
    gap: Int[Tensor, "member start goal"]  # by the order alone; 0 for pairs that are never asked about
    length: Int[Tensor, "member start goal"]  # edges of the shortest path; the gap where there is none
    reachable: Bool[Tensor, "member start goal"]
    held_out: Bool[Tensor, "member start goal"]
    to_reachable: Float[Tensor, "member pair"]  # cumulative probabilities of the pairs in training
    to_unreachable: Float[Tensor, "member pair"]

    @property
    def edges(self) -> Bool[Tensor, "member node node"]:
        """Which node leads to which."""
        return self.graphs.edges

    @property
    def paths(self) -> Float[Tensor, "member start goal"]:
        """Number of paths between two nodes, of those that fit into a sample."""
        return self.counts[:, -1].mT


class DAGNavigation(Task):
    """Pairs of a start and a goal in a member's graph, in one of two formats that its first token names.

    Stepwise, a path is written out; directly, only whether there is one. With `longest` = 5, from node 7 to node 2:

        position    0       1     2      3      4     5     6    7    8
        stepwise  STEP      2     7      4      0     2    END  END  END     7 -> 4 -> 0 -> 2
        direct    DIRECT    2     7    PATH    END   END   END  END  END
        role      format   goal start
        in loss (step)                   x      x     x     x
        in loss (direct)                 x

    Tokens are the nodes, then STEP, DIRECT, PATH, NOPATH and END. Half of the samples are stepwise, half of the direct
    ones have no path. A pair is drawn by its gap (uniformly over those there are), then uniformly, with and without a
    path alike, so that the gap says nothing (unless all trained pairs of a gap have a path). A path is uniform among
    all paths (`law="paths"`) or made of steps, each uniform among the nodes from which the goal can still be reached
    (`law="steps"`), in at most `longest` edges.

    From training are kept, in both formats and whatever the answer: a fifth of the pairs two to four edges apart and
    half of those further apart; never pairs one edge apart, for edges have to be seen. `cap` is the greatest length of
    a pair that is trained on: that of its shortest path, or its gap where there is no path.

    Latents: `start`, `goal`, `stepwise` (bool), `path` (bool) and `edges`, the length of what is written.

    Source: Khona et al., arXiv 2402.07757.
    """

    graph: RandomDAG
    law: str = "paths"
    longest: int = 9
    cap: PerMember = 9

    def check(self) -> None:
        """A known law and paths of an edge or more."""
        if self.law not in LAWS:
            raise UserError(f"no law {self.law!r}: {nearest(self.law, LAWS)}")
        if self.longest < 1 or float(self.cap) < 1:
            raise UserError(f"DAGNavigation needs paths of an edge or more, got longest={self.longest}, cap={self.cap}")

    @property
    def shape(self) -> Shape:
        """Next-token prediction: the last token is only ever a target, and no target asks for a start or a goal."""
        size = self.graph.nodes + len(WORDS)
        return Shape(outputs=size, vocabulary=size, length=self.longest + 3, since=2)

    def token(self, word: str) -> int:
        """The token of a word.

        Raises: `UserError` for an unknown word.
        """
        if word not in WORDS:
            raise UserError(f"no word {word!r}: {nearest(word, WORDS)}")
        return self.graph.nodes + WORDS.index(word)

    def world(self, streams: Streams) -> Routes:
        """The graph of every member and its split, from its seed alone: the same for every cap."""
        graphs = self.graph.draw(streams)
        counts = count_paths(graphs.edges, self.longest)
        isolated = ~(graphs.edges.any(-1) | graphs.edges.any(-2))
        fits = counts[:, -1] > 0
        # A pair whose every path is too long to be written is neither reachable nor unreachable: it is never asked.
        asked = (reaches(graphs.edges) == fits) & ~isolated[..., None] & ~isolated[:, None]
        gap = self.graph.gap(graphs).where(asked, 0)
        reachable = (gap > 0) & fits
        length = torch.where(reachable, (counts == 0).sum(1), gap)
        drawn = streams.uniform("held out", (self.graph.nodes, self.graph.nodes))
        share = torch.where(length <= NEAR, NEAR_SHARE, FAR_SHARE).where(length > 1, 0.0)
        held_out = (gap > 0) & (drawn < share)
        cap = torch.as_tensor(self.cap, dtype=torch.float64, device=length.device).view(-1, 1, 1)
        trained = (gap > 0) & ~held_out & (length <= cap)
        for kind, among in (("a path", trained & reachable), ("no path", trained & ~reachable)):
            if not among.flatten(1).any(1).all():
                raise UserError(
                    f"DAGNavigation: a member's graph leaves no pair with {kind} to train on: change density or cap"
                )
        return Routes(
            graphs=graphs,
            counts=counts.mT.contiguous(),
            gap=gap,
            length=length,
            reachable=reachable,
            held_out=held_out,
            to_reachable=_by_gap(gap, trained & reachable),
            to_unreachable=_by_gap(gap, trained & ~reachable),
        )

    def sample(self, world: Routes, streams: Streams, size: int) -> Batch:
        """Fresh samples of both formats."""
        stepwise = streams.bernoulli("format", (size,), 0.5)
        path = stepwise | streams.bernoulli("answer", (size,), 0.5)
        place = streams.words("pair", (size,)).double() * 2.0**-32
        pair = torch.where(
            path, torch.searchsorted(world.to_reachable, place, right=True),
            torch.searchsorted(world.to_unreachable, place, right=True),
        )  # fmt: skip
        start, goal = pair // self.graph.nodes, pair % self.graph.nodes
        nodes = self.draw_path(world, streams, start, goal)
        tokens = self.write(start, goal, nodes, stepwise, path)
        edges = (nodes < self.graph.nodes).sum(-1) * path
        # Stepwise: the nodes and the first END, which is one more than the edges; directly: the answer.
        last = torch.where(stepwise, edges + 1, torch.ones_like(edges))
        place_after = torch.arange(1, self.longest + 2, device=last.device)
        weights = torch.cat([torch.zeros_like(tokens[..., :2]), place_after <= last[..., None]], -1).float()
        latents = {"start": start, "goal": goal, "stepwise": stepwise, "path": path, "edges": edges}
        return Batch(inputs=tokens[..., :-1], targets=tokens[..., 1:], weights=weights, latents=latents)

    def prompts(
        self, word: str, start: Int[Tensor, "*sample"], goal: Int[Tensor, "*sample"]
    ) -> Int[Tensor, "*sample position"]:
        """What a network is asked with: the format, the goal, the start."""
        return torch.stack([torch.full_like(start, self.token(word)), goal, start], -1)

    def write(
        self,
        start: Int[Tensor, "*sample"],
        goal: Int[Tensor, "*sample"],
        nodes: Int[Tensor, "*sample place"],
        stepwise: Bool[Tensor, "*sample"],
        path: Bool[Tensor, "*sample"],
    ) -> Int[Tensor, "*sample position"]:
        """Whole samples: the prompt, then the nodes or the answer, then END to the end."""
        end = self.token("END")
        answer = torch.where(path, self.token("PATH"), self.token("NOPATH"))
        direct = torch.full_like(nodes, end)
        direct[..., 0] = answer
        body = torch.where(stepwise[..., None], nodes, direct)
        word = torch.where(stepwise, self.token("STEP"), self.token("DIRECT"))
        return torch.cat(
            [word[..., None], goal[..., None], start[..., None], body, torch.full_like(body[..., :1], end)], -1
        )

    def draw_path(
        self, world: Routes, streams: Streams, start: Int[Tensor, "member sample"], goal: Int[Tensor, "member sample"]
    ) -> Int[Tensor, "member sample place"]:
        """A path drawn by the law, `longest` places: its nodes without the start, and END after the goal.

        END throughout where the goal cannot be reached.
        """
        if self.law == "paths":
            place = streams.words("path", start.shape[1:]).double() * 2.0**-32
            return self.nth_path(world, start, goal, (place * paths_of(world, start, goal)).floor())
        places = streams.words("steps", (*start.shape[1:], self.longest)).double() * 2.0**-32
        at, nodes = start, []
        for i in range(self.longest):
            ways = (onward(world, at, goal, self._left(i)) > 0).double()
            at, taken = self._step(at, ways, places[..., i] * ways.sum(-1))
            nodes.append(taken)
        return torch.stack(nodes, -1)

    def nth_path(
        self,
        world: Routes,
        start: Int[Tensor, "member sample"],
        goal: Int[Tensor, "member sample"],
        rank: Float[Tensor, "member sample"],
    ) -> Int[Tensor, "member sample place"]:
        """The path of a given rank (0 to the number of paths less 1) in the order of its nodes' numbers.

        END throughout for a rank that is too high. So all paths of a pair can be had without searching.
        """
        rank = rank.where(rank < paths_of(world, start, goal), -1.0)
        at, nodes = start.where(rank >= 0, goal), []
        for i in range(self.longest):
            ways = onward(world, at, goal, self._left(i))
            before = ways.cumsum(-1) - ways
            here, taken = self._step(at, ways, rank)
            rank = rank - before.gather(-1, here[..., None])[..., 0].where(taken < self.graph.nodes, 0.0)
            at = here
            nodes.append(taken)
        return torch.stack(nodes, -1)

    def next_node(
        self, world: Routes, at: Int[Tensor, "member sample"], goal: Int[Tensor, "member sample"], made: int
    ) -> Float[Tensor, "member sample node"]:
        """The optimal prediction of the next node after `made` edges: the law of the task. NaN where none leads on."""
        ways = onward(world, at, goal, self._left(made))
        ways = ways if self.law == "paths" else (ways > 0).double()
        return ways / ways.sum(-1, keepdim=True)

    def mean_length(self, world: Routes) -> Float[Tensor, "member start goal"]:
        """Mean number of edges of a path drawn by the law, exact. NaN where there is none."""
        counts = world.counts.mT
        if self.law == "paths":
            exactly = torch.diff(counts, dim=1)
            edges = torch.arange(1, self.longest + 1, dtype=torch.float64, device=counts.device)
            return (exactly * edges[:, None, None]).sum(1) / counts[:, -1]
        adjacency, mean = world.edges.double(), torch.zeros_like(counts[:, 0])
        for left in range(self.longest):
            open_ = (counts[:, left] > 0).double()
            ahead = torch.bmm(adjacency, open_ * mean) / torch.bmm(adjacency, open_)
            mean = (1.0 + ahead).where(counts[:, 0] == 0, 0.0)
            mean = mean.where(counts[:, left + 1] > 0, 0.0)
        return mean.where(counts[:, -1] > 0, torch.nan)

    def _left(self, made: int) -> int:
        return self.longest - 1 - made

    def _step(
        self, at: Int[Tensor, "member sample"], ways: Float[Tensor, "member sample node"], place: Tensor
    ) -> tuple[Int[Tensor, "member sample"], Int[Tensor, "member sample"]]:
        """Where one stands after a step, and the token written: END where no way leads on, which is so at the goal."""
        chosen = (ways.cumsum(-1) <= place[..., None]).sum(-1).clamp_max(self.graph.nodes - 1)
        moves = ways.sum(-1) > 0
        return torch.where(moves, chosen, at), torch.where(moves, chosen, self.token("END"))


def paths_of(
    world: Routes, start: Int[Tensor, "member sample"], goal: Int[Tensor, "member sample"]
) -> Float[Tensor, "member sample"]:
    """Number of paths from each start to its goal."""
    return at_pairs(world.paths, start, goal)


def at_pairs(table: Tensor, start: Int[Tensor, "member sample"], goal: Int[Tensor, "member sample"]) -> Tensor:
    """What a table `[member, start, goal]` holds at some pairs, `[member, sample]`."""
    return table.flatten(1).gather(1, start * table.shape[-1] + goal)


def onward(
    world: Routes, at: Int[Tensor, "member sample"], goal: Int[Tensor, "member sample"], left: int
) -> Float[Tensor, "member sample node"]:
    """For every node, the number of paths to the goal whose next node it is and that have at most `left` edges after.

    0 for a node that no edge leads to, and everywhere at the goal itself, which no path leaves and comes back to.
    """
    member = torch.arange(at.shape[0], device=at.device)[:, None]
    return world.counts[member, left, goal] * world.edges[member, at]


def pick_pairs(
    streams: Streams, among: Bool[Tensor, "member start goal"], count: int
) -> tuple[Int[Tensor, "member count"], Int[Tensor, "member count"], Bool[Tensor, "member count"]]:
    """Starts and goals of `count` different pairs of those marked, in random order, and which of them there are.

    Where fewer are marked, all of them are taken, and the rest of the list is filled with pairs that do not count.
    """
    nodes = among.shape[-1]
    key = streams.uniform("pairs", (nodes * nodes,)) + 2.0 * ~among.flatten(1)
    pair = torch.argsort(key, dim=-1, stable=True)[:, :count]
    return pair // nodes, pair % nodes, among.flatten(1).gather(1, pair)


def _by_gap(gap: Int[Tensor, "member start goal"], among: Bool[Tensor, "member start goal"]) -> Tensor:
    """Cumulative probabilities of the marked pairs: gaps alike, then pairs of one gap alike."""
    flat, marked = gap.flatten(1), among.flatten(1)
    count = torch.zeros(flat.shape[0], flat.shape[1] + 1, dtype=torch.int64, device=flat.device)
    count.scatter_add_(1, flat, marked.long())
    weight = marked / count.gather(1, flat).clamp_min(1)
    total = weight.double().cumsum(-1)
    return total / total[:, -1:]
