"""Steps at which to measure: evenly or logarithmically spaced."""

import numpy as np

from ontogeny.errors import UserError
from ontogeny.parts import Part


class Steps(Part):
    """When to measure, in updates made; 0 is before training. Abstract: gives `upto`."""

    def upto(self, last: int) -> tuple[int, ...]:
        """The steps to measure at in a training of `last` updates; always ends with `last`."""
        raise NotImplementedError


class Every(Steps):
    """Every `interval` updates, from 0 on."""

    interval: int

    def check(self) -> None:
        """Values that can work."""
        if self.interval < 1:
            raise UserError(f"every({self.interval}): measure every 1 update or more")

    def upto(self, last: int) -> tuple[int, ...]:
        """0, interval, 2 interval, ..., last."""
        return tuple(sorted({*range(0, last + 1, self.interval), last}))


class LogSpaced(Steps):
    """0 and then about `count` steps with equal ratios between them."""

    count: int

    def check(self) -> None:
        """Values that can work."""
        if self.count < 1:
            raise UserError(f"log_spaced({self.count}): measure once or more")

    def upto(self, last: int) -> tuple[int, ...]:
        """0, 1, ..., last: fewer than `count` where neighbours round to the same step."""
        spaced = np.geomspace(1, max(last, 1), self.count).round().astype(int).tolist()
        return tuple(sorted({0, *(s for s in spaced if s <= last), last}))


class At(Steps):
    """The steps named."""

    steps: tuple[int, ...]

    def upto(self, last: int) -> tuple[int, ...]:
        """Those named that are not past the end, and the end."""
        return tuple(sorted({*(s for s in self.steps if 0 <= s <= last), last}))


def every(interval: int) -> Every:
    """Measure every `interval` updates, before the first and after the last."""
    return Every(interval=interval)


def log_spaced(count: int) -> LogSpaced:
    """Measure at about `count` steps with equal ratios between them, before the first and after the last."""
    return LogSpaced(count=count)


def at(*steps: int) -> At:
    """Measure at the steps named, and after the last."""
    return At(steps=steps)
