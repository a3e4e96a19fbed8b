"""Topic bigrams: a language whose sequences keep a topic that no word gives away, with copies and training noise."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task

RULES = 4  # permutations that a topic mixes
STRAY = 0.1  # of the steps go to any token


@dataclass(frozen=True)
class Topics:
    """A member's language: each topic follows one of its permutations, by their weights, or strays."""

    successors: Int[Tensor, "member topic rule token"]
    weights: Float[Tensor, "member topic rule"]

    @property
    def bigrams(self) -> Float[Tensor, "member topic token token"]:
        """Chances of each next token: 0.9 of the weighted permutations and 0.1 of any token; doubly stochastic."""
        tokens = self.successors.shape[-1]
        follows = torch.nn.functional.one_hot(self.successors, tokens).double()
        return (1 - STRAY) * (self.weights[..., None, None] * follows).sum(2) + STRAY / tokens


class TopicBigrams(Task):
    """Sequences of `length` + 1 tokens on one of `topics` topics; the model predicts every next token.

    A sequence of topic k with length 6, first an ordinary one and then one that copies:

        position       0      1      2      3      4      5      (6)
        token          a      b      c      d      e      f       g
        copying        a      b      c      a      b      c       d
        drawn from    any   B_k[a] B_k[b] B_k[c] B_k[d] B_k[e]  B_k[.]   a copying one repeats its first half exactly

    B_k mixes four permutations of all tokens and one part in ten of any token. So all tokens are equally frequent in
    every topic and at every position: a bag of words tells nothing, and only pairs do. A share `copies` of the
    sequences repeats its first half. `noise`, in training only, makes the second half (1) or everything (2) random
    tokens; measures always see noise 0. The optimal predictor is `ontogeny.tasks.topic_predictors.next_token`.

    Latents: `topic`, `copied` `[member, sample]`.

    Source: noise levels after Song & Zhong, arXiv 2310.04861; the language is ours.
    """

    topics: int = 4
    tokens: int = 64
    length: int = 64
    copies: float = 0.25
    noise: Literal[0, 1, 2] = 0

    def check(self) -> None:
        """Numbers that make a language."""
        if self.topics < 1 or self.tokens < 2:
            raise UserError(f"TopicBigrams needs a topic and 2 tokens, got {self.topics} and {self.tokens}")
        if self.length < 2 or self.length % 2:
            raise UserError(f"TopicBigrams: length is even, for its second half repeats the first, got {self.length}")
        if not 0 <= self.copies < 1 or self.noise not in (0, 1, 2):
            raise UserError(
                f"TopicBigrams: copies from 0 to below 1 and noise 0, 1 or 2, got {self.copies}, {self.noise}"
            )

    @property
    def shape(self) -> Shape:
        """The last of the tokens is only ever a target."""
        return Shape(outputs=self.tokens, vocabulary=self.tokens, length=self.length)

    def world(self, streams: Streams) -> Topics:
        """Each member's own language: permutations, and weights from Dirichlet(2)."""
        successors = streams.permutation("successors", (self.topics, RULES), self.tokens)
        uniform = (streams.words("weights", (self.topics, RULES, 2)).double() + 0.5) * 2.0**-32
        gamma = -(uniform.log().sum(-1))  # the sum of two exponential variables
        return Topics(successors, gamma / gamma.sum(-1, keepdim=True))

    def evaluated(self, world: Topics) -> tuple["TopicBigrams", Topics]:
        """The language without noise."""
        return self.replace(noise=0), world

    def sample(self, world: Topics, streams: Streams, size: int) -> Batch:
        """`size` sequences a member, of any topic."""
        topic = streams.integers("topic", (size,), self.topics)
        copied = streams.bernoulli("copied", (size,), self.copies)
        return self._batch(world, streams, topic, copied)

    def contexts(self, world: Topics, streams: Streams, size: int) -> Batch:
        """`size` sequences a member without copies, of the topics in turn: 0, 1, 2, 3, 0, ..."""
        topic = (torch.arange(size, device=streams.device) % self.topics).expand(streams.members, -1)
        return self._batch(world, streams, topic, torch.zeros_like(topic, dtype=torch.bool))

    def _batch(self, world: Topics, streams: Streams, topic: Int[Tensor, "member sample"], copied: Tensor) -> Batch:
        size, half = topic.shape[1], self.length // 2
        stray = streams.integers("tokens", (size, self.length + 1), self.tokens)
        places = streams.words("rules", (size, self.length + 1)).double() * 2.0**-32
        members = torch.arange(len(topic), device=topic.device)[:, None]
        edges = (1 - STRAY) * world.weights.cumsum(-1)[members, topic]
        token = stray[..., 0]
        walk = [token]
        for i in range(1, self.length + 1):
            if half <= i < self.length:
                token = torch.where(
                    copied, walk[i - half], self._next(world, members, topic, token, edges, places, stray, i)
                )
            else:
                token = self._next(world, members, topic, token, edges, places, stray, i)
            walk.append(token)
        made = torch.stack(walk, -1)
        if self.noise:
            random = torch.arange(self.length + 1, device=made.device) >= (half if self.noise == 1 else 0)
            made = torch.where(random, streams.integers("noise", (size, self.length + 1), self.tokens), made)
        return Batch(inputs=made[..., :-1], targets=made[..., 1:], latents={"topic": topic, "copied": copied})

    def _next(
        self,
        world: Topics,
        members: Tensor,
        topic: Tensor,
        token: Tensor,
        edges: Tensor,
        places: Tensor,
        stray: Tensor,
        i: int,
    ) -> Int[Tensor, "member sample"]:
        rule = (places[..., i, None] >= edges).sum(-1)
        follows = world.successors[members, topic, rule.clamp_max(RULES - 1), token]
        return torch.where(rule < RULES, follows, stray[..., i])
