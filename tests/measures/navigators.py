"""What the tests of path measures share: a network that is the task's law itself, and a plain way to generate."""

import torch
from torch import nn

from ontogeny.measures.contract import Checkpoint
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.dag_navigation import DAGNavigation, at_pairs


class Navigator(nn.Module):
    """Expects the next node by the law (to a power, where 0 is any node that leads on), knows what can be reached.

    `blunders`: probability of a word that is not a node, before the goal; `lost`: of END there; `dawdles`: of such a
    word where END should stand.
    """

    def __init__(self, task: DAGNavigation, world, power=1.0, blunders=0.0, lost=0.0, dawdles=0.0):
        super().__init__()
        self.task, self.world, self.power, self.blunders, self.lost = task, world, power, blunders, lost
        self.dawdles = dawdles
        self.nothing = nn.Parameter(torch.zeros(world.edges.shape[0], 1))

    def forward(self, tokens):
        task, nodes = self.task, self.task.graph.nodes
        goal = tokens[..., 1]
        law = torch.zeros(*tokens.shape, task.shape.outputs, dtype=torch.float64)
        for i in range(2, tokens.shape[-1]):
            here = tokens[..., i]
            at = torch.where(here < nodes, here, goal)
            ways = task.next_node(self.world, at, goal, min(i - 2, task.longest - 1)).nan_to_num()
            ways = torch.where(ways > 0, ways**self.power, 0.0)
            total = ways.sum(-1, keepdim=True)
            law[..., i, :nodes] = ways / total.clamp_min(1e-300) * (1 - self.blunders - self.lost)
            stuck = total[..., 0] == 0
            law[..., i, task.token("STEP")] = torch.where(stuck, self.dawdles, self.blunders)
            law[..., i, task.token("END")] = torch.where(stuck, 1.0 - self.dawdles, self.lost)
        direct = tokens[..., 0] == task.token("DIRECT")
        can = at_pairs(self.world.reachable, tokens[..., 2], goal)
        law[..., 2, task.token("PATH")] += 3.0 * (direct & can)
        law[..., 2, task.token("NOPATH")] += 3.0 * (direct & ~can)
        return (law + 1e-30).log()


def look(task, seeds=(1, 2), **fields):
    """A checkpoint of navigators."""
    streams = Streams(seeds)
    world = task.world(streams.of("world"))
    population = Population(Navigator(task, world, **fields))
    return Checkpoint(population=population, task=task, world=world, streams=streams.of("evaluation"), step=0)


def plain_generate(population, prompts, length, choose=lambda logits, number: logits.argmax(-1)):
    """Reads everything again for every token."""
    tokens = prompts
    for number in range(length):
        tokens = torch.cat([tokens, choose(population(tokens)[:, :, -1], number)[..., None]], -1)
    return tokens[..., prompts.shape[-1] :]
