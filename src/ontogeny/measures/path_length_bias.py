"""Path length bias: whether networks write shorter paths than they were taught, without sampling any."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.measures.average import average
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.path_reading import navigation_task, read_path
from ontogeny.models.generate import generate
from ontogeny.tasks.dag_navigation import DAGNavigation, at_pairs, paths_of, pick_pairs

AT_ONCE = 8  # ranks scored in one forward pass


class PathLengthBias(Measure):
    r"""Mean number of edges of a network's valid paths, less the mean of the task's own law, in edges.

    $$\frac{1}{|\mathcal P|} \sum_{(s, g)} \frac{\sum_p P(p \mid s, g) \, |p|}{\sum_p P(p \mid s, g)} - L(s, g)$$

    over held-out pairs with 2 to `most` paths p, each scored as it is read (temperature 1), END included: no path is
    drawn, and none is lost because decoding failed. L is the exact mean of the law.

    - `length_bias`: the above; 0 for a network that follows the law, and 0 whatever the network where all paths of a
      pair are of one length.
    - `valid_mass`: the mean probability of all valid paths together, from 0 to 1.
    - `greedy_length_bias`: edges of the greedily written path less L, over pairs where that path is valid.

    NaN in a member without such pairs. Cost: forward passes over `pairs` * `most` samples.
    """

    pairs: int = 128
    most: int = 60

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """The bias at one checkpoint."""
        task, world = navigation_task(at), at.world
        among = world.held_out & world.reachable & (world.paths >= 2) & (world.paths <= self.most)
        start, goal, there = pick_pairs(at.streams.of("path length bias"), among, self.pairs)
        law = at_pairs(task.mean_length(world), start, goal)
        mass, edges = torch.zeros_like(law), torch.zeros_like(law)
        for first in range(0, self.most, AT_ONCE):
            p, length = score_ranks(at, task, start, goal, range(first, min(first + AT_ONCE, self.most)))
            mass, edges = mass + p.sum(-1), edges + (p * length).sum(-1)
        written = generate(at.population, task.prompts("STEP", start, goal), task.longest + 1)
        reading = read_path(written, start, goal, world.edges, task.token("END"))
        right = there & (reading.outcome == 0)
        return {
            "length_bias": Labelled(average(edges / mass - law, there), ("member",), unit="edges"),
            "valid_mass": Labelled(average(mass, there), ("member",), unit="probability"),
            "greedy_length_bias": Labelled(average(reading.edges - law, right), ("member",), unit="edges"),
        }


def score_ranks(
    at: Checkpoint,
    task: DAGNavigation,
    start: Int[Tensor, "member pair"],
    goal: Int[Tensor, "member pair"],
    ranks: range,
) -> tuple[Float[Tensor, "member pair rank"], Int[Tensor, "member pair rank"]]:
    """Probability that the network writes the path of each rank, and its edges; 0 and 0 for ranks that are too high."""
    rank = torch.tensor(list(ranks), dtype=torch.float64, device=start.device)
    starts, goals = (t[..., None].expand(*t.shape, len(rank)).flatten(1) for t in (start, goal))
    nodes = task.nth_path(at.world, starts, goals, rank.expand(*start.shape, -1).flatten(1))
    yes = torch.ones_like(starts, dtype=torch.bool)
    tokens = task.write(starts, goals, nodes, yes, yes)
    edges = (nodes < task.graph.nodes).sum(-1)
    expected = torch.log_softmax(at.population(tokens[..., :-1])[:, :, 2:].double(), -1)
    each = expected.gather(-1, tokens[..., 3:, None])[..., 0]
    counted = torch.arange(each.shape[-1], device=each.device) <= edges[..., None]
    p = each.where(counted, 0.0).sum(-1).exp().where(edges > 0, 0.0)
    there = rank < paths_of(at.world, start, goal)[..., None]
    return p.unflatten(1, (-1, len(rank))).where(there, 0.0), edges.unflatten(1, (-1, len(rank)))
