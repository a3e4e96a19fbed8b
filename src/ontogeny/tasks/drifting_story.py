"""Drifting story: every word tells a little of the outcome, and none decides it."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch
from ontogeny.tasks.story import FORKS, OUTCOMES, Story, outcome_weights


class DriftingStory(Story):
    """A story round the undecided states, whose choice of words leans towards an outcome drawn in advance.

        state     u2    u3    u0    u1     u2   u3        in order, from a uniform one on
        word     u2b   u3a   u0c  fork C  u2a    .        fork words and "." mean nothing here

    The outcome m is drawn from the law that a forking story has before its fork. A state writes its word v with
    probability proportional to exp(lean * g_vm), where for each state and m the g are evenly spaced numbers from -1 to
    1 in random order, drawn once from the member's seed. With probability `mute` it writes a fork word or "." instead,
    uniformly.

    Latents: `fork` (0: no word decides), `outcome`.
    """

    lean: float = 0.2
    mute: float = 0.12

    def check(self) -> None:
        """As any story, with a probability."""
        super().check()
        if not 0.0 <= self.mute <= 1.0:
            raise UserError(f"DriftingStory: mute is a probability, got {self.mute}")

    def world(self, streams: Streams) -> Float[Tensor, "member state outcome choice"]:
        """Probability of each word of a state, given the outcome."""
        order = streams.permutation("lean", (self.undecided, len(OUTCOMES)), self.words)
        return torch.softmax(self.lean * (2.0 * order.double() / (self.words - 1) - 1.0), -1)

    def sample(self, world: Float[Tensor, "member state outcome choice"], streams: Streams, size: int) -> Batch:
        """`size` stories a member."""
        each = (size, self.length)
        place = torch.arange(self.length, device=streams.device)
        weights = outcome_weights().to(streams.device).expand(streams.members, 1, -1)
        outcome = streams.categorical("outcome", (size,), weights)
        state = (streams.integers("start", (size,), self.undecided)[..., None] + place) % self.undecided
        member = torch.arange(streams.members, device=streams.device)[:, None, None]
        word = self.words * state + streams.categorical("word", each, world[member, state, outcome[..., None]])
        mute = self.token(FORKS[0]) + streams.integers("mark", each, len(FORKS) + 1)
        words = torch.where(streams.bernoulli("mute", each, self.mute), mute, word)
        return self.told(words, outcome, {"fork": torch.zeros_like(outcome)})

    def outcome_law(
        self, world: Float[Tensor, "member state outcome choice"], words: Int[Tensor, "member sample word"]
    ) -> Float[Tensor, "member sample prefix outcome"]:
        """The posterior of the outcome: weights before any word, times the likelihood of every word so far."""
        plain = words < self.words * self.undecided
        known = words.where(plain, 0)
        member = torch.arange(words.shape[0], device=words.device)[:, None, None]
        likelihood = world[member, known // self.words, :, known % self.words].log().where(plain[..., None], 0.0)
        prior = outcome_weights().to(words.device).log().expand(*words.shape[:2], 1, -1)
        return torch.softmax(torch.cat([prior, prior + likelihood.cumsum(2)], 2), -1)
