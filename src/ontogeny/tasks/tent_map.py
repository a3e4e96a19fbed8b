"""Tent map: a function on [0, 1] with exponentially many linear pieces, made by composing one with two."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


def tent(x: Float[Tensor, "*any"], times: int) -> Float[Tensor, "*any"]:
    """2 min(x, 1 - x), applied `times` times to numbers from 0 to 1: 2**times pieces, 2**(times - 1) teeth."""
    for _ in range(times):
        x = 2 * torch.minimum(x, 1 - x)
    return x


class TentMap(Task):
    """Regression on `tent`, without noise.

        inputs    x                  uniform on [0, 1)
        targets   tent(x, times)

    The best predictor is the map itself; predicting 1/2 has a mean absolute error of 1/4.
    """

    times: int

    def check(self) -> None:
        """Once at least."""
        if self.times < 1:
            raise UserError(f"TentMap is iterated once or more, got times={self.times}")

    @property
    def shape(self) -> Shape:
        """A number in, a number out."""
        return Shape(features=1, outputs=1)

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """`size` points a member."""
        x = streams.uniform("points", (size, 1))
        return Batch(inputs=x, targets=tent(x, self.times))
