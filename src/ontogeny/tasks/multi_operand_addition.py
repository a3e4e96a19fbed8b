"""Multi-operand addition: sums written digit by digit in any order, one digit of which can be made meaningless.

One sample of four operands of two digits, the sum in plain order (inputs are characters 0-14, targets 1-15):

    position   0 1  2 3 4  5 6 7  8 9 10 11  12 13 14  15
    character  3 7  + 0 2  + 8 9  + 1 5  =    1  4  3   $
    role       a a    b b    c c    d d      sum.hundreds .tens .units
    in loss                                   x  x  x   x

With `order=321` the same sum is written 341, units first. With a scratchpad the total of every column, its carry from
the right included, is written before the sum, units first: `37+02+89+15=23,14#143$`.

The optimal predictor is the sum: it is certain. What single digits of the operands tell of those of the sum, and what
is known without looking at the operands, is in `ontogeny.tasks.addition_predictors`.
"""

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Task
from ontogeny.tasks.digit_text import PLACES, DigitText, digits_of, listed, places_of


class MultiOperandAddition(DigitText):
    """Sums of `operands` numbers, uniform from 0 to 10^digits - 1 and padded with zeros; the sum has digits + 1 places.

    `order` names the digits of the sum in the order in which they are written, 1 being the most significant: 123 is
    plain (as is None), 321 reverse, 213 tens first. `randomised` replaces one of them by a meaningless one in training:
    1 the most significant, uniform over 0 to operands - 1 as far as a sum can go, 2 the next, uniform over 0 to 9, and
    so on; 0 leaves all as they are. Measures never see a randomised digit.

    Members of one seed have the same operands whatever their order and their randomised digit. Latents are `operands`
    `[member, sample, operand]` and the true `sum`.

    Source: Zhao, Sharma, Uppaal & Zhong (arXiv 2601.22510) and its code, whose numbers are not padded.
    """

    operands: int = 4
    digits: int = 2
    order: PerMember | None = None
    randomised: PerMember = 0
    scratchpad: bool = False

    def check(self) -> None:
        """As many operands as a carry of one digit allows, an order of all places, a place that is there."""
        if not 2 <= self.operands <= 10 or not 1 <= self.digits < len(PLACES):
            raise UserError(
                f"sums of 2 to 10 operands of 1 to {len(PLACES) - 1} digits can be written, got {self.operands} "
                f"of {self.digits}"
            )
        plain = "".join(str(i + 1) for i in range(self.width))
        if self.order is not None and sorted(f"{self.order:.0f}") != list(plain):
            raise UserError(f"order={self.order} does not name all digits of the sum: use {plain}, or {plain[::-1]}")
        if self.randomised not in range(self.width + 1):
            raise UserError(f"randomised is 0 (none) to {self.width}, the units, got {self.randomised}")

    @property
    def width(self) -> int:
        """How many digits the sum has."""
        return self.digits + 1

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the sum's places, the most significant first."""
        return places_of(self.width)

    @property
    def symbols(self) -> str:
        """Characters beside digits."""
        return "+=$,#" if self.scratchpad else "+=$"

    @property
    def answer(self) -> int:
        """The scratchpad, the sum and the end."""
        return self.length - self.prompt_length

    @property
    def prompt_length(self) -> int:
        """How many characters come up to and with =: what a network is given to continue."""
        return self.operands * (self.digits + 1)

    @property
    def length(self) -> int:
        """How many characters a text has; the same in any order."""
        return self.prompt_length + (3 * self.digits if self.scratchpad else 0) + self.width + 1

    @property
    def words(self) -> list[str]:
        """The text, word by word.

        Raises: `UserError` for a population whose members write in different orders.
        """
        order = self._order().view(-1, self.width)
        if (order != order[0]).any():
            raise UserError("members write in different orders: ask one of them, or use `by_place`")
        pad = [f"{place}.{part}" for place in places_of(self.digits)[::-1] for part in ("carry", "digit")]
        columns = [word for i, role in enumerate(pad) for word in ((",", role) if i % 2 == 0 and i else (role,))]
        scratchpad = [*columns, "#"] if self.scratchpad else []
        total = [f"sum.{self.places[i]}" for i in order[0].tolist()]
        return [*listed(self.operands, self.digits, "+"), "=", *scratchpad, *total, "$"]

    def evaluated(self, world: None) -> tuple[Task, None]:
        """The same without a randomised digit."""
        return self.replace(randomised=0), world

    def sample(self, world: None, streams: Streams, size: int) -> Batch:
        """Fresh sums. Draws `operands` and `random digit` from the streams."""
        operands = streams.integers("operands", (size, self.operands), 10**self.digits)
        total = operands.sum(-1)
        place = torch.arange(1, self.width + 1, device=total.device)
        options = torch.where(place == 1, self.operands, 10)
        meaningless = streams.integers("random digit", (size, self.width), options)
        chosen = torch.as_tensor(self.randomised, device=total.device).view(-1, 1, 1) == place
        digits = torch.where(chosen, meaningless, digits_of(total, self.width))
        return self.batch(self.write(operands, digits), {"operands": operands, "sum": total})

    def write(
        self, operands: Int[Tensor, "*sample operand"], digits: Int[Tensor, "*sample digit"] | None = None
    ) -> Int[Tensor, "*sample position"]:
        """Whole texts: with the true sum, or with these digits in its place, the most significant first.

        In a population whose members differ in their order the first axis is `member`.
        """
        if digits is None:
            digits = digits_of(operands.sum(-1), self.width)
        one = operands[..., 0]
        parts: list[Tensor] = []
        for i in range(self.operands):
            parts += [digits_of(operands[..., i], self.digits), self.column("+" if i < self.operands - 1 else "=", one)]
        if self.scratchpad:
            totals = self.column_totals(operands)
            for i in range(self.digits):
                parts += [digits_of(totals[..., i], 2), self.column("," if i < self.digits - 1 else "#", one)]
        return torch.cat([*parts, self._arranged(digits, self._order()), self.column("$", one)], -1)

    def column_totals(self, operands: Int[Tensor, "*sample operand"]) -> Int[Tensor, "*sample column"]:
        """The sum of every column and of what is carried into it, units first: what the scratchpad says."""
        carry, totals = torch.zeros_like(operands[..., 0]), []
        for i in range(self.digits):
            totals.append((operands // 10**i % 10).sum(-1) + carry)
            carry = totals[-1] // 10
        return torch.stack(totals, -1)

    def by_place(self, written: Shaped[Tensor, "*sample digit"]) -> Shaped[Tensor, "*sample place"]:
        """What belongs to the digits of the sum, from the order in which they are written to that of their places."""
        return self._arranged(written, self._order().argsort(-1))

    def _order(self) -> Int[Tensor, "*member digit"]:
        """Which digit of the plain sum, from 0, is written first, second..."""
        if self.order is None:
            return torch.arange(self.width)
        return digits_of(torch.as_tensor(self.order).long(), self.width) - 1

    def _arranged(
        self, digits: Shaped[Tensor, "*sample digit"], by: Int[Tensor, "*member digit"]
    ) -> Shaped[Tensor, "*sample digit"]:
        index = by.to(digits.device).view(*by.shape[:-1], *[1] * (digits.ndim - by.ndim), by.shape[-1])
        return digits.gather(-1, index.expand(digits.shape))
