"""Positions: how a transformer knows the order of its tokens (learned, sinusoidal or rotary)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.models import initial
from ontogeny.streams import Streams


class Learned(nn.Module):
    """A vector a position, `weight [member, position, width]`, added to the embeddings."""

    def __init__(
        self, streams: Streams, length: int, width: int, *, deviation: float, scale: float | Tensor = 1.0
    ) -> None:
        super().__init__()
        self.weight = initial.normal(streams, (length, width), deviation, scale)

    def forward(self, length: int) -> Float[Tensor, "member position width"]:
        """The vectors of the first positions."""
        return self.weight[:, :length]


class Sinusoidal(nn.Module):
    r"""Fixed sines and cosines, $\sin(t / 10000^{2i/w})$ and $\cos(t / 10000^{2i/w})$ in turn, added to the embeddings.

    Scaled to a root mean square of `deviation`. Source: Vaswani et al., arXiv 1706.03762, section 3.5.
    """

    table: Float[Tensor, "1 position width"]

    def __init__(self, length: int, width: int, *, deviation: float, device: torch.device) -> None:
        super().__init__()
        angles = _angles(length, -(-width // 2), 10_000.0 ** (2 / width), device)
        table = torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :width]
        self.register_buffer("table", (math.sqrt(2.0) * deviation * table).float()[None], persistent=False)

    def forward(self, length: int) -> Float[Tensor, "1 position width"]:
        """The vectors of the first positions, the same for every member."""
        return self.table[:, :length]


class Rotary(nn.Module):
    r"""Turns queries and keys by an angle that grows with the position, so that scores depend on distances.

    Feature i and feature i + d/2 of a head of size d are the plane turned by $t\,\mathrm{base}^{-2i/d}$ (the halves, as
    in GPT-NeoX and Llama, not neighbours as in GPT-J). Source: Su et al., arXiv 2104.09864.
    """

    cos: Float[Tensor, "position 1 half"]
    sin: Float[Tensor, "position 1 half"]

    def __init__(self, length: int, size: int, *, base: float, device: torch.device) -> None:
        super().__init__()
        angles = _angles(length, size // 2, base ** (2 / size), device)[:, None]
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)

    def forward(
        self, x: Float[Tensor, "member sample position head feature"], first: int = 0
    ) -> Float[Tensor, "member sample position head feature"]:
        """The turned vectors, the first of which stands at position `first`."""
        here = slice(first, first + x.shape[2])
        cos, sin = self.cos[here], self.sin[here]
        left, right = x.chunk(2, -1)
        return torch.cat([left * cos - right * sin, right * cos + left * sin], -1)


def _angles(length: int, count: int, ratio: float, device: torch.device) -> Float[Tensor, "position frequency"]:
    """Position times frequency, in float64; frequencies are 1, 1 / ratio, 1 / ratio^2, ..."""
    frequencies = ratio ** -torch.arange(count, dtype=torch.float64, device=device)
    return torch.arange(length, dtype=torch.float64, device=device)[:, None] * frequencies
