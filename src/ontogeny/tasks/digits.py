"""Handwritten digits: scikit-learn's 1,797 small pictures, drawn without repetition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from sklearn.datasets import load_digits
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


def digits(
    streams: Streams, size: int | None = None, classes: Sequence[int] = tuple(range(10))
) -> tuple[Float[Tensor, "member sample pixel"], Int[Tensor, "member sample"]]:
    """`size` different pictures a member of the given classes (all of them with None), and which digit each shows.

    A picture is 8 x 8 pixels from 0 to 16, row by row. Every member has its own order, drawn from its seed.

    Raises: `UserError` for more pictures than there are.
    Source: the test part of the UCI optical digits, as shipped with scikit-learn.
    """
    pixels, labels = load_digits(return_X_y=True)
    among = torch.isin(torch.as_tensor(labels), torch.tensor(tuple(classes)))
    x = torch.as_tensor(pixels)[among].to(streams.device, torch.float32)
    y = torch.as_tensor(labels)[among].to(streams.device)
    if size is not None and not 0 < size <= len(x):
        raise UserError(f"there are {len(x)} digits of the classes {tuple(classes)}, got a size of {size}")
    order = streams.permutation("order", (), len(x))[:, :size]
    return x[order], y[order]


@dataclass(frozen=True)
class Pictures:
    """All pictures, shared, and the order in which each member has them."""

    pixels: Float[Tensor, "picture pixel"]
    labels: Int[Tensor, "picture"]
    order: Int[Tensor, "member picture"]


class Digits(Task):
    """Which digit a picture shows: the first `trained` of each member's order to learn from, the others held out.

        inputs    64 pixels from 0 to 1
        targets   0 to 9

    Training pictures are drawn with replacement. Measures look at held-out ones, all different, the same every time.
    """

    trained: int = 1_437
    held_out: bool = False

    def check(self) -> None:
        """Pictures on both sides."""
        if not 0 < self.trained < 1_797:
            raise UserError(f"there are 1797 digits, and some are held out: trained={self.trained} does not split them")

    @property
    def shape(self) -> Shape:
        """Pixels in, digits out."""
        return Shape(features=64, outputs=10)

    def world(self, streams: Streams) -> Pictures:
        """Every member's own order, hence its own split."""
        pixels, labels = (torch.as_tensor(part, device=streams.device) for part in load_digits(return_X_y=True))
        return Pictures((pixels / 16.0).float(), labels, streams.permutation("split", (), len(pixels)))

    def evaluated(self, world: Pictures) -> tuple[Task, Any]:
        """The held-out pictures."""
        return self.replace(held_out=True), world

    def sample(self, world: Pictures, streams: Streams, size: int) -> Batch:
        """`size` pictures a member.

        Raises: `UserError` for more held-out pictures than there are.
        """
        if not self.held_out:
            chosen = world.order.gather(1, streams.integers("picture", (size,), self.trained))
        elif size <= (most := world.order.shape[1] - self.trained):
            chosen = world.order[:, self.trained : self.trained + size]
        else:
            raise UserError(f"{most} digits are held out, got a size of {size}: ask for fewer")
        return Batch(inputs=world.pixels[chosen], targets=world.labels[chosen])
