"""Navigation: how well networks find paths that they write out, and how well they judge whether there is one."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.measures.average import agreement, average
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.path_reading import OUTCOMES, navigation_task, read_path, share, shares
from ontogeny.models.generate import generate
from ontogeny.tasks.dag_navigation import DAGNavigation, Routes, at_pairs, onward, pick_pairs

ANSWERS = ("path", "no path")
REDRAWN = 64  # pairs of a graph never seen


class Navigation(Measure):
    """Asks for held-out pairs, by their length (`length`: 2, 3, ... edges), greedily.

    - `written`: shares of the written paths that are valid, a misstep, or a planning failure (see `read_path`), over
      pairs with a path; they sum to 1.
    - `direct`: share of right answers to whether there is a path, by the true answer, the more probable of PATH and
      NOPATH; a network that says the same to all pairs has 1 in one and 0 in the other.
    - `blind`: what a stitcher would reach on the same pairs that goes at random until the goal is as near as anything
      it was trained on, and from there on makes no mistake; exact.
    - `redrawn`: share of valid paths on pairs of another graph of the same law, which can only be chance.

    At most `pairs` pairs of each answer are asked for, the same at every checkpoint; a length without any has NaN.
    Cost: a forward pass over the pairs with a path, and one over three positions for all.
    """

    pairs: int = 256

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """All of the above at one checkpoint."""
        task, world, streams = navigation_task(at), at.world, at.streams.of("navigation")
        lengths = tuple(range(2, task.longest + 1))
        start, goal, there = pick_pairs(streams.of("reachable"), world.held_out & world.reachable, self.pairs)
        away = pick_pairs(streams.of("unreachable"), world.held_out & ~world.reachable, self.pairs)
        by_length = [there & (at_pairs(world.length, start, goal) == d) for d in lengths]
        away_by_length = [away[2] & (at_pairs(world.length, *away[:2]) == d) for d in lengths]
        written = generate(at.population, task.prompts("STEP", start, goal), task.longest + 1)
        outcome = read_path(written, start, goal, world.edges, task.token("END")).outcome
        yes, no = says_path(at, task, start, goal), ~says_path(at, task, *away[:2])
        direct = [
            [average(yes.double(), a), average(no.double(), b)] for a, b in zip(by_length, away_by_length, strict=True)
        ]
        chance = at_pairs(blind_stitcher(task, world), start, goal)
        blind = torch.stack([average(chance, among) for among in by_length], 1)
        return {
            "written": share(
                torch.stack([shares(outcome, among) for among in by_length], 1),
                ("member", "length", "outcome"), length=lengths, outcome=OUTCOMES,
            ),
            "direct": share(
                torch.stack([torch.stack(answers, -1) for answers in direct], 1),
                ("member", "length", "answer"), length=lengths, answer=ANSWERS,
            ),
            "blind": share(blind, ("member", "length"), length=lengths),
            "redrawn": share(_on_another_graph(at, task)),
        }  # fmt: skip


class StepMass(Measure):
    """What a network expects along paths of training pairs that it reads as they are written, at temperature 1.

    - `edge_mass`: probability of all nodes that an edge leads to, before the goal is reached, mean over steps; 1 for a
      network that makes no misstep.
    - `goal_mass`: the share of that probability on nodes from which the goal can be reached; 1 for one that plans.
    - `goal_chance`: that share for a network that holds all nodes that an edge leads to for alike, which is where
      `goal_mass` begins.

    Both masses look at every step of the path as it should be, so that the one does not hide the other, as a misstep in
    free writing hides the planning failure that might have come after it. Cost: a forward pass over `samples` samples,
    half of which are stepwise.
    """

    samples: int = 256

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Both at one checkpoint."""
        task, world = navigation_task(at), at.world
        batch = at.batch("step mass", self.samples)
        law = torch.softmax(at.population(batch.inputs)[:, :, 2 : 2 + task.longest], -1)[..., : task.graph.nodes]
        made = torch.arange(task.longest, device=law.device)
        among = batch.latents["stepwise"][..., None] & (made < batch.latents["edges"][..., None])
        here = batch.inputs[..., 2 : 2 + task.longest].where(among, 0)
        goal = batch.latents["goal"][..., None].expand_as(here)
        edge, towards = step_mass(law, world, here, goal)
        ways, leading = step_mass(torch.ones_like(law), world, here, goal)
        return {
            "edge_mass": share(average(edge.flatten(1), among.flatten(1))),
            "goal_mass": share(average((towards / edge).flatten(1), among.flatten(1))),
            "goal_chance": share(average((leading / ways).flatten(1), among.flatten(1))),
        }


def step_mass(
    law: Float[Tensor, "member sample place node"],
    world: Routes,
    here: Int[Tensor, "member sample place"],
    goal: Int[Tensor, "member sample place"],
) -> tuple[Float[Tensor, "member sample place"], Float[Tensor, "member sample place"]]:
    """Probability of the nodes that an edge leads to from `here`, and of those of them that reach the goal."""
    member = torch.arange(law.shape[0], device=law.device)[:, None, None]
    ways = world.edges[member, here]
    towards = onward(world, here.flatten(1), goal.flatten(1), world.counts.shape[1] - 1).view_as(law) > 0
    return (law * ways).sum(-1), (law * towards).sum(-1)


def says_path(
    at: Checkpoint, task: DAGNavigation, start: Int[Tensor, "member sample"], goal: Int[Tensor, "member sample"]
) -> Bool[Tensor, "member sample"]:
    """Whether PATH is more probable than NOPATH."""
    answer = at.population(task.prompts("DIRECT", start, goal))[:, :, -1]
    return answer[..., task.token("PATH")] > answer[..., task.token("NOPATH")]


def blind_stitcher(task: DAGNavigation, world: Routes) -> Float[Tensor, "member start goal"]:
    r"""Chance to arrive with random steps until the goal is near, and perfect ones from there on.

    $S(u, g) = 1$ for a pair with a path that is not longer than the task's cap, else the mean of $S(v, g)$ over the
    nodes v that an edge leads to from u; 0 where there is none, and for pairs without a path.
    """
    cap = torch.as_tensor(task.cap, dtype=torch.float64, device=world.gap.device).view(-1, 1, 1)
    itself = torch.eye(world.gap.shape[-1], dtype=torch.bool, device=world.gap.device)
    near = (world.reachable & (world.length <= cap)) | itself
    edges = world.edges.double()
    ways = edges.sum(-1, keepdim=True).clamp_min(1)
    chance = near.double()
    for _ in range(task.longest):
        chance = torch.bmm(edges, chance).div(ways).masked_fill(near, 1.0)
    return chance


def _on_another_graph(at: Checkpoint, task: DAGNavigation) -> Float[Tensor, "member"]:
    streams = at.streams.of("redrawn")
    world = task.world(streams)
    start, goal, there = pick_pairs(streams, world.reachable & (world.length > 1), REDRAWN)
    written = generate(at.population, task.prompts("STEP", start, goal), task.longest + 1)
    outcome = read_path(written, start, goal, world.edges, task.token("END")).outcome
    return agreement(outcome, torch.zeros_like(outcome), there)
