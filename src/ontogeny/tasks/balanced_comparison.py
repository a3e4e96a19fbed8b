"""Balanced comparison: which of two numbers is greater, asked as often about every digit.

One sample (inputs are characters 0-9, targets 1-10):

    position   0 1 2 3  4  5 6 7 8  9  10
    character  4 0 7 1  ,  4 0 6 9  #   >
    role       a.thousands ...     relation
    in loss                             x

Numbers drawn freely are told apart by their first digit in nine cases of ten, and by their last in one of a thousand.
Here they come in equally frequent groups: free, sharing the first 1, 2, 3... digits, and identical; digits that need
not be shared are free, so that they may coincide as well. The optimal predictor is certain.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Task
from ontogeny.tasks.digit_text import PLACES, DigitText, listed, number_of, places_of

RELATIONS = "><="


class BalancedComparison(DigitText):
    """Pairs of numbers of `digits` digits, padded with zeros, and the relation between them: >, < or =.

    A share `balanced` of the pairs comes from one of digits + 1 equally frequent groups, of which group q shares its
    first q digits; the others are free, as group 0 is. Latents are the digits of both numbers, `a` and `b`
    `[member, sample, digit]`, and `shared`, the group.

    Source: Zhao, Sharma, Uppaal & Zhong (arXiv 2601.22510) and its code.
    """

    digits: int = 4
    balanced: PerMember = 1.0

    def check(self) -> None:
        """Numbers that can be written, and a share."""
        if not 1 <= self.digits <= len(PLACES):
            raise UserError(f"numbers of 1 to {len(PLACES)} digits can be compared, got {self.digits}")
        if not 0.0 <= float(self.balanced) <= 1.0:
            raise UserError(f"balanced is a share of the pairs, got {self.balanced}: use 0 to 1")

    @property
    def symbols(self) -> str:
        """Characters beside digits."""
        return f",#{RELATIONS}"

    @property
    def answer(self) -> int:
        """The relation."""
        return 1

    @property
    def words(self) -> list[str]:
        """The text, word by word."""
        return [*listed(2, self.digits, ","), "#", "relation"]

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the places, the most significant first."""
        return places_of(self.digits)

    def options(self, role: str) -> range:
        """The tokens that can stand in a role."""
        if role == "relation":
            return range(self.token(RELATIONS[0]), self.token(RELATIONS[-1]) + 1)
        return super().options(role)

    def evaluated(self, world: None) -> tuple[Task, None]:
        """Balanced pairs, whatever was trained on."""
        return self.replace(balanced=1.0), world

    def sample(self, world: None, streams: Streams, size: int) -> Batch:
        """Fresh pairs. Draws `a`, `b`, `group` and `balanced` from the streams."""
        a, b = self._pair(streams, size)
        group = streams.integers("group", (size,), self.digits + 1)
        shared = torch.where(streams.bernoulli("balanced", (size,), self.balanced), group, 0)
        place = torch.arange(self.digits, device=a.device)
        b = torch.where(place < shared[..., None], a, b)
        return self.batch(self.write(a, b), {"a": a, "b": b, "shared": shared})

    def deciding(self, streams: Streams, size: int, place: int) -> Batch:
        """Pairs that share what is before a place (0 the most significant) and differ there; what follows is free."""
        a, b = self._pair(streams, size)
        return self._differing(a, b, streams, place)

    def contrast(self, streams: Streams, size: int, place: int) -> Batch:
        """Pairs that differ at one place (0 the most significant) and nowhere else."""
        a, _ = self._pair(streams, size)
        return self._differing(a, a, streams, place)

    def identical(self, streams: Streams, size: int) -> Batch:
        """Pairs of equal numbers."""
        a, _ = self._pair(streams, size)
        return self.batch(self.write(a, a), {"a": a, "b": a})

    def write(
        self, a: Int[Tensor, "*sample digit"], b: Int[Tensor, "*sample digit"]
    ) -> Int[Tensor, "*sample position"]:
        """Whole texts, with the true relation, from the digits of both numbers."""
        one, other = number_of(a), number_of(b)
        relation = torch.where(one > other, 0, torch.where(one < other, 1, 2)) + self.token(RELATIONS[0])
        return torch.cat([a, self.column(",", one), b, self.column("#", one), relation[..., None]], -1)

    def _pair(self, streams: Streams, size: int) -> tuple[Tensor, Tensor]:
        return streams.integers("a", (size, self.digits), 10), streams.integers("b", (size, self.digits), 10)

    def _differing(self, a: Tensor, b: Tensor, streams: Streams, place: int) -> Batch:
        if not 0 <= place < self.digits:
            raise UserError(f"numbers of {self.digits} digits have no place {place}: use 0 to {self.digits - 1}")
        other = (a + 1 + streams.integers("difference", a.shape[1:], 9)) % 10
        at = torch.arange(self.digits, device=a.device)
        b = torch.where(at < place, a, torch.where(at == place, other, b))
        return self.batch(self.write(a, b), {"a": a, "b": b})
