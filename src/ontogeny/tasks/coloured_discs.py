r"""Coloured discs: pictures of one disc whose colour and size are told, with combinations that are never shown.

inputs    red green blue radius   the picture's true values v as 2 (v - 1/2); a colour that is masked is 0, the grey
targets   3 x pixels x pixels     the picture, from -1 to 1, channel by channel and row by row
latents   combination             its place in `shown`
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.tasks.shared_draws import each_seed_once

COMBINATIONS = ("red large", "red small", "blue large", "blue small")
"""By number: 2 * (it is blue) + (it is small)."""

Colours = Float[Tensor, "*sample 3"]
Pictures = Float[Tensor, "*sample 3 row column"]


def render(
    colour: Colours,
    radius: Float[Tensor, "*sample"],
    centre: Float[Tensor, "*sample 2"],
    pixels: int,
    *,
    background: float = 0.9,
    softness: float = 0.08,
) -> Pictures:
    r"""A disc on a grey background, $m c + (1 - m) b$ with the mask $m = 1 / (1 + e^{-(r - d) / \text{softness}})$.

    d is a pixel's distance from the centre (x to the right, y down); pixels lie in [-1, 1]^2, evenly. Colours and the
    background go from 0 to 1.
    """
    place = (2.0 * torch.arange(pixels, device=colour.device, dtype=colour.dtype) + 1.0) / pixels - 1.0
    across = place - centre[..., 0, None]
    down = place - centre[..., 1, None]
    distance = (across.square()[..., None, :] + down.square()[..., :, None]).sqrt()
    # The logistic function through tanh, whose bits do not depend on an element's place.
    mask = 0.5 * (1.0 + torch.tanh((radius[..., None, None] - distance) / (2.0 * softness)))
    return background + mask[..., None, :, :] * (colour[..., None, None] - background)


class ColouredDiscs(Task):
    r"""Red or blue discs, large or small, with the condition that names their colour and radius.

    Red is $\frac12 + (s, -s, -s) / 2$ and blue $\frac12 + (-s, -s, s) / 2$ for s = `colour_signal`; the radii are 0.45
    plus and minus half of `size_signal`. Every picture has its own colour, each channel within s / 8 of that, its own
    radius, within `radius_spread`, and its own place, N(0, 0.05^2) each way and at most 1/2. Pixels carry noise of size
    0.001 and end at 0 and 1.

    `shown` names the combinations that there are: they take turns (sample i is of combination i modulo their number).
    In a share `masked` of the small red discs the condition does not tell the colour.

    The best generator of a condition draws discs of exactly that colour and size. Source: Park et al., arXiv
    2406.19370, section 4, with pictures of 32 x 32 and radii within 0.15.
    """

    pixels: int = 12
    colour_signal: PerMember = 0.4
    size_signal: PerMember = 0.4
    shown: tuple[str, ...] = COMBINATIONS[:3]
    masked: PerMember = 0.0
    radius_spread: float = 0.08
    background: float = 0.9

    def check(self) -> None:
        """Values that can work."""
        if self.pixels < 2:
            raise UserError(f"a disc needs 2 pixels or more across, got {self.pixels}")
        if not self.shown or not set(self.shown) <= set(COMBINATIONS):
            raise UserError(f"shown names some of {', '.join(COMBINATIONS)}; got {self.shown}")
        for name, value, most in (("colour_signal", self.colour_signal, 0.8), ("size_signal", self.size_signal, 0.5)):
            if isinstance(value, float | int) and not 0 < value <= most:
                raise UserError(f"ColouredDiscs: {name} lies above 0 and at most at {most}, got {value}")
        if isinstance(self.masked, float | int) and not 0 <= self.masked <= 1:
            raise UserError(f"ColouredDiscs: masked is a share from 0 to 1, got {self.masked}")

    @property
    def shape(self) -> Shape:
        """Four numbers in, a picture out."""
        return Shape(features=4, outputs=3 * self.pixels**2)

    def colours(self, streams: Streams) -> Float[Tensor, "member combination 3"]:
        """The mean colour of every combination, float64."""
        half = 0.5 * _each(self.colour_signal, streams)[:, None]
        red = half * torch.tensor([1.0, -1.0, -1.0], dtype=half.dtype, device=half.device)
        return 0.5 + torch.stack([red, red, red.flip(-1), red.flip(-1)], 1)

    def radii(self, streams: Streams) -> Float[Tensor, "member combination"]:
        """The mean radius of every combination, float64."""
        half = 0.5 * _each(self.size_signal, streams)
        return 0.45 + torch.stack([half, -half, half, -half], 1)

    def conditions(self, streams: Streams) -> Float[Tensor, "member combination 4"]:
        """What names every combination: the condition of its mean colour and radius."""
        return condition(self.colours(streams), self.radii(streams)).float()

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """`size` pictures a member."""
        turn = torch.arange(size, device=streams.device) % len(self.shown)
        named = torch.tensor([COMBINATIONS.index(name) for name in self.shown], device=streams.device)[turn]
        colour, radius, images = self.pictures(streams, named)
        told = condition(colour, radius).float()
        masked = streams.bernoulli("masked", (size,), self.masked) & (named == COMBINATIONS.index("red small"))
        told[..., :3] = told[..., :3].where(~masked[..., None], 0.0)
        return Batch(inputs=told, targets=to_net(images), latents={"combination": turn.expand(streams.members, size)})

    def pictures(
        self, streams: Streams, combination: Tensor
    ) -> tuple[Float[Tensor, "member sample 3"], Float[Tensor, "member sample"], Pictures]:
        """Colours, radii and pictures (from 0 to 1) of the combinations named by their numbers, `[sample]`."""
        size = combination.shape[0]
        own, place = each_seed_once(streams)
        width = _each(self.colour_signal, streams)[:, None, None] / 8.0
        colour = self.colours(streams)[:, combination] + width * _within(own, "colour", (size, 3))[place]
        radius = self.radii(streams)[:, combination] + self.radius_spread * _within(own, "radius", (size,))[place]
        centre = (0.05 * own.normal("centre", (size, 2)).double()).clamp(-0.5, 0.5)[place]
        images = render(colour, radius, centre, self.pixels, background=self.background).float()
        noise = 1e-3 * own.normal("pixels", (size, *images.shape[2:]))[place]
        return colour, radius, (images + noise).clamp(0.0, 1.0)


def condition(colour: Colours, radius: Float[Tensor, "*sample"]) -> Float[Tensor, "*sample 4"]:
    """What a network is told of a colour and a radius: 2 (v - 1/2) of each."""
    return 2.0 * torch.cat([colour, radius[..., None]], -1) - 1.0


def to_net(images: Pictures) -> Float[Tensor, "*sample pixel"]:
    """Pictures from 0 to 1 as rows from -1 to 1."""
    return 2.0 * images.flatten(-3) - 1.0


def from_net(rows: Float[Tensor, "*sample pixel"]) -> Pictures:
    """The inverse of `to_net`. What lies outside of -1 to 1 is not clipped: too much of a colour stays so."""
    pixels = math.isqrt(rows.shape[-1] // 3)
    return (0.5 * (rows + 1.0)).unflatten(-1, (3, pixels, pixels))


def _each(value: PerMember, streams: Streams) -> Float[Tensor, "member"]:
    return torch.as_tensor(value, dtype=torch.float64, device=streams.device).expand(streams.members)


def _within(streams: Streams, name: str, shape: tuple[int, ...]) -> Tensor:
    """Uniform from -1 to 1, float64."""
    return 2.0 * streams.uniform(name, shape).double() - 1.0
