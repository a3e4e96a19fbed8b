"""Gaussian mixture: points of a few overlapping clusters, with the exact probability of each."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


class GaussianMixture(Task):
    r"""Points around a few means, all with covariance $\sigma^2 I$.

        inputs    x_1 x_2 ...  position in space
        targets   c            component it was drawn from
        latents   posterior    P(c | x), known exactly: where it is near 1/2 the point truly belongs to both

    With equal weights and means (-m, 0), (m, 0) the posterior is a sigmoid of $2 m x_1 / \sigma^2$.

    `weights=None` lets the components take turns (sample i is of component i modulo their number), so that each has
    exactly its share; weights draw the component of each sample independently.
    """

    means: tuple[tuple[float, ...], ...]
    scale: float = 1.0
    weights: tuple[float, ...] | None = None

    def check(self) -> None:
        """Raises `UserError` for means of different length, a scale of 0 or weights that are not one a mean."""
        if len({len(mean) for mean in self.means}) != 1:
            raise UserError(f"the means of a mixture need one common number of coordinates, got {self.means}")
        if not self.scale > 0:
            raise UserError(f"the scale of a mixture is above 0, got {self.scale}")
        if self.weights is not None and (len(self.weights) != len(self.means) or min(self.weights) <= 0):
            raise UserError(f"a mixture needs one positive weight a mean, got {self.weights} for {len(self.means)}")

    @property
    def shape(self) -> Shape:
        """Coordinates in, components out."""
        return Shape(outputs=len(self.means), features=len(self.means[0]))

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """`size` points a member."""
        means = torch.tensor(self.means, device=streams.device)
        count = len(self.means)
        if self.weights is None:
            turn = torch.arange(size, device=streams.device) % count
            component = turn.expand(streams.members, size)
        else:
            odds = torch.tensor(self.weights, device=streams.device).expand(streams.members, size, count)
            component = streams.categorical("component", (size,), odds)
        x = means[component] + self.scale * streams.normal("noise", (size, means.shape[1]))
        return Batch(inputs=x, targets=component, latents={"posterior": self.posterior(x)})

    def posterior(self, x: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch component"]:
        """P(component | x), exact. Far from all means it is still well defined: the nearest mean wins."""
        means = torch.tensor(self.means, device=x.device, dtype=x.dtype)
        weights = self.weights or (1.0,) * len(self.means)
        prior = torch.tensor([math.log(w) for w in weights], device=x.device, dtype=x.dtype)
        squared = (x[..., None, :] - means).square().sum(-1)
        return torch.softmax(prior - squared / (2 * self.scale**2), dim=-1)
