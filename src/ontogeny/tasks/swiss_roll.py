"""Swiss roll: a strip rolled up in space, whose only true coordinates are the angle and the height."""

import math
from typing import Any

import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


class SwissRoll(Task):
    r"""Points $(t \cos t,\; t \sin t,\; h)$ plus noise, with $t \sim U(0, 2 \pi \cdot \mathrm{turns})$ and
    $h \sim U(-\mathrm{height}, \mathrm{height})$.

        inputs    x y z        position in space
        targets   t            angle along the roll, radians: a continuous label with no clusters in it
        latents   height       h

    Source: the data of Liu, Ma & Zhong (arXiv 2410.16608): 1.5 turns, heights within 4, noise 0.05.
    """

    turns: float = 1.5
    height: float = 4.0
    noise: float = 0.05

    def check(self) -> None:
        """Raises `UserError` for a roll without turns or with negative noise."""
        if not self.turns > 0 or self.noise < 0 or self.height < 0:
            raise UserError(f"a roll has turns > 0, height >= 0 and noise >= 0, got {self}")

    @property
    def shape(self) -> Shape:
        """Three coordinates in, the angle out."""
        return Shape(outputs=1, features=3)

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """`size` points a member."""
        t = streams.uniform("angle", (size,)) * (2 * math.pi * self.turns)
        h = self.height * (2 * streams.uniform("height", (size,)) - 1)
        clean = torch.stack([t * torch.cos(t), t * torch.sin(t), h], -1)
        x = clean + self.noise * streams.normal("noise", (size, 3))
        return Batch(inputs=x, targets=t[..., None], latents={"height": h})
