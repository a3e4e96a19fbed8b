"""Context decomposition: hidden states as a mean, a part of the position, a part of the context, and a residual."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError


@dataclass(frozen=True)
class Decomposition:
    r"""The parts of $h_{c,t} = \mu + p_t + c_c + r_{c,t}$, float64; `total` is the sum of squares of h less its mean.

    Positions sum to 0, contexts sum to 0, and residuals sum to 0 along both. Of the residual only the sum of squares is
    kept, so that the tensor need not be.
    """

    mean: Float[Tensor, "*lead width"]
    positions: Float[Tensor, "*lead position width"]
    contexts: Float[Tensor, "*lead context width"]
    total: Float[Tensor, "*lead"]

    def each(self) -> Iterator["Decomposition"]:
        """Those of all tensors along the first axis, one by one."""
        for parts in zip(self.mean, self.positions, self.contexts, self.total, strict=True):
            yield Decomposition(*parts)

    @property
    def shares(self) -> Float[Tensor, "*lead 3"]:
        """Shares of the sum of squares around the mean: positions, contexts, residual. NaN when nothing varies.

        In a tensor of noise positions have (T - 1) / (C T - 1): read theirs against that.
        """
        times, contexts = self.positions.shape[-2], self.contexts.shape[-2]
        positions = contexts * self.positions.square().sum((-2, -1)) / self.total
        own = times * self.contexts.square().sum((-2, -1)) / self.total
        return torch.stack([positions, own, 1 - positions - own], -1)

    @property
    def shuffled_share(self) -> Float[Tensor, "*lead"]:
        """The share that positions have on average when every context has them in an order of its own.

        Exactly (1 - the contexts' share) / C: deviations from the context's mean are then drawn without regard to t.
        """
        return (1 - self.shares[..., 1]) / self.contexts.shape[-2]

    @property
    def floor(self) -> float:
        """The share that positions have in noise: (T - 1) / (C T - 1)."""
        times, contexts = self.positions.shape[-2], self.contexts.shape[-2]
        return (times - 1) / (contexts * times - 1)


def decompose(chunks: Iterable[Float[Tensor, "*lead _ position width"]]) -> Decomposition:
    r"""The two-way analysis of means of all contexts, which come some at a time.

    $$\mu = \bar h_{\cdot\cdot}, \quad p_t = \bar h_{\cdot t} - \mu, \quad c_c = \bar h_{c \cdot} - \mu$$

    Raises: `UserError` when there are no contexts.
    Source: Song & Zhong, arXiv 2310.04861, section 2; it is the two-way layout without interaction of Fisher (1925).
    """
    means: list[Tensor] = []
    by_position = squares = None
    for chunk in chunks:
        h = chunk.double()
        means.append(h.mean(-2))
        here, square = h.sum(-3), h.square().sum(-3)
        by_position = here if by_position is None else by_position + here
        squares = square if squares is None else squares + square
    if by_position is None or squares is None:
        raise UserError("there are no contexts to decompose: give at least one")
    contexts = torch.cat(means, -2)
    count, times = contexts.shape[-2], by_position.shape[-2]
    by_position = by_position / count
    mean = by_position.mean(-2)
    total = squares.sum((-2, -1)) - count * times * mean.square().sum(-1)
    return Decomposition(mean, by_position - mean[..., None, :], contexts - mean[..., None, :], total)
