"""Lawful arithmetic for modules that know nothing of members: torch's own functions, on the same bits in any company.

A user's module calls `torch.sigmoid` or `torch.conv2d` as it pleases. Within `Lawful`, the calls whose rounding depends
on the size of the whole tensor are computed in another way, and give what they always give but for the last bits:

- element-wise functions whose kernels treat the last elements of a tensor apart get whole vectors, so none are last;
- convolutions and norms over samples or channels are computed member by member on a CPU: under `torch.func.vmap` a
  convolution would be one with a group a member, whose kernel depends on the number of channels of all of them;
- a matrix that all members share is multiplied with each member's rows by themselves;
- recurrent cells and attention are composed of the parts of their equations.
"""

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

WHOLE = 64  # elements: two vectors of float32 in the widest registers, which is what a kernel takes at a time, twice

_ELEMENTWISE = [
    *("sigmoid", "expit", "silu", "mish", "softplus", "elu", "selu", "celu", "gelu", "logsigmoid", "exp2"),
    *("sinh", "cosh", "atanh", "arctanh", "atan2", "arctan2", "hypot", "logaddexp", "logaddexp2"),
    *("pow", "float_power", "__rpow__"),
]
_PRODUCTS = [
    *("matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "dot", "inner", "addmm", "addbmm", "baddbmm", "addmv"),
    *("linear", "bilinear", "einsum", "tensordot", "chain_matmul", "cdist"),
]
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

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The call, or a lawful way to compute it."""
        kwargs = kwargs or {}
        if func in _INSTEAD:
            return _INSTEAD[func](func, *args, **kwargs)
        if isinstance(func, types.FunctionType) and func.__globals__ is vars(F):  # not what pooling is dispatched by
            with self:
                return _without_asking(func)(*args, **kwargs)
        return func(*args, **kwargs)


@functools.cache
def _without_asking(function: types.FunctionType) -> Callable[..., Any]:
    """A function of `torch.nn.functional` that goes straight to its body, and does not hand itself to a mode first.

    So what it is made of is seen: multi-head attention calls `torch.nn.functional.scaled_dot_product_attention`.
    """
    asks = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")
    blind = {**function.__globals__, **dict.fromkeys(asks, lambda *_: False)}
    made = types.FunctionType(function.__code__, blind, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


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


def _member_by_member(function: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """One call a member on a CPU. On a GPU, where the law holds to rounding, one for all."""
    given, one = _tensors_and_rest(function, args, kwargs)
    if given[0].is_cuda:
        return function(*args, **kwargs)
    return outside(lambda *stacks: torch.stack([one(*mine) for mine in zip(*stacks, strict=True)]), *given)


def _with_own_factors(function: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """A product in which a factor that all members share is repeated: else it is one matrix with all members' rows."""
    given, one = _tensors_and_rest(function, args, kwargs)
    if all(torch._C._functorch.is_batchedtensor(t) for t in given) or given[0].is_cuda:  # pyright: ignore[reportAttributeAccessIssue]
        return function(*args, **kwargs)
    return outside(lambda *stacks: torch.func.vmap(one)(*stacks), *given)


def _tensors_and_rest(
    function: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[list[Tensor], Callable[..., Tensor]]:
    """The tensors of a call, and the call as a function of them."""

    def call(*tensors: Tensor) -> Tensor:
        rest = iter(tensors)
        filled = [next(rest) if isinstance(a, Tensor) else a for a in args]
        return function(*filled, **{k: next(rest) if isinstance(v, Tensor) else v for k, v in kwargs.items()})

    return [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)], call


def _normalised(function: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """Batch and instance norm, member by member, if they leave running statistics as they are."""
    given = inspect.signature(function).bind(*args, **kwargs)
    given.apply_defaults()
    updates = given.arguments.get("training") or given.arguments.get("use_input_stats")
    if updates and given.arguments["running_mean"] is not None:
        return function(*args, **kwargs)  # torch.func.vmap says that it can't
    return _member_by_member(function, *args, **kwargs)


def _sigmoid(x: Tensor) -> Tensor:
    return _in_whole_vectors(torch.sigmoid, x)


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return _with_own_factors(F.linear, input, weight, bias)


def _glu(function: Callable[..., Tensor], input: Tensor, dim: int = -1) -> Tensor:
    if input.shape[dim] % 2:
        return function(input, dim)  # which says that the size must be even
    a, b = input.chunk(2, dim)
    return a * _sigmoid(b)


def _attention(
    function: Callable[..., Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **kw: Any,
) -> Tensor:
    """Products and a softmax on a CPU; on a GPU the fused kernels, with members among the batch."""
    while attn_mask is not None and attn_mask.ndim < query.ndim:  # as many axes before members come in front
        attn_mask = attn_mask[None]
    if query.is_cuda and not dropout_p:
        masks = () if attn_mask is None else (attn_mask,)
        return outside(
            lambda q, k, v, *mask: function(q, k, v, *mask, is_causal=is_causal, **kw), query, key, value, *masks
        )
    if attn_mask is not None and attn_mask.dtype == torch.bool:  # which the kernel below would add as 0 and 1
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill(~attn_mask, -torch.inf)
    math = torch.ops.aten._scaled_dot_product_attention_math

    def attended(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        return math(q, k, v, mask, dropout_p, is_causal, **kw)[0]

    return _with_own_factors(attended, query, key, value, *([] if attn_mask is None else [attn_mask]))


def _plain_cell(activation: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    def cell(
        _function: Any, input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Any = None, b_hh: Any = None
    ) -> Tensor:
        return activation(_linear(input, w_ih, b_ih) + _linear(hx, w_hh, b_hh))

    return cell


def _gru_cell(
    _function: Any, input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Any = None, b_hh: Any = None
) -> Tensor:
    """h' = n + z (h - n), n = tanh(W x + r U h), with gates r and z, as in `torch.nn.GRUCell`."""
    reset_x, update_x, new_x = _linear(input, w_ih, b_ih).chunk(3, -1)
    reset_h, update_h, new_h = _linear(hx, w_hh, b_hh).chunk(3, -1)
    new = torch.tanh(new_x + _sigmoid(reset_x + reset_h) * new_h)
    return new + _sigmoid(update_x + update_h) * (hx - new)


def _lstm_cell(
    _function: Any, input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Any = None, b_hh: Any = None
) -> tuple[Tensor, Tensor]:
    """c' = f c + i tanh(g), h' = o tanh(c'), with gates i, f and o, as in `torch.nn.LSTMCell`."""
    h, c = hx
    gates = _linear(input, w_ih, b_ih) + _linear(h, w_hh, b_hh)
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
    **dict.fromkeys(_named(*_PRODUCTS), _with_own_factors),
    **dict.fromkeys(_named(*(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))), _member_by_member),
    F.batch_norm: _normalised,
    F.instance_norm: _normalised,
    F.group_norm: _member_by_member,
    F.glu: _glu,
    F.scaled_dot_product_attention: _attention,
    torch.rnn_tanh_cell: _plain_cell(torch.tanh),
    torch.rnn_relu_cell: _plain_cell(torch.relu),
    torch.gru_cell: _gru_cell,
    torch.lstm_cell: _lstm_cell,
}
