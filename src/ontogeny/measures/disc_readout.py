r"""Disc readout: colour and size of a drawn disc, in concept coordinates, and whether both are right.

Exact instead of a trained classifier, for pictures of `ontogeny.tasks.coloured_discs`: all its colours share their
green, so that green alone tells how much disc there is, and what blue has over red, per disc, tells the colour.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.tasks.coloured_discs import COMBINATIONS, ColouredDiscs, Pictures, render

FAR = 0.64  # from the middle of the picture: where a small disc does not reach
LEAST = 1.5  # pixels of disc, below which there is none to speak of
FALSE_COLOUR = 0.25  # of the colour's signal, far from a small disc

Each = Float[Tensor, "*sample"]


@dataclass(frozen=True)
class Reading:
    r"""What is seen in pictures, `[sample]`.

    `pixels` is the area of disc, `contrast` blue less red within it, `radius` that of a disc with this area (in units
    of half a picture), `halo` the mean of |blue - red| farther than 0.64 from the middle.
    """

    pixels: Each
    contrast: Each
    radius: Each
    halo: Each


def read_discs(images: Pictures, signal: Float[Tensor, "*#sample"]) -> Reading:
    r"""What is seen in pictures whose colours have the signal s.

    With the disc's green $g = (1 - s) / 2$, the background b, the mean green of the outermost ring of pixels, and sums
    over pixels,

    $$\text{pixels} = \frac{\sum (b - \text{green})}{b - g}, \quad
    \text{contrast} = \frac{\sum (\text{blue} - \text{red})}{\text{pixels}}, \quad
    \text{radius} = \sqrt{4\, \text{pixels} / (\pi n)}$$

    for pictures of n pixels. The soft edge of a disc cancels in the contrast. The background is seen, not known: a
    generator's may be lighter or darker than in its data, and summed over a picture a hundredth of it is as much green
    as a third of a small disc. Where there is no disc at all the
    contrast is NaN or infinite; less than none has radius 0.
    """
    red, green, blue = images.flatten(-2).unbind(-2)
    ring = _ring(images)
    background = (green * ring).sum(-1) / ring.sum()
    pixels = (background[..., None] - green).sum(-1) / (background - 0.5 * (1.0 - signal))
    count = green.shape[-1]
    excess = blue - red
    far = _far(images)
    return Reading(
        pixels=pixels,
        contrast=excess.sum(-1) / pixels,
        radius=(pixels.clamp_min(0.0) * (4.0 / (torch.pi * count))).sqrt(),
        halo=(excess.abs() * far).sum(-1) / far.sum(),
    )


def concept_coordinates(
    reading: Reading, signal: Float[Tensor, "*#sample"], radii: Float[Tensor, "*#sample 2"]
) -> Float[Tensor, "*sample 2"]:
    r"""Colour (red 0, blue 1) and size (large 0, small 1), not clipped.

    `radii` are those that `read_discs` sees in a large and in a small disc: see `seen_radii`. NaN for both where there
    are fewer than 1.5 pixels of disc.
    """
    colour = 0.5 * (reading.contrast / signal + 1.0)
    size = (radii[..., 0] - reading.radius) / (radii[..., 0] - radii[..., 1])
    there = reading.pixels > LEAST
    return torch.stack([colour, size], -1).where(there[..., None], torch.nan)


def concepts_right(
    reading: Reading,
    coordinates: Float[Tensor, "*sample 2"],
    signal: Float[Tensor, "*#sample"],
    wanted: Float[Tensor, "*#sample 2"],
) -> Bool[Tensor, "*sample"]:
    """Whether each picture shows the wanted colour and size, each 0 or 1, and nothing else.

    Both coordinates lie within 1/2 of what is wanted. Where a small disc is wanted, its surroundings are grey: |blue -
    red| is below a quarter of the colour's signal there. The bounds on both sides and the halo tell composing from
    adding: blue minus red of a large disc, added to a small one, has the right sign and five times the contrast.
    """
    near = ((coordinates - wanted).abs() < 0.5).all(-1)
    clean = (reading.halo < FALSE_COLOUR * signal) | (wanted[..., 1] == 0)
    return near & clean


def seen_radii(task: ColouredDiscs, radii: Float[Tensor, "member combination"]) -> Float[Tensor, "member 2"]:
    """The radius that is read off a large and off a small disc in the middle: larger than it is, by the soft edge."""
    large_and_small = radii[:, :2].double()
    grey = torch.full((*large_and_small.shape, 3), 0.5, dtype=torch.float64, device=radii.device)
    middle = torch.zeros((*large_and_small.shape, 2), dtype=torch.float64, device=radii.device)
    images = render(grey, large_and_small, middle, task.pixels, background=task.background)
    return read_discs(images, torch.zeros_like(large_and_small)).radius


def wanted_coordinates(device: torch.device | str = "cpu") -> Float[Tensor, "combination 2"]:
    """Colour and size of every combination."""
    return torch.tensor([[i // 2, i % 2] for i in range(len(COMBINATIONS))], dtype=torch.float32, device=device)


def _ring(images: Pictures) -> Float[Tensor, "pixel"]:
    """1 for the outermost pixels, 0 for the others."""
    ring = torch.ones(images.shape[-2:], dtype=images.dtype, device=images.device)
    ring[1:-1, 1:-1] = 0.0
    return ring.flatten()


def _far(images: Pictures) -> Float[Tensor, "pixel"]:
    """1 for pixels far from the middle, 0 for the others."""
    n = images.shape[-1]
    place = (2.0 * torch.arange(n, device=images.device, dtype=images.dtype) + 1.0) / n - 1.0
    distance = (place.square()[:, None] + place.square()).sqrt()
    return (distance > FAR).to(images.dtype).flatten()
