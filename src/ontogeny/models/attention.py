"""Attention: stacked multi-head self-attention."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.models.linear import Linear
from ontogeny.models.positions import Rotary
from ontogeny.models.sites import Site
from ontogeny.models.stacked import matmul
from ontogeny.streams import Streams


class Attention(nn.Module):
    """Self-attention: softmax of scaled scores, every position looking at all, or with `causal` at none after it.

    Queries, keys and values come from one map `qkv`, whose outputs are ordered (which, head, feature). Members, samples
    and heads are one batch of small products: on a CPU that is as fast as a fused kernel at these sizes, and it shows
    its scores and its pattern.
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
        members, samples, length, width = x.shape
        size, asked = width // self.heads, length - since
        q, k, v = self._queries_keys_values(x, since)
        q, k, v = self.hook_q(q), self.hook_k(k), self.hook_v(v)
        if self.shift is not None:
            k = self.shift(k)
        if self.rotary is not None:
            q, k = self.hook_rot_q(self.rotary(q, since)), self.hook_rot_k(self.rotary(k))
        q, v = (y.transpose(2, 3).reshape(-1, y.shape[2], size) for y in (q, v))
        k = k.permute(0, 1, 3, 4, 2).reshape(-1, size, length)  # small products are slow with a view
        mask = None if self.mask is None else self.mask[:, since:length, :length]
        scores = matmul(q, k, plus=mask, scale=size**-0.5)
        scores = self.hook_attn_scores(scores.view(members, samples, self.heads, asked, length))
        pattern = self.hook_pattern(torch.softmax(scores, -1))
        z = matmul(pattern.flatten(0, 2), v).view(members, samples, self.heads, asked, -1).transpose(2, 3)
        return self.hook_out(self.output(self.hook_z(z).reshape(members, samples, asked, width)))

    def _queries_keys_values(self, x: Tensor, since: int) -> tuple[Tensor, ...]:
        """Each `[member, sample, position, head, feature]`, queries from `since` on."""
        width = x.shape[-1]
        if since == 0:
            return self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(3)
        q = self.qkv.part(x[:, :, since:], slice(0, width)).unflatten(-1, (self.heads, -1))
        return q, *self.qkv.part(x, slice(width, 3 * width)).unflatten(-1, (2, self.heads, -1)).unbind(3)
