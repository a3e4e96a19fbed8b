"""Balanced sorting: four numbers of three or four digits, put in order of their size.

One sample (inputs are characters 0-38, targets 1-39):

    position   0-3  4  5-8  9 10-13 14 15-18 19 20-23 24 25-28 29 30-33 34 35-38 39
    characters 0417 ,  4031 ,  4502 ,  0440  #  0417  ,  0440  ,  4031  ,  4502   $
    role        a       b       c       d        a'       b'       c'       d'
    in loss                                      x    x   x    x   x    x   x     x

Numbers of three digits are padded with a zero. A third of the samples has free numbers, in a third all four share
their first digit (other than the zero), in a third the first two, so that length, first, second and later digits all
decide something. The optimal predictor is certain.
"""

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch
from ontogeny.tasks.digit_text import DigitText, digits_of, listed, number_of

COUNT, WIDTH = 4, 4
GROUPS = 3  # no digit is shared, one, two
CONFLICTS = ("conflicting", "agreeing")


class BalancedSorting(DigitText):
    """Four numbers of three or four digits (fair, each by itself) and the same in rising order.

    Latents are `numbers`, as they are asked, and `ordered` `[member, sample, number]`, and `shared`, the group.

    Source: Zhao, Sharma, Uppaal & Zhong (arXiv 2601.22510) and its code, whose numbers are not padded.
    """

    @property
    def symbols(self) -> str:
        """Characters beside digits."""
        return ",#$"

    @property
    def answer(self) -> int:
        """The numbers in order, and the end."""
        return self.length - self.prompt_length

    @property
    def prompt_length(self) -> int:
        """How many characters come up to and with #: what a network is given to continue."""
        return COUNT * (WIDTH + 1)

    @property
    def words(self) -> list[str]:
        """The text, word by word; a role with ' is one in the answer."""
        return [*listed(COUNT, WIDTH, ","), "#", *listed(COUNT, WIDTH, ",", mark="'"), "$"]

    def sample(self, world: None, streams: Streams, size: int) -> Batch:
        """Fresh lists. Draws `first`, `digits`, `length` and `group` from the streams."""
        first = 1 + streams.integers("first", (size, COUNT, 1), 9)
        digits = torch.cat([first, streams.integers("digits", (size, COUNT, WIDTH - 1), 10)], -1)
        shared = streams.integers("group", (size,), GROUPS)
        place = torch.arange(WIDTH, device=digits.device)
        digits = torch.where(place < shared[..., None, None], digits[:, :, :1], digits)
        short = streams.integers("length", (size, COUNT), 2) == 1
        numbers = number_of(digits)
        numbers = torch.where(short, numbers // 10, numbers)
        batch = self._written(numbers)
        return replace(batch, latents={**batch.latents, "shared": shared})

    def conflict(self, streams: Streams, size: int, kind: str) -> Batch:
        """Lists of 1000, two numbers in fair order, and 9999, in which the digits of the two may contradict each other.

        The two share their first and third digits and differ in the second and fourth: in both the same one is
        greater (`agreeing`), or each is greater in one of them (`conflicting`). The second decides.

        Raises: `UserError` for another kind.
        """
        if kind not in CONFLICTS:
            raise UserError(f"digits are conflicting or agreeing, got {kind!r}")
        first = 1 + streams.integers("first", (size,), 9)
        third = streams.integers("third", (size,), 10)
        pairs = []
        for name in ("second", "fourth"):
            one = streams.integers(f"{name} of one", (size,), 10)
            other = (one + 1 + streams.integers(f"{name} of another", (size,), 9)) % 10
            pairs.append((torch.minimum(one, other), torch.maximum(one, other)))
        (low2, high2), (low4, high4) = pairs
        if kind == "conflicting":
            low4, high4 = high4, low4
        low = number_of(torch.stack([first, low2, third, low4], -1))
        high = number_of(torch.stack([first, high2, third, high4], -1))
        turned = streams.bernoulli("turned", (size,), 0.5)
        middle = [torch.where(turned, high, low), torch.where(turned, low, high)]
        ends = [torch.full_like(low, end) for end in (1_000, 9_999)]
        return self._written(torch.stack([ends[0], *middle, ends[1]], -1))

    def write(
        self, numbers: Int[Tensor, "*sample number"], ordered: Int[Tensor, "*sample number"]
    ) -> Int[Tensor, "*sample position"]:
        """Whole texts, from the numbers asked and those answered."""
        parts: list[Tensor] = []
        for one, end in ((numbers, "#"), (ordered, "$")):
            for i in range(COUNT):
                symbol = self.column("," if i < COUNT - 1 else end, one[..., i])
                parts += [digits_of(one[..., i], WIDTH), symbol]
        return torch.cat(parts, -1)

    def _written(self, numbers: Int[Tensor, "member sample number"]) -> Batch:
        ordered = numbers.sort(-1).values
        return self.batch(self.write(numbers, ordered), {"numbers": numbers, "ordered": ordered})
