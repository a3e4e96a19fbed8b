"""Attention: stacked multi-head self-attention."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.models.linear import Linear
from ontogeny.models.positions import Rotary
from ontogeny.models.sites import Site
from ontogeny.models.stacked import matmul
from ontogeny.streams import Streams

Heads = Float[Tensor, "member sample position head feature"]
Asked = Float[Tensor, "member sample asked head feature"]
Mask = Float[Tensor, "1 asked position"]


class Attention(nn.Module):
    """Self-attention: softmax of scaled scores, every position looking at all, or with `causal` at none after it.

    Queries, keys and values come from one map `qkv`, whose outputs are ordered (which, head, feature). Members, samples
    and heads are one batch of small products: on a CPU that is as fast as a fused kernel at these sizes, and it shows
    its scores and its pattern. A GPU has them in a fused kernel, with the members among the batch, as long as nobody
    asks for scores or pattern.
    """

    mask: Float[Tensor, "1 position position"] | None

    def __init__(
        self,
        streams: Streams,
        width: int,
        heads: int,
        length: int,
        *,
        causal: bool = True,
        bias: bool = True,
        rotary: Rotary | None = None,
        output_deviation: float | None = None,
        scale: float | Tensor = 1.0,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(streams.of("qkv"), width, 3 * width, bias=bias, scale=scale)
        self.output = Linear(streams.of("output"), width, width, bias=bias, deviation=output_deviation, scale=scale)
        self.rotary = rotary
        self.shift: nn.Module | None = None  # what is done to the keys before they are turned: see KeyShift
        later = torch.full((length, length), -torch.inf, device=streams.device).triu(1)
        self.register_buffer("mask", later[None] if causal else None, persistent=False)
        self.hook_q, self.hook_k, self.hook_v = Site(), Site(), Site()
        self.hook_rot_q, self.hook_rot_k = Site(), Site()
        self.hook_attn_scores, self.hook_pattern = Site(), Site()
        self.hook_z, self.hook_out = Site(), Site()

    def forward(
        self, x: Float[Tensor, "member sample position width"], since: int = 0
    ) -> Float[Tensor, "member sample asked width"]:
        """What the heads write at the positions from `since` on, before it is added to the stream."""
        length = x.shape[2]
        q, k, v = self.queries_keys_values(x, since)
        q, k, v = self.hook_q(q), self.hook_k(k), self.hook_v(v)
        if self.shift is not None:
            k = self.shift(k)
        if self.rotary is not None:
            q, k = self.hook_rot_q(self.rotary(q, since)), self.hook_rot_k(self.rotary(k))
        mask = None if self.mask is None else self.mask[:, since:length, :length]
        z = self.hook_z(self._mixes_on(x.device)(q, k, v, mask))
        return self.hook_out(self.output(z.flatten(-2)))

    def _mixes_on(self, device: torch.device) -> Callable[[Asked, Heads, Heads, Mask | None], Asked]:
        """How values are mixed there, now."""
        seen = self.hook_attn_scores.asked_for or self.hook_pattern.asked_for
        return self._mixed if device.type == "cpu" or seen else self._fused

    def _mixed(self, q: Asked, k: Heads, v: Heads, mask: Mask | None) -> Asked:
        """softmax(q k / sqrt(feature) + mask) v, with scores and pattern at their sites."""
        members, samples, asked, heads, size = q.shape
        q, v = (y.transpose(2, 3).reshape(-1, y.shape[2], size) for y in (q, v))
        k = k.permute(0, 1, 3, 4, 2).reshape(-1, size, k.shape[2])  # small products are slow with a view
        scores = matmul(q, k, plus=mask, scale=size**-0.5)
        scores = self.hook_attn_scores(scores.view(members, samples, heads, asked, -1))
        pattern = self.hook_pattern(torch.softmax(scores, -1))
        return matmul(pattern.flatten(0, 2), v).view(members, samples, heads, asked, -1).transpose(2, 3)

    def _fused(self, q: Asked, k: Heads, v: Heads, mask: Mask | None) -> Asked:
        """The same to rounding, in PyTorch's fused kernel."""
        members, asked, length = len(q), q.shape[2], k.shape[2]
        q, k, v = (y.flatten(0, 1).transpose(1, 2) for y in (q, k, v))
        whole = mask is not None and asked == length  # what the kernel knows as causal
        z = F.scaled_dot_product_attention(q, k, v, None if mask is None or whole else mask[None], is_causal=whole)
        return z.transpose(1, 2).unflatten(0, (members, -1))

    def queries_keys_values(
        self, x: Float[Tensor, "member sample position width"], since: int = 0
    ) -> tuple[Asked, Heads, Heads]:
        """Queries of the positions from `since` on, keys and values of all, before any site sees them."""
        width = x.shape[-1]
        if since == 0:
            q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(3)
            return q, k, v
        q = self.qkv.part(x[:, :, since:], slice(0, width)).unflatten(-1, (self.heads, -1))
        k, v = self.qkv.part(x, slice(width, 3 * width)).unflatten(-1, (2, self.heads, -1)).unbind(3)
        return q, k, v
