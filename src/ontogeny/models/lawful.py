"""Lawful arithmetic for modules that know nothing of members: torch's own functions, on the same bits in any company.

A user's module calls `torch.sigmoid` or `torch.conv2d` as it pleases. Within `Lawful`, the calls whose rounding depends
on the size of the whole tensor are computed in another way, and give what they always give but for the last bits:

- element-wise functions whose kernels treat the last elements of a tensor apart get whole vectors, so none are last;
- convolutions and norms over samples or channels are computed member by member on a CPU: under `torch.func.vmap` a
  convolution would be one with a group a member, whose kernel depends on the number of channels of all of them;
- a matrix that all members share is multiplied with each member's rows by themselves;
- products take their factors row by row, for the same view of one member and of several is laid out in other ways; a
  lone member's products and variances are computed as a pair with itself, but for linear maps and attention, which
  `ontogeny.models.stacked` has lawful at no such cost;
- recurrent cells and attention are composed of the parts of their equations.
"""

import functools
import inspect
import types
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._functorch.pyfunctorch import retrieve_current_functorch_interpreter
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_unflatten

from ontogeny.models.stacked import affine, matmul

_functorch: Any = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]

WHOLE = 64  # elements: two vectors of float32 in the widest registers, which is what a kernel takes at a time, twice

_ELEMENTWISE = [
    *("sigmoid", "expit", "silu", "mish", "softplus", "elu", "selu", "celu", "gelu", "logsigmoid", "exp2"),
    *("sinh", "cosh", "atanh", "arctanh", "atan2", "arctan2", "hypot", "logaddexp", "logaddexp2"),
    *("pow", "float_power", "__rpow__"),
]
_PRODUCTS = [
    *("matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "dot", "inner", "addmm", "addbmm", "baddbmm", "addmv"),
    *("linear", "bilinear", "einsum", "tensordot", "chain_matmul", "cdist", "cov", "corrcoef"),
    *("multi_dot", "vecdot", "matrix_power", "matrix_exp", "var", "std"),
]
_HOMES = (torch, torch.Tensor, torch.special, torch.linalg, F)


def outside(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """From within `torch.func.vmap`, what `function` makes of the stacked tensors `[member, ...]`.

    A tensor that all members share is repeated. The function's own operations carry the gradient.
    """
    vmap: Any = retrieve_current_functorch_interpreter()
    if vmap.key() != _functorch.TransformType.Vmap:
        raise NotImplementedError("it takes a derivative in its forward, by torch.func")
    level = vmap.level()
    if all(_functorch.maybe_get_level(t) != level for t in tensors):  # nothing is stacked: a population of one
        return function(*(t[None] for t in tensors))[0]
    stacks = [_functorch._remove_batch_dim(t, level, vmap.batch_size(), 0) for t in tensors]
    with vmap.lower():
        result = function(*stacks)
    return _functorch._add_batch_dim(result, 0, level)


def in_rows(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """As `outside`, for a function whose rounding depends on how its tensors are laid out.

    The same view of a lone member and of several is laid out in other ways, so numbers, and the slopes that come back,
    are put in a row first where they are not.
    """

    def laid_out(*stacks: Tensor) -> Tensor:
        result = function(*map(_row, stacks))
        if result.requires_grad:
            result.register_hook(_row)
        return result

    return outside(laid_out, *tensors)


def _row(x: Tensor) -> Tensor:
    return x.reshape(-1).contiguous().view(x.shape)  # flat in between, for strides of axes of size 1 may be any


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
    """An element-wise function on each member's numbers in a row, filled up with ones so that none are last."""
    if any(a is True for a in (*args, *kwargs.values())):  # in place: in a copy, as it may be kept for the slope
        args = (args[0].clone(), *args[1:])
    given, one = _tensors_and_rest(function, args, kwargs)
    # A number without axes does not decide the dtype of a result beside a tensor with some, and is not widened.
    wide = [a for a in given if a.ndim] or given
    shape = torch.broadcast_shapes(*(a.shape for a in wide))
    count = shape.numel()
    flat = [a.expand(shape).reshape(-1) if any(a is w for w in wide) else a for a in given]

    def in_vectors(*stacks: Tensor) -> Tensor:
        missing = -count % WHOLE
        rows = [F.pad(s, (0, missing), value=1.0) if missing and s.ndim > 1 else s for s in stacks]
        return torch.func.vmap(one)(*rows)[:, :count]

    return in_rows(in_vectors, *flat).reshape(shape)


def _power(function: Callable[..., Tensor], *args: Any) -> Tensor:
    if isinstance(args[1], int | float) and args[1] in (1, 2, 3):  # products: they keep to members
        return function(*args)
    return _in_whole_vectors(function, *args)


def _in_place(function: Callable[..., Tensor], x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return x.copy_(_in_whole_vectors(function, x.clone(), *args, **kwargs))


def _member_by_member(function: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """One call a member on a CPU. On a GPU, where the law holds to rounding, one for all."""
    given, one = _tensors_and_rest(function, args, kwargs)
    if given[0].is_cuda:
        return function(*args, **kwargs)
    return outside(lambda *stacks: torch.stack([one(*mine) for mine in zip(*stacks, strict=True)]), *given)


def _with_company(function: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """A product or variance in which every member has tensors of its own, and a lone one a twin.

    A factor that all members share would else be multiplied with all members' rows as one matrix; the product of a lone
    member with a single row or column takes the library's path for vectors, and its variance that of a single number.
    """
    given, one = _tensors_and_rest(function, args, kwargs)
    if given[0].is_cuda:
        return function(*args, **kwargs)

    def of_members(*stacks: Tensor) -> Tensor:
        if len(stacks[0]) > 1:
            return torch.func.vmap(one)(*stacks)
        # A copy, not a view: then the twin takes no part in the gradient.
        return torch.func.vmap(one)(*(torch.cat([s, s.detach()]) for s in stacks))[:1]

    return in_rows(of_members, *given)


def _two_with_company(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
    return _with_company(lambda *a, **kw: torch.stack(function(*a, **kw)), *args, **kwargs).unbind()


def _tensors_and_rest(
    function: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[list[Tensor], Callable[..., Tensor]]:
    """The tensors of a call, and the call as a function of them."""
    leaves, places = tree_flatten((args, kwargs))

    def call(*tensors: Tensor) -> Tensor:
        rest = iter(tensors)
        args, kwargs = tree_unflatten([next(rest) if isinstance(a, Tensor) else a for a in leaves], places)
        return function(*args, **kwargs)

    return [a for a in leaves if isinstance(a, Tensor)], call


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


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if weight.ndim < 2 or input.is_cuda:
        return _with_company(F.linear, input, weight, *([] if bias is None else [bias]))

    def of_members(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        return affine(x, w.mT, b)

    rows = input if input.ndim > 1 else input[None]
    return in_rows(of_members, rows, weight, *([] if bias is None else [bias])).view(*input.shape[:-1], weight.shape[0])


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
    if attn_mask is None and not dropout_p and not kw.get("enable_gqa") and query.shape[:-2] == key.shape[:-2]:
        return in_rows(partial(_mixed, is_causal, kw.get("scale")), query, key, value)
    if attn_mask is not None and attn_mask.dtype == torch.bool:  # which the kernel below would add as 0 and 1
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill(~attn_mask, -torch.inf)
    math = torch.ops.aten._scaled_dot_product_attention_math

    def attended(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        return math(q, k, v, mask, dropout_p, is_causal, **kw)[0]

    return _with_company(attended, query, key, value, *([] if attn_mask is None else [attn_mask]))


def _mixed(causal: bool, scale: float | None, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(scale q k + mask) v over `[member, *batch, position, feature]`, as the library's own attention has it."""
    mask = q.new_full((1, q.shape[-2], k.shape[-2]), -torch.inf).triu(1) if causal else None
    shape = q.shape[:-1]
    # Small products are slow with a view.
    q, keys, v = (_row(t).flatten(0, -3) for t in (q, k.mT, v))
    pattern = torch.softmax(matmul(q, keys, plus=mask, scale=scale or q.shape[-1] ** -0.5), -1)
    return matmul(pattern, v).view(*shape, v.shape[-1])


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
    **dict.fromkeys(_named(*_PRODUCTS), _with_company),
    **dict.fromkeys(_named(*(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))), _member_by_member),
    F.batch_norm: _normalised,
    F.instance_norm: _normalised,
    F.group_norm: _member_by_member,
    **dict.fromkeys(_named("var_mean", "std_mean"), _two_with_company),
    F.glu: _glu,
    F.linear: lambda _function, *args, **kwargs: _linear(*args, **kwargs),
    F.scaled_dot_product_attention: _attention,
    torch.rnn_tanh_cell: _plain_cell(torch.tanh),
    torch.rnn_relu_cell: _plain_cell(torch.relu),
    torch.gru_cell: _gru_cell,
    torch.lstm_cell: _lstm_cell,
}
