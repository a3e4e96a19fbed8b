"""Digit text: numbers written digit by digit between symbols, with a role for every character that can vary."""

import torch
from jaxtyping import Int
from torch import Tensor

from ontogeny.errors import UserError, nearest
from ontogeny.tasks.contract import Batch, Shape, Task

PLACES = ("units", "tens", "hundreds", "thousands", "ten-thousands", "hundred-thousands", "millions")
NUMBERS = "abcdefghij"
"""What the numbers of a text are called, in the order in which they stand."""


def digits_of(number: Int[Tensor, "*sample"], width: int) -> Int[Tensor, "*sample digit"]:
    """The last `width` decimal digits, the most significant first: 42 in three is 0, 4, 2."""
    power = 10 ** torch.arange(width - 1, -1, -1, device=number.device)
    return number[..., None] // power % 10


def number_of(digits: Int[Tensor, "*sample digit"]) -> Int[Tensor, "*sample"]:
    """The number that is written by these digits, the most significant first."""
    power = 10 ** torch.arange(digits.shape[-1] - 1, -1, -1, device=digits.device)
    return (digits * power).sum(-1)


def places_of(width: int) -> tuple[str, ...]:
    """Names of the places of a number, the most significant first: hundreds, tens, units."""
    return PLACES[:width][::-1]


class DigitText(Task):
    """Texts of one length over digits (tokens 0 to 9) and symbols (tokens from 10 on). Abstract.

    A text is given by its `words`: a symbol stands for itself, anything else is the role of a character that varies
    from sample to sample, as `b.tens` is that of the second number's digit for tens. Roles are where an edit, as
    `ontogeny.interventions.token_edit.TokenEdit` makes it, can take hold. What a network is asked is the last
    `answer` characters.
    """

    @property
    def words(self) -> list[str]:
        """The text, word by word."""
        raise NotImplementedError

    @property
    def symbols(self) -> str:
        """All characters beside the digits, in the order of their tokens."""
        raise NotImplementedError

    @property
    def answer(self) -> int:
        """How many of the last characters a network has to predict."""
        raise NotImplementedError

    @property
    def length(self) -> int:
        """How many characters a text has."""
        return len(self.words)

    @property
    def shape(self) -> Shape:
        """Next-character prediction: one position less than a text is long."""
        size = 10 + len(self.symbols)
        return Shape(outputs=size, vocabulary=size, length=self.length - 1, since=self.length - 1 - self.answer)

    @property
    def roles(self) -> dict[str, int]:
        """Position of every character that varies, by its role."""
        return {word: i for i, word in enumerate(self.words) if word not in self.symbols}

    def position(self, role: str) -> int:
        """Where the character of this role is written; a network predicts it one position before.

        Raises: `UserError` for a role that the text has not.
        """
        if role not in (roles := self.roles):
            raise UserError(f"no role {role!r} in this text: {nearest(role, roles)}")
        return roles[role]

    def options(self, role: str) -> range:
        """The tokens that can stand in a role: digits, unless the task has others."""
        self.position(role)
        return range(10)

    def token(self, symbol: str) -> int:
        """The token of a symbol."""
        return 10 + self.symbols.index(symbol)

    def text(self, tokens: Int[Tensor, "position"]) -> str:
        """A text as people read it."""
        return "".join(("0123456789" + self.symbols)[t] for t in tokens.tolist())

    def batch(self, tokens: Int[Tensor, "member sample position"], latents: dict[str, Tensor]) -> Batch:
        """Whole texts as samples: every next character is a target, those of the answer count."""
        weights = torch.zeros(tokens[..., 1:].shape, device=tokens.device)
        weights[..., -self.answer :] = 1.0
        return Batch(inputs=tokens[..., :-1], targets=tokens[..., 1:], weights=weights, latents=latents)

    def column(self, symbol: str, beside: Int[Tensor, "*sample"]) -> Int[Tensor, "*sample 1"]:
        """A symbol in every sample, to be joined with digits."""
        return torch.full_like(beside, self.token(symbol))[..., None]


def listed(count: int, width: int, separator: str, mark: str = "") -> list[str]:
    """Words of a list of numbers: `a.tens a.units + b.tens b.units`; `mark` is appended to the numbers' names."""
    words: list[str] = []
    for name in NUMBERS[:count]:
        words += [*([separator] if words else []), *(f"{name}{mark}.{place}" for place in places_of(width))]
    return words
