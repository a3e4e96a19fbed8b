"""Two normals: whether a number is data or made up, with the best discriminator in closed form."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


def best_discriminator(x: Float[Tensor, "*any"], shift: float | Tensor) -> Float[Tensor, "*any"]:
    r"""$D^*(x) = p / (p + q)$ for p = N(shift, 1) and q = N(0, 1): the logistic function of $s x - s^2 / 2$.

    Source: Goodfellow et al., arXiv 1406.2661, proposition 1.
    """
    # By the hyperbolic tangent: the fused sigmoid rounds otherwise in company.
    return 0.5 + 0.5 * torch.tanh(0.5 * (shift * x - shift * shift / 2))


class TwoNormals(Task):
    """What a discriminator sees when the generator stands still.

    inputs    x          N(shift, 1) if it is data, N(0, 1) if it is made up
    targets   1 or 0     data or made up, a coin
    latents   best       the chance that x is data: `best_discriminator`, 1/2 everywhere for a shift of 0
    """

    shift: PerMember = 3.0

    @property
    def shape(self) -> Shape:
        """A number in, a logit out."""
        return Shape(features=1, outputs=1)

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """`size` numbers a member."""
        data = streams.bernoulli("data", (size, 1), 0.5).float()
        each = torch.as_tensor(self.shift, device=data.device).float().expand(len(data))[:, None, None]
        x = streams.normal("noise", (size, 1)) + each * data
        return Batch(inputs=x, targets=data, latents={"best": best_discriminator(x, each)})
