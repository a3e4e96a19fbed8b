"""Random half-spaces: labelled Gaussian points, each of which asks a linear classifier to lie on its side."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


class RandomHalfspaces(Task):
    r"""Points of n independent Gaussians, with labels that follow a hidden direction or nothing at all.

        inputs    x          N(0, I)
        targets   y          -1 or 1, with P(y = 1 | x) = 1 / (1 + exp(-slope <theta*, x>))
        latents   halfspace  z = y x: a classifier theta has the margin <theta, z> / |theta| on this point

    theta* is a unit vector drawn from each member's seed. A slope of 0 is pure noise: y is a coin, z is N(0, I) itself,
    and no classifier is right more than half of the time on new points. In general the best one is theta*.
    """

    dimensions: int
    slope: float = 0.0

    def check(self) -> None:
        """A dimension at least."""
        if self.dimensions < 1:
            raise UserError(f"RandomHalfspaces needs a dimension or more, got {self.dimensions}")

    @property
    def shape(self) -> Shape:
        """Real vectors in, a real number out."""
        return Shape(features=self.dimensions, outputs=1)

    def world(self, streams: Streams) -> Float[Tensor, "member dimension"]:
        """theta*, of length 1."""
        direction = streams.normal("direction", (self.dimensions,)).double()
        return (direction / direction.norm(dim=-1, keepdim=True)).float()

    def sample(self, world: Float[Tensor, "member dimension"], streams: Streams, size: int) -> Batch:
        """`size` points a member."""
        x = streams.normal("points", (size, self.dimensions))
        chance = 0.5 + 0.5 * torch.tanh(0.5 * self.slope * (x * world[:, None]).sum(-1).double())
        y = torch.where(streams.uniform("labels", (size,)) < chance, 1.0, -1.0)[..., None]
        return Batch(inputs=x, targets=y, latents={"halfspace": y * x})
