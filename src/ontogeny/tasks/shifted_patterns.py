"""Shifted patterns: which of four short patterns a signal holds, wherever it stands; or where, whichever it is."""

import functools
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task

LENGTH, SIZE, KINDS, OFFSETS = 16, 5, 4, 12  # places of a signal and of a pattern, patterns, offsets that fit
_TRIES = 500


@functools.cache
def patterns() -> Float[Tensor, "kind place"]:
    """The four patterns, of norm sqrt(5): of 500 Gaussian draws the set that is least alike under any shift.

    Their largest normalised cross-correlation over all pairs and shifts is about 0.6. They belong to the task and are
    the same for every seed.
    """
    drawn = Streams((0,)).of("shifted patterns").normal("patterns", (_TRIES, KINDS, SIZE))[0].double()
    drawn = drawn / drawn.norm(dim=-1, keepdim=True)
    alike = torch.zeros(_TRIES, dtype=drawn.dtype)
    for shift in range(SIZE):
        ends, starts = drawn[..., shift:], drawn[..., : SIZE - shift]
        products = (ends[:, :, None] * starts[:, None]).sum(-1)  # [draw, kind, kind]
        others = products * (1 - torch.eye(KINDS, dtype=drawn.dtype))
        alike = torch.maximum(alike, others.abs().amax((1, 2)))
    return (drawn[alike.argmin()] * SIZE**0.5).float()


class ShiftedPatterns(Task):
    """A pattern at an offset, in noise.

        inputs    16 places   a pattern of 5 at an offset from 0 to 11, 0 elsewhere, plus noise * N(0, 1)
        targets   which       the pattern, 0 to 3: learned at offsets 0 to 5, measured at 6 to 11
                  where       offset // 3, 0 to 3: learned and measured at all offsets
        latents   offset      0 to 11

    Chance is 1/4. What tells patterns apart wherever they are cannot tell where they are, and the other way round.
    """

    asked: Literal["which", "where"] = "which"
    noise: float = 0.3
    elsewhere: bool = False

    def check(self) -> None:
        """A known question, and noise of 0 or more."""
        if self.asked not in ("which", "where") or self.noise < 0:
            raise UserError(
                f"ShiftedPatterns asks 'which' or 'where', with noise of 0 or more: got {self.asked!r}, {self.noise}"
            )

    @property
    def shape(self) -> Shape:
        """A signal in, four classes out."""
        return Shape(features=LENGTH, outputs=KINDS)

    def evaluated(self, world: Any) -> tuple[Task, Any]:
        """The offsets that were never seen."""
        return self.replace(elsewhere=True), world

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """`size` signals a member."""
        kind = streams.integers("kind", (size,), KINDS)
        half = OFFSETS // 2
        if self.asked == "where":
            offset = streams.integers("offset", (size,), OFFSETS)
        else:
            offset = streams.integers("offset", (size,), half) + half * self.elsewhere
        place = torch.arange(LENGTH, device=kind.device) - offset[..., None]
        inside = (place >= 0) & (place < SIZE)
        shape = patterns().to(kind.device)[kind[..., None], place.clamp(0, SIZE - 1)]
        x = torch.where(inside, shape, 0.0) + self.noise * streams.normal("noise", (size, LENGTH))
        target = offset // (OFFSETS // KINDS) if self.asked == "where" else kind
        return Batch(inputs=x, targets=target, latents={"offset": offset})
