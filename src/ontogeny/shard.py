"""Shards: a run divided among several commands, each of which does every n-th cohort of the same plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ontogeny.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, counted from 1."""

    number: int = 1
    count: int = 1

    @property
    def whole(self) -> bool:
        """Whether it is all there is."""
        return self.count == 1

    def of(self, cohorts: Sequence[T], first: int = 0) -> list[T]:
        """This shard's share of some cohorts, of which `first` others stand in front."""
        return [cohort for i, cohort in enumerate(cohorts, first) if i % self.count == self.number - 1]

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


WHOLE = Shard()


def parse_shard(text: str) -> Shard:
    """`2/8` as the second of eight.

    Raises: `UserError` for anything else.
    """
    number, _, count = text.partition("/")
    if number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
        return Shard(int(number), int(count))
    raise UserError(f"--shard {text} is no part of a whole: write it like --shard 1/4, up to --shard 4/4")
