"""Stories: words without meaning, and at a fixed place in the end one of four outcomes."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError, nearest
from ontogeny.tasks.contract import Batch, Shape, Task

OUTCOMES = ("A", "B", "C", "D")
WEIGHTS = (0.4, 0.3, 0.2, 0.1)  # of the outcomes
NOISE = 0.05  # probability that another outcome is told than the one decided
FORKS = tuple(f"fork {outcome}" for outcome in OUTCOMES)
MARKS = (*FORKS, ".", *OUTCOMES, "BOS", "ANS")


def outcome_weights() -> Float[Tensor, "outcome"]:
    r"""The law of the outcome before anything is told: $(1 - \epsilon) w + \frac{\epsilon}{3} (1 - w)$, float64."""
    w = torch.tensor(WEIGHTS, dtype=torch.float64)
    return (1 - NOISE) * w + NOISE / (len(WEIGHTS) - 1) * (1 - w)


class Story(Task):
    """Abstract: the vocabulary and the layout that stories share; a story gives `sample` and `outcome_law`.

        place      0    1    2   ...   T    T+1
        input     BOS  w_1  w_2  ...  w_T   ANS
        target    w_1  w_2  w_3  ...  ANS   outcome

    Hidden states come in a ring of `undecided` ones and, for each outcome, a ring of `basin` ones; a state has `words`
    words of its own. Tokens are the words, state by state, then `MARKS`. Every target counts in the loss.
    """

    length: int = 16  # words of a story, T
    undecided: int = 4
    basin: int = 2
    words: int = 3

    def check(self) -> None:
        """Rings that can be told apart and a story to tell."""
        if self.length < 2 or self.undecided < 4 or self.basin < 1 or self.words < 2:
            raise UserError(
                "a story needs 2 words or more, 4 undecided states, 1 state a basin and 2 words a state, got "
                f"length={self.length}, undecided={self.undecided}, basin={self.basin}, words={self.words}"
            )

    @property
    def plain(self) -> int:
        """Number of words: tokens below it belong to a state, the ones from there on are `MARKS`."""
        return self.words * (self.undecided + len(OUTCOMES) * self.basin)

    @property
    def shape(self) -> Shape:
        """Next-token prediction."""
        size = self.plain + len(MARKS)
        return Shape(outputs=size, vocabulary=size, length=self.length + 2)

    def token(self, mark: str) -> int:
        """The token of a mark.

        Raises: `UserError` for an unknown one.
        """
        if mark not in MARKS:
            raise UserError(f"no mark {mark!r}: {nearest(mark, MARKS)}")
        return self.plain + MARKS.index(mark)

    def spell(self, token: int) -> str:
        """How a token is written in a figure: u0a is the first word of the first undecided state, B1c of a basin."""
        if token >= self.plain:
            return MARKS[token - self.plain]
        state, word = divmod(token, self.words)
        letter = chr(ord("a") + word)
        if state < self.undecided:
            return f"u{state}{letter}"
        outcome, place = divmod(state - self.undecided, self.basin)
        return f"{OUTCOMES[outcome]}{place}{letter}"

    def outcome_law(
        self, world: Any, words: Int[Tensor, "member sample word"]
    ) -> Float[Tensor, "member sample prefix outcome"]:
        """Exact probability of each outcome after 0, 1, ... and all of the words: the best possible prediction."""
        raise NotImplementedError

    def told(
        self,
        words: Int[Tensor, "member sample word"],
        outcome: Int[Tensor, "member sample"],
        latents: dict[str, Tensor],
    ) -> Batch:
        """A batch of stories."""
        marks = torch.full_like(words[..., :1], self.token("BOS")), torch.full_like(words[..., :1], self.token("ANS"))
        whole = torch.cat([marks[0], words, marks[1], outcome[..., None] + self.token(OUTCOMES[0])], -1)
        return Batch(inputs=whole[..., :-1], targets=whole[..., 1:], latents={**latents, "outcome": outcome})
