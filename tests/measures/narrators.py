"""What the tests of story measures share: a network that is the law of forking stories, and a plain continuation."""

import copy

import torch
from torch import nn

from ontogeny.measures.contract import Checkpoint
from ontogeny.models.generate import Continuation
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.forking_story import ForkingStory
from ontogeny.tasks.story import WEIGHTS


class Narrator(nn.Module):
    """Expects every next token with the probability that the story's rules give it, by following its hidden state."""

    def __init__(self, task: ForkingStory, members: int) -> None:
        super().__init__()
        self.task = task
        self.nothing = nn.Parameter(torch.zeros(members, 1))
        ring, basin = task.undecided, task.basin
        states = ring + 4 * basin
        follow = [(s + 1) % ring if s < ring else ring + (s - ring) // basin * basin + (s - ring + 1) % basin
                  for s in range(states)]  # fmt: skip
        self.follow = torch.eye(states, dtype=torch.float64)[follow]

    def forward(self, tokens):
        task = self.task
        law = torch.zeros(*tokens.shape, task.shape.outputs, dtype=torch.float64)
        belief = torch.zeros(*tokens.shape[:2], len(self.follow), dtype=torch.float64)
        belief[..., : task.undecided] = 1 / task.undecided
        before = torch.full(tokens.shape[:2], -1)
        for i in range(tokens.shape[-1] - 1):
            law[..., i, :] = self.emission(belief, before)
            token = tokens[..., i + 1]
            belief = self.moved(belief, before, token)
            before = token
        last = tokens.shape[-1] - 1
        if last < task.length:
            law[..., last, :] = self.emission(belief, before)
        elif last == task.length:
            law[..., last, task.token("ANS")] = 1.0
        else:
            first = task.token("A")
            law[..., last, first : first + 4] = task.outcome_law(None, tokens[..., 1:-1])[:, :, -1]
        return (law + 1e-30).log()

    def telling(self, before):
        """The outcome that "." decides after this token, or -1."""
        state = torch.where(before >= 0, before // self.task.words, -1)
        return torch.where(state == 0, 0, torch.where(state == 2, 1, -1))

    def emission(self, belief, before):
        task, q = self.task, self.task.fork
        law = torch.zeros(*belief.shape[:2], task.shape.outputs, dtype=torch.float64)
        tells = self.telling(before)
        filler = torch.where(tells >= 0, 0.0, task.filler)
        open_ = belief[..., : task.undecided].sum(-1)
        each = belief.clone()
        each[..., : task.undecided] *= 1 - q
        law[..., : task.plain] = ((1 - filler)[..., None] * each / task.words).repeat_interleave(task.words, -1)
        law[..., task.token(".")] = filler * each.sum(-1)
        for m, weight in enumerate(WEIGHTS):
            half = torch.where(tells == m, 0.5, 0.0)
            law[..., task.token("fork A") + m] = open_ * q * weight * (1 - half)
            law[..., task.token(".")] += open_ * q * weight * half
        return law

    def moved(self, belief, before, token):
        task = self.task
        m = token - task.token("fork A")
        decided = torch.where((m >= 0) & (m < 4), m, torch.where(token == task.token("."), self.telling(before), -1))
        first = torch.eye(len(self.follow), dtype=torch.float64)[task.undecided + decided.clamp_min(0) * task.basin]
        known = torch.eye(len(self.follow), dtype=torch.float64)[(token // task.words).clamp_max(len(self.follow) - 1)]
        stay = torch.where((token < task.plain)[..., None], known, belief)
        return torch.where((decided >= 0)[..., None], first, stay @ self.follow)


class Reread(Continuation):
    """A continuation that keeps nothing, for networks that are no transformers."""

    def __init__(self, population: Population) -> None:  # not that of `Continuation`, which wants a transformer
        self.population, self.tokens = population, None

    def read(self, tokens):
        self.tokens = tokens if self.tokens is None else torch.cat([self.tokens, tokens], -1)
        return self.population(self.tokens)[:, :, -1:]

    def branch(self, times):
        other = copy.copy(self)
        other.tokens = self.tokens.repeat_interleave(times, 1)
        return other


def look(task, seeds=(1, 2), step=0):
    """A checkpoint of narrators."""
    population = Population(Narrator(task, len(seeds)))
    return Checkpoint(population=population, task=task, world=None, streams=Streams(seeds).of("evaluation"), step=step)
