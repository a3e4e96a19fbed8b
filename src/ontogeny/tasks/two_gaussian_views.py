r"""Two Gaussian views: samples of two classes, each seen twice with noise of its own and never with its label.

inputs    [view 1, view 2]   $\mu y e_1 + z + s \epsilon_v$ for v = 1, 2: what contrastive learning is given
targets   0 or 1             the class, y = -1 or 1: for measures only
latents   clean              $\mu y e_1 + z$, without the noise of a view
"""

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.tasks.shared_draws import each_seed_once


class TwoGaussianViews(Task):
    r"""Classes at $\pm\mu e_1$ with unit noise in `dimensions`; views add noise of size `augmentation`.

    The noise of views lies along `all` axes, only `off` the signal's, or only `along` it. The best classifier of clean
    samples is the sign of the first coordinate, right with probability $\Phi(\mu)$, for mu = `signal`. With signal 0
    there is nothing to find.

    Source: the 2-GMM of Gui, Ma & Zhong, arXiv 2306.03335.
    """

    dimensions: int = 32
    signal: PerMember = 2.0
    augmentation: PerMember = 1.0
    direction: Literal["all", "off", "along"] = "all"

    def check(self) -> None:
        """Values that can work."""
        if self.dimensions < 2:
            raise UserError(f"two Gaussian views need 2 dimensions or more, got {self.dimensions}")
        if self.direction not in ("all", "off", "along"):
            raise UserError(f"the noise of views lies all, off or along, got {self.direction!r}")
        if isinstance(self.augmentation, float | int) and self.augmentation < 0:
            raise UserError(f"augmentation is 0 or more, got {self.augmentation}")

    @property
    def shape(self) -> Shape:
        """Real vectors in, real vectors of the same size out."""
        return Shape(features=self.dimensions, outputs=self.dimensions)

    def clean(self, streams: Streams, size: int) -> tuple[Float[Tensor, "member sample dimension"], Tensor]:
        """`size` samples a member without noise of views, and their classes, -1 or 1, `[member, sample]`."""
        own, place = each_seed_once(streams)
        sign = own.integers("class", (size,), 2)[place].float() * 2.0 - 1.0
        h = own.normal("noise", (size, self.dimensions))[place]
        h[..., 0] += _each(self.signal, h)[..., 0] * sign
        return h, sign

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """`size` pairs of views a member, `[member, sample, view, dimension]`."""
        h, sign = self.clean(streams, size)
        own, place = each_seed_once(streams)
        noise = own.normal("views", (size, 2, self.dimensions))[place]
        if self.direction == "along":
            noise[..., 1:] = 0.0
        elif self.direction == "off":
            noise[..., 0] = 0.0
        views = h[:, :, None] + _each(self.augmentation, h)[..., None] * noise
        return Batch(inputs=views, targets=(sign > 0).long(), latents={"clean": h})


class MixedGaussianViews(TwoGaussianViews):
    """The same behind a random square matrix, drawn once a member: the signal's direction has to be found.

    Entries are N(0, 1 / dimensions). A sample is the matrix times what it was.
    """

    def world(self, streams: Streams) -> Float[Tensor, "member dimension dimension"]:
        """The matrix, transposed."""
        return streams.normal("mixing", (self.dimensions, self.dimensions)) * self.dimensions**-0.5

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """`size` pairs of views a member, mixed."""
        batch = super().sample(world, streams, size)
        return Batch(
            inputs=(batch.inputs.flatten(1, 2) @ world).unflatten(1, (size, 2)),
            targets=batch.targets,
            latents={"clean": batch.latents["clean"] @ world},
        )


def _each(value: PerMember, like: Float[Tensor, "member sample dimension"]) -> Float[Tensor, "member 1 1"]:
    return torch.as_tensor(value).to(like).expand(like.shape[0])[:, None, None]
