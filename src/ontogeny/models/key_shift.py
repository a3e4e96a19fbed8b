"""Key shift: a transformer in which a head's key is mixed with that of the token before."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.models import initial
from ontogeny.models.sites import Site
from ontogeny.models.stacked import sigmoid
from ontogeny.models.transformer import Block, Transformer, TransformerNetwork
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


class KeyShift(nn.Module):
    r"""$k_t \mapsto (1 - a) k_t + a k_{t-1}$ with a share $a = \mathrm{sigmoid}(w)$ a head, $w = 0$ at the start.

    The first position has nothing before it: $k_{-1} = 0$. Site: `hook_share`, the shares `[member, head]`, which an
    edit can set to 0 to cut the path from the token before.
    """

    def __init__(self, streams: Streams, heads: int) -> None:
        super().__init__()
        self.weight = initial.constant(streams, (heads,), 0.0)
        self.hook_share = Site()

    def forward(
        self, k: Float[Tensor, "member sample position head feature"]
    ) -> Float[Tensor, "member sample position head feature"]:
        """The mixed keys."""
        share = self.hook_share(sigmoid(self.weight))[:, None, None, :, None]
        before = torch.cat([torch.zeros_like(k[:, :, :1]), k[:, :, :-1]], 2)
        return torch.lerp(k, before, share)


class KeyShiftTransformer(Transformer):
    """A `Transformer` whose heads mix each key with the one before it, ahead of rotation. See `KeyShift`.

    An induction head needs to find the token after an earlier copy of the present one. An ordinary transformer learns a
    head for the token before first, and its induction head, a layer later, builds on that; here the first half is
    given, so that small networks induce after some hundred updates. It tells nothing about how such heads are formed.

    Source: shifted keys as in the short convolutions of Fu et al., arXiv 2212.14052.
    """

    positions: Literal["learned", "sinusoidal", "rotary", "none"] = "rotary"
    rotary_base: float = 1_000.0

    def build(self, shape: Shape, streams: Streams) -> TransformerNetwork:
        """The network for a task of this shape."""
        network = super().build(shape, streams)
        for i, block in enumerate(network.blocks):
            assert isinstance(block, Block)
            block.attn.shift = KeyShift(streams.of(f"blocks.{i}.attn.shift"), self.heads)
        return network
