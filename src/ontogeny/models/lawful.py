"""Lawful arithmetic for modules that know nothing of members: torch's own functions, on the same bits in any company.

A user's module calls `torch.sigmoid` or `torch.conv2d` as it pleases. Within `Lawful`, the calls whose rounding depends
on the size of the whole tensor are computed in another way, and give what they always give but for the last bits:

- element-wise functions whose kernels treat the last elements of a tensor apart get whole vectors, so none are last;
- a convolution is computed member by member on a CPU: under `torch.func.vmap` it would be one with a group a member,
  and its kernel depends on the number of channels of all of them;
- gated cells are composed of the parts of their equations.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

WHOLE = 64  # elements: two vectors of float32 in the widest registers, which is what a kernel takes at a time, twice

_ELEMENTWISE = (
    "sigmoid expit silu mish softplus elu selu celu gelu logsigmoid exp2 sinh cosh atanh arctanh float_power "
    "atan2 arctan2 hypot logaddexp logaddexp2 __rpow__ pow"
).split()
_HOMES = (torch, torch.Tensor, torch.special, F)


def outside(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """From within `torch.func.vmap`, what `function` makes of the stacked tensors `[member, ...]`.

    A tensor that all members share is repeated. The function's own operations carry the gradient.
    """
    return _Outside.apply(function, *tensors)  # type: ignore[no-any-return]


class _Outside(torch.autograd.Function):
    """A call that `torch.func.vmap` hands over with its member axis."""

    @staticmethod
    def forward(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
        """Nothing is stacked: a population of one."""
        return function(*(t[None] for t in tensors))[0]

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing to keep: what has a gradient is stacked."""

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], function: Callable[..., Tensor], *tensors: Tensor
    ) -> tuple[Tensor, int]:
        """The call itself, with the member axis first."""
        stacked = [
            t.expand(info.batch_size, *t.shape) if axis is None else t.movedim(axis, 0)
            for t, axis in zip(tensors, in_dims[1:], strict=True)
        ]
        return function(*stacked), 0


class Lawful(TorchFunctionMode):
    """Within the `with`, torch's functions keep to members; those that do anyway are left alone."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The call, or a lawful way to compute it."""
        instead = _INSTEAD.get(func)
        return func(*args, **(kwargs or {})) if instead is None else instead(func, *args, **(kwargs or {}))


def _in_whole_vectors(function: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """An element-wise function on a fresh flat copy, filled up with ones so that no element is among the last."""
    given = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
    # A number without axes does not decide the dtype of a result beside a tensor with some, and is not widened.
    wide = [a for a in given if a.ndim] or given
    shape = torch.broadcast_shapes(*(a.shape for a in wide))
    count = shape.numel()

    def filled(value: Any) -> Any:
        if not any(value is a for a in wide):
            return value
        return F.pad(value.expand(shape).reshape(-1), (0, WHOLE - count % WHOLE), value=1.0)

    result = function(*map(filled, args), **{name: filled(value) for name, value in kwargs.items()})
    return result[:count].reshape(shape)


def _power(function: Callable[..., Tensor], *args: Any) -> Tensor:
    if isinstance(args[1], int | float) and args[1] in (1, 2, 3):  # products: they keep to members
        return function(*args)
    return _in_whole_vectors(function, *args)


def _in_place(function: Callable[..., Tensor], x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return x.copy_(_in_whole_vectors(function, x, *args, **kwargs))


def _member_by_member(
    function: Callable[..., Tensor], input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kw: Any
) -> Tensor:
    """A convolution a member on a CPU. On a GPU, where the law holds to rounding, one with a group a member."""
    if input.is_cuda:
        return function(input, weight, bias, *args, **kw)

    def each(*stacks: Tensor) -> Tensor:
        rows = zip(*stacks, strict=True)
        return torch.stack([function(row[0], row[1], row[2] if bias is not None else None, *args, **kw) for row in rows])

    return outside(each, input, weight) if bias is None else outside(each, input, weight, bias)


def _sigmoid(x: Tensor) -> Tensor:
    return _in_whole_vectors(torch.sigmoid, x)


def _glu(function: Callable[..., Tensor], input: Tensor, dim: int = -1) -> Tensor:
    if input.shape[dim] % 2:
        return function(input, dim)  # which says that the size must be even
    a, b = input.chunk(2, dim)
    return a * _sigmoid(b)


def _gru_cell(
    _function: Any, input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Any = None, b_hh: Any = None
) -> Tensor:
    """h' = n + z (h - n), n = tanh(W x + r U h), with gates r and z, as in `torch.nn.GRUCell`."""
    reset_x, update_x, new_x = F.linear(input, w_ih, b_ih).chunk(3, -1)
    reset_h, update_h, new_h = F.linear(hx, w_hh, b_hh).chunk(3, -1)
    new = torch.tanh(new_x + _sigmoid(reset_x + reset_h) * new_h)
    return new + _sigmoid(update_x + update_h) * (hx - new)


def _lstm_cell(
    _function: Any, input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Any = None, b_hh: Any = None
) -> tuple[Tensor, Tensor]:
    """c' = f c + i tanh(g), h' = o tanh(c'), with gates i, f and o, as in `torch.nn.LSTMCell`."""
    h, c = hx
    gates = F.linear(input, w_ih, b_ih) + F.linear(h, w_hh, b_hh)
    let_in, keep, new, let_out = gates.chunk(4, -1)
    c = _sigmoid(keep) * c + _sigmoid(let_in) * torch.tanh(new)
    return _sigmoid(let_out) * torch.tanh(c), c


def _named(*names: str) -> list[Any]:
    """The functions of these names, wherever torch has them."""
    return [getattr(home, name) for home in _HOMES for name in names if hasattr(home, name)]


_INSTEAD: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys(_named(*_ELEMENTWISE), _in_whole_vectors),
    **dict.fromkeys(_named(*(f"{n}_" for n in _ELEMENTWISE if not n.startswith("__")), "__ipow__"), _in_place),
    **dict.fromkeys(_named("__pow__"), _power),
    **dict.fromkeys(_named(*(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))), _member_by_member),
    F.glu: _glu,
    torch.gru_cell: _gru_cell,
    torch.lstm_cell: _lstm_cell,
}
