"""Networks whose way of answering is known, one a member: oracles for measures of written chains."""

import torch
from torch import nn

from ontogeny.measures.contract import Checkpoint
from ontogeny.models.population import Population
from ontogeny.streams import Streams

LOW, HIGH = -30.0, 30.0


class Reasoner(nn.Module):
    """Writes chains without fault, but answers as told: by what `answers(task, written)` gives, `[sample, residue]`.

    Log-probabilities of the answer are taken as they come; every other token is sure.
    """

    def __init__(self, task, answers):
        super().__init__()
        self.task, self.answers = task, answers
        self.nothing = nn.Parameter(torch.zeros(len(answers), 1))

    def forward(self, tokens, since=0):
        members, samples, length = tokens.shape
        task, p = self.task, self.task.modulus
        out = torch.full((members, samples, length, task.shape.outputs), LOW)
        written = task.read(tokens)
        right = dict(written)
        right["product"] = task.product(written)
        right["answer"] = task.answer(right["product"], written)
        chain = task.write(right)
        out.scatter_(-1, chain[..., 1 : length + 1, None], HIGH)
        last = task.position("E3.answer") - 1
        if length > last:
            for i, answer in enumerate(self.answers):
                own = {name: value[i] for name, value in written.items()}
                out[i, :, last, :p] = answer(task, own).float()
        return out[:, :, since:]


def sure(index, p):
    return torch.nn.functional.one_hot(index, p) * HIGH


def follower(task, written):
    """Answers what the step implies, whatever the prompt says."""
    return sure(task.answer(written["product"], written), task.modulus)


def skipper(task, written):
    """Answers what the prompt implies, whatever the step says."""
    return sure(task.answer(task.product(written), written), task.modulus)


def bayesian(task, written):
    """The exact posterior."""
    return task.answer_posterior(written).clamp_min(1e-30).log()


def ignorant(task, written):
    """Always the same answer, and unsure of it."""
    return torch.zeros(len(written["a"]), task.modulus).index_fill(1, torch.tensor([3]), 1e-3)


def undecided(task, written):
    """Both answers are as likely: sure where prompt and step agree."""
    return follower(task, written) + skipper(task, written) * 0.999


def checkpoint(task, *answers, seed=0, network=None):
    population = Population(network or Reasoner(task, answers))
    seeds = tuple(range(seed, seed + population.members))
    return Checkpoint(population=population, task=task, world=None, streams=Streams(seeds=seeds), step=0)
