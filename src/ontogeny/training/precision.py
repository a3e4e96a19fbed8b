"""Precision: how much of the factors counts in the products of an update.

    float32, float64   all of it, and everything else is of this type, too
    tf32               of float32 factors 10 bits behind the point, as a GPU's tensor cores take them; not on a CPU
    bf16               of float32 factors 7 bits: they are rounded to bfloat16, forward and backward

Whatever is no product of matrices and no convolution stays as it is in all of them: sums, also those of products,
norms, softmax, losses, gradients, parameters and the optimizer's memory. So does what measures compute.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

DTYPES = {"float32": torch.float32, "float64": torch.float64, "tf32": torch.float32, "bf16": torch.float32}
"""The type of parameters and data in each precision."""

_aten: Any = torch.ops.aten
_FACTORS: dict[Any, tuple[int, ...]] = {
    _aten.mm.default: (0, 1),
    _aten.mv.default: (0, 1),
    _aten.bmm.default: (0, 1),
    _aten.addmm.default: (1, 2),
    _aten.baddbmm.default: (1, 2),
    _aten.convolution.default: (0, 1),
    _aten.convolution_backward.default: (0, 1, 2),
}
"""Products, and which of their arguments are multiplied."""

_WIDE: dict[Any, Any] = {
    _aten.mm.default: _aten.mm.dtype,
    _aten.bmm.default: _aten.bmm.dtype,
    _aten.addmm.default: _aten.mm.dtype,
    _aten.baddbmm.default: _aten.bmm.dtype,
}
"""Products of bfloat16 factors that a GPU sums up, and gives, in float32."""

_ATTENTION = {
    _aten._scaled_dot_product_efficient_attention.default: 4,
    _aten._scaled_dot_product_efficient_attention_backward.default: 6,
}
"""A GPU's fused attention, and how many of its first arguments take part in products, with the mask."""


def rounding(precision: str) -> AbstractContextManager[Any]:
    """Within the `with`, the factors of products are rounded as this precision asks on any device."""
    return Rounding() if precision == "bf16" else nullcontext()


class Rounding(TorchDispatchMode):
    """Within the `with`, float32 factors of all products, forward and backward, are rounded to bfloat16.

    Sums and results are float32. On a CPU the rounded factors are multiplied as float32 numbers, by the kernels that
    keep to members: bfloat16 numbers have exact products there.
    """

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operation, with rounded factors where it is a product."""
        kwargs = kwargs or {}
        if func in _ATTENTION:
            return _attended(func, args, kwargs)
        if func not in _FACTORS:
            return func(*args, **kwargs)
        single = [i for i in _FACTORS[func] if args[i].dtype == torch.float32]
        rounded = [a.bfloat16() if i in single else a for i, a in enumerate(args)]
        if func in _WIDE and len(single) == 2 and args[single[0]].is_cuda:
            return _wide(func, rounded, kwargs)
        return func(*(a.float() if i in single else a for i, a in enumerate(rounded)), **kwargs)


def _wide(func: Any, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
    """A product of bfloat16 factors as float32, and what is added to it."""
    product = _WIDE[func](*args[-2:], torch.float32)
    if len(args) == 2:
        return product
    alpha, beta = kwargs.get("alpha", 1), kwargs.get("beta", 1)
    product = product if alpha == 1 else product * alpha
    return product + args[0] * beta if beta else product


def _attended(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Fused attention of bfloat16 numbers: its softmax is float32 within, and its results are made float32."""
    count = _ATTENTION[func]
    rounded = [a.bfloat16() if isinstance(a, Tensor) else a for a in args[:count]]
    found = func(*rounded, *args[count:], **kwargs)
    return tuple(x.float() if isinstance(x, Tensor) and x.dtype == torch.bfloat16 else x for x in found)


@contextmanager
def tensor_cores(precision: str, device: torch.device) -> Iterator[None]:
    """Within the `with`, a GPU multiplies float32 numbers as this precision allows; on a CPU there is no such choice.

    PyTorch's default lets convolutions use TF32: in float32 they do not. Factors that are rounded to bfloat16 lose
    nothing in TF32, so in bf16 it may be used, too.
    """
    if device.type != "cuda":
        yield
        return
    places: tuple[Any, ...] = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = precision in ("tf32", "bf16")
        yield
    finally:
        for place, allowed in zip(places, before, strict=True):
            place.allow_tf32 = allowed
