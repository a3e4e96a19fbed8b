"""Counter-based random streams: every number is a pure function of (member's seed, purpose, step, index).

The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), so a member
draws the same numbers alone and in company, on CPU and on GPU, at once and after a resume.
"""

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError

_LOW = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)


def philox(counter: Sequence[Any], key: Sequence[Any]) -> list[Any]:
    """Philox4x32-10 on 32-bit words held in int64 arrays (NumPy or torch: only operators are used).

    `counter` is four arrays and `key` two, broadcast against each other; gives four arrays of words 0 to 2**32 - 1.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        # The product of two 32-bit words wraps in int64, but its 64 bits are right: mask after the shift.
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> 32) & _LOW ^ c1 ^ k0, p1 & _LOW, (p0 >> 32) & _LOW ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return [c0, c1, c2, c3]


@dataclass(frozen=True)
class Streams:
    """The random numbers of a population: one stream a member, keyed by its seed alone.

    `steps` makes a block: a draw of `size` samples then covers that many training steps, `size / len(steps)` samples
    each, exactly as if every step had been drawn by itself. As a tensor on the streams' device, steps need not be known
    here: a draw then waits for nothing, and can be recorded and made again with other numbers in the same tensor.
    """

    seeds: tuple[int, ...]
    purpose: str = ""
    steps: tuple[int, ...] | Int[Tensor, "step"] = (0,)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __post_init__(self) -> None:
        for seed in self.seeds:
            if not 0 <= seed < 2**64:
                raise UserError(f"a seed is a whole number from 0 to 2**64 - 1, got {seed}")

    @property
    def members(self) -> int:
        """Number of members."""
        return len(self.seeds)

    def of(self, purpose: str) -> "Streams":
        """Streams for a narrower purpose: `streams.of("init").of("embed")`."""
        return replace(self, purpose=f"{self.purpose}/{purpose}")

    def within(self, purpose: str) -> bool:
        """Whether these are streams of a population for `purpose`, or for something narrower."""
        return f"{self.purpose}/".startswith(f"/{purpose}/")

    def at(self, *steps: int) -> "Streams":
        """Streams at one training step, or at a block of them."""
        return replace(self, steps=steps)

    def during(self, steps: range) -> "Streams":
        """Streams at a block of steps, which a GPU is not sent but told the ends of."""
        if self.device.type == "cpu":
            return self.at(*steps)
        return replace(self, steps=torch.arange(steps.start, steps.stop, device=self.device))

    def take(self, members: Sequence[int]) -> "Streams":
        """The streams of some of the members."""
        return replace(self, seeds=tuple(self.seeds[i] for i in members))

    def step(self, size: int) -> Int[Tensor, "size"]:
        """The training step that each of `size` samples belongs to: what a curriculum looks at."""
        return torch.as_tensor(self.steps, device=self.device).repeat_interleave(self._each(size))

    def words(self, name: str, shape: Sequence[int]) -> Int[Tensor, "member ..."]:
        """Uniform 32-bit words, int64, `[member, *shape]`."""
        shape = tuple(shape)
        each = self._each(shape[0]) if shape else 1
        inner = math.prod(shape[1:])
        count, steps = each * inner, len(self.steps)
        blocks = -(-count // 4)
        salt = int.from_bytes(hashlib.sha256(f"{self.purpose}/{name}".encode()).digest()[:4], "little")
        low, high, step, index = self._numbers(blocks)
        seeds, high, step, index = low[:, None, None], high[:, None, None], step[None, :, None], index[None, None, :]
        zero = (index + step + seeds) * 0
        words = philox([index + zero, (step & _LOW) + zero, (step >> 32) + zero, high + zero], [seeds, salt])
        stack = torch.stack([torch.as_tensor(w) for w in words], -1)
        return stack.flatten(-2)[..., :count].reshape(self.members, *((steps * each,) if shape else ()), *shape[1:])

    def uniform(self, name: str, shape: Sequence[int]) -> Float[Tensor, "member ..."]:
        """Uniform on [0, 1), float32 with 24 random bits, the same on every device."""
        return (self.words(name, shape) >> 8).float() * 2.0**-24

    def normal(self, name: str, shape: Sequence[int]) -> Float[Tensor, "member ..."]:
        """Standard normal, float32, by Box and Muller in float64 (devices agree to rounding)."""
        words = self.words(name, (*shape, 2)).double()
        radius = (-2.0 * torch.log((words[..., 0] + 1.0) * 2.0**-32)).sqrt()
        return (radius * torch.cos(words[..., 1] * (2.0 * math.pi * 2.0**-32))).float()

    def integers(self, name: str, shape: Sequence[int], high: int | Int[Tensor, "..."]) -> Int[Tensor, "member ..."]:
        """Uniform whole numbers from 0 to `high` - 1 (a number up to 2**31, or a tensor that broadcasts), int64."""
        return (self.words(name, shape) * high) >> 32

    def bernoulli(self, name: str, shape: Sequence[int], p: float | Float[Tensor, "..."]) -> Tensor:
        """True with probability `p`; a tensor `[member]` gives each member its own."""
        if isinstance(p, Tensor) and p.ndim == 1:
            p = p.view(-1, *[1] * len(shape))
        return self.words(name, shape).double() * 2.0**-32 < p

    def categorical(
        self, name: str, shape: Sequence[int], probabilities: Float[Tensor, "member ... option"]
    ) -> Int[Tensor, "member ..."]:
        """Options with the given probabilities, whose leading axes are `[member, *shape]` or broadcast to it."""
        words = self.words(name, shape)
        edges = probabilities.double().cumsum(-1)
        place = words.double() * 2.0**-32 * edges[..., -1]
        edges = edges[..., :-1].expand(*words.shape, -1).contiguous()
        return torch.searchsorted(edges, place[..., None], right=True)[..., 0]

    def permutation(self, name: str, shape: Sequence[int], n: int) -> Int[Tensor, "member ... n"]:
        """Uniform orders of `n` things: argsort of 63 random bits each."""
        words = self.words(name, (*shape, n, 2))
        return torch.argsort((words[..., 0] << 31) | (words[..., 1] >> 1), dim=-1, stable=True)

    def _each(self, size: int) -> int:
        each, rest = divmod(size, len(self.steps))
        assert rest == 0, f"{size} samples do not divide into {len(self.steps)} steps"
        return each

    def _numbers(self, blocks: int) -> list[Any]:
        """The lower and upper halves of the seeds, the steps, and so many places; in NumPy on a CPU."""
        steps = torch.as_tensor(self.steps, dtype=torch.int64, device=self.device)
        numbers = [*_halves(self.seeds, self.device), steps, torch.arange(blocks, device=self.device)]
        return [n.numpy() for n in numbers] if self.device.type == "cpu" else numbers


@functools.cache
def _halves(seeds: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """The lower and the upper 32 bits of seeds, sent to a device once, and never let go: a recorded draw reads them."""
    low, high = ([seed >> shift & _LOW for seed in seeds] for shift in (0, 32))
    return torch.tensor(low, device=device), torch.tensor(high, device=device)
