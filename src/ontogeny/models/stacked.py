"""Arithmetic of stacked networks that gives a member the same bits alone and in company.

Stock kernels choose their code path by the size of the whole tensor: a product with a single row or column becomes a
matrix-vector product when there is one member, a sum to a single number is split over threads, and the fused
activations treat the last few elements of a tensor differently from the others. The functions here avoid those paths,
forward and backward. (The other half of the mending is a thread of its own for every cohort: the product of a lone
member is split over several threads as that of many members is not.)
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

_COLUMNS = 16  # partial sums a member


def matmul(
    x: Float[Tensor, "batch row inner"],
    w: Float[Tensor, "batch inner column"],
    *,
    plus: Float[Tensor, "#batch #row column"] | None = None,
    scale: float = 1.0,
) -> Float[Tensor, "batch row column"]:
    """`scale * x @ w + plus`, batch by batch.

    Its backward pass is batched products too, so gradients keep to members as well, but for that of a broadcast `plus`
    with a single column: use `affine` for a bias.
    """
    if x.shape[0] == 1 and 1 in (*x.shape[1:], w.shape[2]):  # matrix-vector paths of a lone member: give it a twin
        twins = None if plus is None else plus.expand(2, -1, -1)
        return _product(x.expand(2, -1, -1), w.expand(2, -1, -1), twins, scale)[:1]
    return _product(x, w, plus, scale)


def _product(x: Tensor, w: Tensor, plus: Tensor | None, scale: float) -> Tensor:
    if plus is not None:
        return torch.baddbmm(plus, x, w, alpha=scale)
    if scale != 1.0:
        return torch.baddbmm(x.new_zeros(1, 1, 1), x, w, beta=0.0, alpha=scale)
    return torch.bmm(x, w)


def affine(
    x: Float[Tensor, "member *rows inner"],
    w: Float[Tensor, "member inner column"],
    bias: Float[Tensor, "member column"] | None = None,
) -> Float[Tensor, "member *rows column"]:
    """`x @ w + bias`, member by member, over any number of row axes (at least one)."""
    rows = x.flatten(1, -2)
    plus = None if bias is None else bias[:, None]
    if plus is not None and plus.shape[2] == 1:  # its gradient would be a sum to one number a member
        plus = matmul(plus.new_ones(plus.shape[0], rows.shape[1], 1), plus)
    return matmul(rows, w, plus=plus).view(*x.shape[:-1], w.shape[-1])


def member_sum(x: Shaped[Tensor, "member *rest"]) -> Shaped[Tensor, "member"]:
    """Sum over everything but members: strided partial sums, then a tree."""
    flat = x.reshape(x.shape[0], -1)
    padding = -flat.shape[1] % _COLUMNS
    if padding:
        flat = F.pad(flat, (0, padding))
    sums = flat.view(x.shape[0], -1, _COLUMNS).sum(1)
    while sums.shape[1] > 1:
        sums = sums[:, ::2] + sums[:, 1::2]
    return sums[:, 0]


def member_mean(x: Float[Tensor, "member *rest"]) -> Float[Tensor, "member"]:
    """Mean over everything but members."""
    return member_sum(x) / math.prod(x.shape[1:])


def sigmoid(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The logistic function as `(1 + tanh(x / 2)) / 2`: right to 1e-7 absolutely, 0 below about -17 in float32."""
    return 0.5 * (1.0 + torch.tanh(0.5 * x))


def silu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """`x sigmoid(x)`."""
    return x * sigmoid(x)


def gelu_tanh(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The tanh approximation of GELU that GPT-2 uses (Hendrycks & Gimpel, arXiv 1606.08415)."""
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * (x * x * x))))


def identity(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """`x`: makes a network linear."""
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": gelu_tanh,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "silu": silu,
    "sigmoid": sigmoid,
    "identity": identity,
}
"""Activations by name, each safe for the law: an element's value does not depend on its place in the tensor."""
