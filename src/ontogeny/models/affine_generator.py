"""Affine generator: a stacked network that turns standard normal noise into samples of a normal."""

from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.models import initial
from ontogeny.models.contract import Model
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


class AffineGenerator(Model):
    """`a z + b`, feature by feature, starting as the identity: of noise N(0, 1) it makes N(b, a^2)."""

    def build(self, shape: Shape, streams: Streams) -> "AffineNetwork":
        """A generator of samples with `shape.outputs` features."""
        return AffineNetwork(shape.outputs, streams)


class AffineNetwork(nn.Module):
    """A stacked affine generator."""

    def __init__(self, features: int, streams: Streams) -> None:
        super().__init__()
        self.scale = initial.constant(streams, (features,), 1.0)
        self.shift = initial.constant(streams, (features,), 0.0)

    def forward(self, noise: Float[Tensor, "member sample feature"]) -> Float[Tensor, "member sample feature"]:
        """Samples from noise."""
        # A product with a full tensor: the sum over samples in its gradient keeps to features, not to one number.
        return noise * self.scale[:, None] + self.shift[:, None]
