"""Forking story: the outcome is open until a single word, at a known place, decides it."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch
from ontogeny.tasks.story import NOISE, OUTCOMES, WEIGHTS, Story, outcome_weights

TELLING = (0, 2)  # undecided states after whose words "." decides: for the first, and for the second outcome


class Told(NamedTuple):
    """Stories, and the place of the word that decides each (1 to T; 0 where none does)."""

    words: Int[Tensor, "member sample word"]
    fork: Int[Tensor, "member sample"]


class ForkingStory(Story):
    """A story that goes round the undecided states until it forks, then round the two states of one outcome's basin.

        state     u2    u3    u0    u1      C0   C1   C0        u2.. are undecided, C0 and C1 the basin of C
        word     u2b   u3a   u0c  fork C   C0a  C1b   .         the fork decides; this "." is filler
        P(C)    .203  .203  .203    .95    .95  .95  .95        after the word

    At every undecided step the story forks with probability `fork`: an outcome m is drawn with weights 0.4, 0.3, 0.2,
    0.1, the fork word of m is written in place of the state's word, and the next state is the first of m's basin. The
    end tells m with probability 0.95, else another; a story that never forked tells an outcome with the same total
    probabilities, so that until the fork nothing changes.

    The "." decides where the previous token is a word of u0 and m = A, or one of u2 and m = B: half the time it then
    stands for the fork word. Anywhere else it is filler, in place of the state's word, with probability `filler`. So no
    token alone tells a fork, and the words before always do.

    Latents: `fork` (place of the deciding word, 1 to T, 0 for none), `outcome`.

    Source: Bigelow et al., arXiv 2412.07961, look for such words in language models; the process is ours.
    """

    fork: PerMember = 0.12
    filler: float = 0.02

    def check(self) -> None:
        """As any story, with probabilities."""
        super().check()
        for name in ("fork", "filler"):
            if not 0.0 <= (value := getattr(self, name)) <= 1.0:
                raise UserError(f"ForkingStory: {name} is a probability, got {value}")

    def sample(self, world: None, streams: Streams, size: int) -> Batch:
        """`size` stories a member."""
        words, fork = self.tell(streams, size)
        law = self.outcome_law(world, words)[:, :, -1]
        return self.told(words, streams.categorical("outcome", (size,), law), {"fork": fork})

    def tell(self, streams: Streams, size: int, *, start: Int[Tensor, "sample"] | None = None) -> Told:
        """The words of stories; `start` is the first undecided state of each, drawn uniformly unless given."""
        ring, place = self.undecided, torch.arange(self.length, device=streams.device)
        first = streams.integers("start", (size,), ring) if start is None else start.expand(streams.members, -1)
        forks = streams.bernoulli("fork", (size, self.length), self.fork)
        so_far = forks.cumsum(-1)
        here = forks & (so_far == 1)
        fork = (so_far == 0).sum(-1, keepdim=True)  # places before it; T where there is none
        weights = torch.tensor(WEIGHTS, device=streams.device).expand(streams.members, 1, -1)
        m = streams.categorical("decision", (size,), weights)[..., None]
        open_ = (first[..., None] + place) % ring
        # A story at its fork is still undecided: the basin begins with the next word.
        state = torch.where(place > fork, ring + m * self.basin + (place - fork - 1) % self.basin, open_)
        filler = streams.bernoulli("filler", (size, self.length), self.filler)
        # Undecided states next to u0 and u2 are neither, so that filler in their place is filler for certain.
        before = torch.where(filler, -1, open_).roll(1, -1).where((place > 0) & (place <= fork), -1)
        telling = (before == TELLING[0]) | (before == TELLING[1])
        stop = telling & (m == torch.where(before == TELLING[0], 0, 1)) & streams.bernoulli("stop", here.shape[1:], 0.5)
        word = self.words * state + streams.integers("word", (size, self.length), self.words)
        plain = torch.where(filler & ~telling, self.token("."), word)
        words = torch.where(here, torch.where(stop, self.token("."), self.token("fork A") + m), plain)
        return Told(words, torch.where(fork < self.length, fork + 1, 0)[..., 0])

    def decision(self, words: Int[Tensor, "*story word"]) -> Int[Tensor, "*story word"]:
        """What each word alone decides, given the one before it: an outcome's number, or -1."""
        before = torch.cat([torch.full_like(words[..., :1], -1), words[..., :-1]], -1)
        state = torch.where(before >= 0, before // self.words, -1)
        fork = words - self.token("fork A")
        named = torch.where((fork >= 0) & (fork < len(OUTCOMES)), fork, -1)
        for outcome, telling in enumerate(TELLING):
            named = torch.where((words == self.token(".")) & (state == telling), outcome, named)
        return named

    def outcome_law(
        self, world: None, words: Int[Tensor, "member sample word"]
    ) -> Float[Tensor, "member sample prefix outcome"]:
        """Constant, until the first word that decides."""
        decision = self.decision(words)
        decided = (decision >= 0).cumsum(-1) > 0
        first = (~decided).sum(-1, keepdim=True).clamp_max(words.shape[-1] - 1)
        m = decision.gather(-1, first).expand(decision.shape)
        m = torch.cat([torch.full_like(m[..., :1], -1), m.where(decided, -1)], -1)
        sure = torch.full((len(OUTCOMES),) * 2, NOISE / (len(OUTCOMES) - 1), dtype=torch.float64)
        laws = torch.cat([sure.fill_diagonal_(1 - NOISE), outcome_weights()[None]]).to(words.device)
        return laws[m]  # -1 is the last of the laws
