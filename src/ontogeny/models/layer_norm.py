"""LayerNorm: stacked layer normalisation."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.models import initial
from ontogeny.models.sites import Site
from ontogeny.streams import Streams

EPSILON = 1e-5


def normalised(x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows width"]:
    """`(x - mean) / sqrt(variance + 1e-5)` over the last axis: layer normalisation without gain and bias."""
    return F.layer_norm(x, x.shape[-1:], eps=EPSILON)


class LayerNorm(nn.Module):
    """`gain * (x - mean) / sqrt(variance + 1e-5) + bias` over the last axis (Ba et al., arXiv 1607.06450)."""

    def __init__(self, streams: Streams, width: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = initial.constant(streams, (width,), 1.0)
        self.bias = initial.constant(streams, (width,), 0.0) if bias else None
        self.hook_normalized = Site()

    def forward(self, x: Float[Tensor, "member *rows width"]) -> Float[Tensor, "member *rows width"]:
        """The normalised rows; a constant row becomes the bias."""
        normal = normalised(x)
        each = (x.shape[0], *[1] * (x.ndim - 2), x.shape[-1])
        gain = self.weight.view(each)
        return self.hook_normalized(
            normal * gain if self.bias is None else torch.addcmul(self.bias.view(each), normal, gain)
        )
