"""Networks whose way of adding is known, one a member: oracles for measures of written sums."""

import torch
from torch import nn

from ontogeny.measures.contract import Checkpoint
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.addition_predictors import laws_from_leading
from ontogeny.tasks.digit_text import digits_of, number_of

LOW, HIGH = -40.0, 40.0


class Adder(nn.Module):
    """Reads the operands, and guesses the digits of their sum as told.

    `ways` are functions of the operands that give log-probabilities `[sample, place, 10]`, by place.
    """

    def __init__(self, task, *ways):
        super().__init__()
        self.task, self.ways = task, ways
        self.nothing = nn.Parameter(torch.zeros(len(ways), 1))

    def forward(self, tokens, since=0):
        task = self.task
        prompt = tokens[..., : task.operands * (task.digits + 1)].unflatten(-1, (task.operands, task.digits + 1))
        operands = number_of(prompt[..., :-1])
        laws = torch.full((*operands.shape[:2], task.width, task.shape.outputs), LOW)
        for i, way in enumerate(self.ways):
            laws[i, ..., :10] = way(task, operands[i])
        # From the places to the order of writing: writing the numbers of the places shows which stands where.
        place = torch.arange(task.width).expand(*operands.shape[:2], -1)
        written = task.write(operands, place)[..., -task.width - 1 : -1]
        laws = laws.gather(2, written[..., None].expand(laws.shape))
        before = torch.full((*operands.shape[:2], task.prompt_length - 1, task.shape.outputs), LOW)
        return torch.cat([before, laws], 2)[:, :, since : tokens.shape[-1]]


def right(task, operands):
    """The true digits, surely."""
    return torch.nn.functional.one_hot(digits_of(operands.sum(-1), task.width), 10) * HIGH


def constant(task, operands):
    """Always the digits 1."""
    return torch.nn.functional.one_hot(torch.ones(len(operands), task.width).long(), 10) * HIGH


def correlated(task, operands):
    """All that the leading digits tell of every place, and nothing else."""
    laws, _ = laws_from_leading(task.operands, task.digits)
    total = (operands // 10 ** (task.digits - 1)).sum(-1)
    return torch.as_tensor(laws).float()[:, total].movedim(0, 1).clamp_min(1e-30).log()


def checkpoint(task, network, seed=0):
    """A population of such networks, or of others, as a measure sees it."""
    population = network if isinstance(network, Population) else Population(network)
    seeds = tuple(range(seed, seed + population.members))
    return Checkpoint(population=population, task=task, world=None, streams=Streams(seeds), step=0)
