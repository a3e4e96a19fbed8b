"""Oracles: torch's own functions, on the same numbers; and the same members in other company, bit for bit."""

import inspect
import re

import pytest
import torch
import torch.nn.functional as F
from torch.func import vmap

from ontogeny.models.lawful import Lawful

TORCH = ["sigmoid", "exp2", "sinh", "cosh", "tanh", "exp", "erf", "sin", "cos", "expm1"]
FUNCTIONAL = [
    "silu",
    "mish",
    "softplus",
    "elu",
    "selu",
    "celu",
    "logsigmoid",
    "gelu",
    "relu",
    "leaky_relu",
    "hardswish",
]
ONE = {name: getattr(torch, name) for name in TORCH} | {name: getattr(F, name) for name in FUNCTIONAL}
ONE |= {
    "atanh": lambda x: torch.atanh(x.tanh()),
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "glu": lambda x: F.glu(x, 1),
    "elu in place": lambda x: F.elu(x * 1, 0.5, True),
    "sigmoid_": lambda x: (x * 1).sigmoid_(),
    "square": lambda x: x**2,
    "fourth power": lambda x: x**4,
    "root": lambda x: x.abs() ** -0.5,
    "power": lambda x: x.abs().pow(1.7),
    "power of itself": lambda x: x.abs() ** (x * 0.5),
    "power of a number": lambda x: 2.0**x,
    "power of a column": lambda x: x.abs() ** x.mean(-1, keepdim=True),
    "angle": lambda x: torch.atan2(x, x + 1),
    "logaddexp": lambda x: torch.logaddexp(x, 2 * x),
    "softmax": lambda x: x.softmax(1),
    "all but the mean": lambda x: x - x.mean(),
}
SHAPES = [(1, 8, 13), (2, 8, 14), (64, 2, 22)]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def value_and_slope(function, x):
    x = x.clone().requires_grad_()
    with Lawful():
        y = vmap(function)(x)
    weights = torch.cos(torch.arange(y[0].numel(), dtype=x.dtype)).view(y.shape[1:])
    return y.detach(), torch.autograd.grad((y * weights).sum(), x)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ONE)
def test_functions_keep_to_members_and_are_torchs(name, dtype, normal):
    for shape in SHAPES:
        x = normal(8, *shape).to(dtype)
        value, slope = value_and_slope(ONE[name], x)
        for few in ([3, 4], [2, 3, 4], [0, 1, 5, 6, 7]):
            alone = value_and_slope(ONE[name], x[few])
            assert torch.equal(alone[0], value[few])
            assert torch.equal(alone[1], slope[few])
        plain = x[5].clone().requires_grad_()
        y = ONE[name](plain)
        weights = torch.cos(torch.arange(y.numel(), dtype=dtype)).view(y.shape)
        torch.testing.assert_close(value[5], y.detach())
        torch.testing.assert_close(slope[5], torch.autograd.grad((y * weights).sum(), plain)[0], rtol=1e-4, atol=1e-5)


def test_what_lawful_mends_is_broken_without_it(normal):
    """In some of these widths: in which depends on the processor's vectors."""
    numbers = [normal(8, width) for width in (7, 13, 91, 455, 1_000)]
    for name in ("sigmoid", "softplus", "gelu_tanh", "power"):
        pairs = [
            (ONE[name](x[i : i + n].clone()), ONE[name](x)[i : i + n]) for x in numbers for n in (1, 3) for i in (0, 5)
        ]
        assert not all(torch.equal(few, together) for few, together in pairs), name


@pytest.mark.parametrize("shape", [(), (1,), (0,), (64,), (3, 0)])
def test_any_shape_keeps_its_shape_and_dtype(shape):
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        x = torch.ones(2, *shape, dtype=dtype)
        powered = lambda x: torch.sigmoid(x) ** torch.tensor(1.5, dtype=torch.float64)  # noqa: E731
        with Lawful():
            y = vmap(powered)(x)
        assert (y.shape, y.dtype) == (x.shape, powered(x[0]).dtype)


PRODUCTS = {
    "matmul": lambda x, w, m: (x * w) @ m,
    "turned": lambda x, w, m: m.T @ (x * w).mT,
    "linear": lambda x, w, m: F.linear(x * w, m.T),
    "einsum": lambda x, w, m: torch.einsum("spi,io->spo", x * w, m),
    "attention": lambda x, w, m: F.scaled_dot_product_attention(x * w, m.T[:, : x.shape[-1]], m.T[:, : x.shape[-1]]),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_shared_factor_keeps_to_members(name, normal):
    x, w = normal(8, 2, 1, 130), normal(8, 130)
    for columns in (33, 130):
        m = normal(130, columns)

        def outcome(few):
            w_few = w[few].clone().requires_grad_()
            with Lawful():
                y = vmap(lambda x, w: PRODUCTS[name](x, w, m))(x[few], w_few)  # noqa: B023
            return y.detach(), torch.autograd.grad(y.square().sum(), w_few)[0]

        value, slope = outcome(list(range(8)))
        for few in ([1, 0], [4, 2, 0], [0, 1, 3, 4]):
            assert all(torch.equal(a, b[few]) for a, b in zip(outcome(few), (value, slope), strict=True))
        torch.testing.assert_close(value[3], PRODUCTS[name](x[3], w[3], m), rtol=1e-4, atol=1e-4)


ALONE = {
    "linear": ((5, 7, 13), (3, 13), F.linear),
    "linear of one row": ((1, 130), (33, 130), F.linear),
    "linear of a vector": ((130,), (1, 130), F.linear),
    "matmul of a turned stack": ((7, 16, 130), (130, 2), lambda x, w: x.transpose(0, 1) @ w),
    "matmul of a turned matrix": ((2, 13, 8), (2, 13, 8), lambda x, w: (x @ w.mT).softmax(-1) @ w),
    "bmm": ((7, 13, 1), (7, 1, 64), torch.bmm),
    "addmm": ((5, 130), (130, 16), lambda x, w: torch.addmm(w[0], x, w)),
    "einsum": ((65, 16), (16, 65), lambda x, w: torch.einsum("ij,ji->", x, w)),
    "einsum of a list": ((65, 16), (65, 16), lambda x, w: torch.einsum("ij,ij->i", [x, w])),
    "multi_dot": ((5, 33), (33, 2), lambda x, w: torch.linalg.multi_dot([x, w])),
    "attention": ((3, 5, 33), (3, 5, 33), lambda x, w: F.scaled_dot_product_attention(x, w, w, is_causal=True)),
    "masked": (
        (3, 5, 33),
        (3, 7, 33),
        lambda x, w: F.scaled_dot_product_attention(x, w, w, attn_mask=torch.ones(5, 7, dtype=torch.bool).tril()),
    ),
    "variance": ((16, 33), (1,), lambda x, w: x.var() * w),
    "deviation": ((65, 13, 1), (1,), lambda x, w: x.std((0, 1)) * w),
    "variance and mean": ((16, 33), (1,), lambda x, w: torch.stack(torch.var_mean(x)) * w),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ALONE)
def test_a_lone_member_has_its_bits_in_company(name, dtype, normal):
    """Torch's own value and slopes, also where the slope that comes back is one number for all."""
    *shapes, function = ALONE[name]
    x, w = (normal(8, *shape).to(dtype) for shape in shapes)
    for loss in (torch.Tensor.sum, lambda y: y.square().sum()):

        def outcome(few):
            here = [x[few].clone().requires_grad_(), w[few].clone().requires_grad_()]
            with Lawful():
                y = vmap(function)(*here)
            return [y.detach(), *torch.autograd.grad(loss(y), here)]  # noqa: B023

        together = outcome(list(range(8)))
        for few in ([4], [6], [5, 2], [0, 3, 7]):
            assert all(torch.equal(a, b[few]) for a, b in zip(outcome(few), together, strict=True))
        plain = [x[6].clone().requires_grad_(), w[6].clone().requires_grad_()]
        y = function(*plain)
        for mine, theirs in zip(together, [y.detach(), *torch.autograd.grad(loss(y), plain)], strict=True):
            torch.testing.assert_close(mine[6], theirs, rtol=1e-4, atol=1e-4)


CONVOLUTIONS = {
    "1d": (F.conv1d, (3, 9), (4, 3, 3)),
    "2d": (F.conv2d, (3, 6, 7), (8, 3, 3, 3)),
    "3d": (F.conv3d, (2, 4, 4, 5), (3, 2, 2, 2, 2)),
    "1d transposed": (F.conv_transpose1d, (3, 9), (3, 4, 3)),
    "2d transposed": (F.conv_transpose2d, (3, 4, 4), (3, 5, 2, 2)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("shared", [False, True])
def test_convolutions_keep_to_members_and_are_torchs(name, shared, normal):
    function, shape, kernel = CONVOLUTIONS[name]
    x, w = normal(5, 2, *shape), normal(*kernel) if shared else normal(5, *kernel)
    bias = normal(5, kernel[1] if "transposed" in name else kernel[0])

    def convolved(x, w, bias):
        with Lawful():
            return vmap(lambda x, w, b: function(x, w, bias=b, stride=2), in_dims=(0, None if shared else 0, 0))(
                x, w, bias
            )

    together = convolved(x, w, bias)
    few = [3, 1]
    assert torch.equal(convolved(x[few], w if shared else w[few], bias[few]), together[few])
    for i in range(5):
        torch.testing.assert_close(together[i], function(x[i], w if shared else w[i], bias[i], stride=2))


def test_norms_of_single_pixels_keep_to_members_and_are_torchs(normal):
    """Without a mending, in float64, the gradients of batch norm differ in every company."""
    x, w = normal(8, 7, 6, 1, 1).double(), normal(8, 6).double()
    norms = {
        "batch": lambda x, w: F.batch_norm(torch.tanh(x), None, None, w, w, True),
        "group": lambda x, w: F.group_norm(torch.tanh(x.mT), 2, w, w),
        "instance": lambda x, w: F.instance_norm(torch.tanh(x.expand(-1, -1, 3, 2) * w[0]), weight=w, bias=w),
    }
    for name, norm in norms.items():

        def outcome(few):
            here = [x[few].clone().requires_grad_(), w[few].clone().requires_grad_()]
            with Lawful():
                y = vmap(norm)(*here)  # noqa: B023
            return [y.detach(), *torch.autograd.grad((y * torch.cos(y)).sum(), here)]

        together = outcome(list(range(8)))
        for few in ([1, 0], [4, 2, 0], [0, 1, 3, 4]):
            assert all(torch.equal(a, b[few]) for a, b in zip(outcome(few), together, strict=True)), name
        torch.testing.assert_close(together[0][5], norm(x[5], w[5]))


@pytest.mark.parametrize("masked", ["not", "causal", "by truth", "by number"])
def test_attention_is_torchs(masked, normal):
    q, k, v = normal(3, 3, 2, 4, 5, 6).unbind()
    mask = {"by truth": torch.ones(5, 5, dtype=torch.bool).tril(), "by number": normal(5, 5)}.get(masked)
    options = dict(attn_mask=mask, is_causal=masked == "causal")
    with Lawful():
        ours = vmap(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options))(q, k, v)
    for i in range(3):
        torch.testing.assert_close(ours[i], F.scaled_dot_product_attention(q[i], k[i], v[i], **options))


def test_functions_made_of_others_are_lawful_inside(normal):
    layer = torch.nn.MultiheadAttention(6, 2, batch_first=True)
    x = normal(3, 4, 5, 6)
    with Lawful():
        ours = vmap(lambda x: layer(x, x, x, need_weights=False)[0])(x)
    for i in range(3):
        torch.testing.assert_close(ours[i], layer(x[i], x[i], x[i], need_weights=False)[0])


def test_functions_made_of_others_hand_over_themselves():
    """One that handed over another, which calls it, would go round in circles."""
    opened = {n: f for n, f in vars(F).items() if inspect.isfunction(f) and f.__globals__ is vars(F)}
    for name, function in opened.items():
        handed = set(re.findall(r"handle_torch_function\(\s*([\w.]+)", inspect.getsource(function)))
        assert {opened[h] for h in handed & opened.keys()} <= {function}, name


def test_pools_are_torchs(normal):
    x = normal(3, 2, 4, 6, 6)
    for pool in (F.max_pool2d, F.avg_pool2d, F.adaptive_max_pool2d, F.adaptive_avg_pool2d):
        with Lawful():
            ours = vmap(lambda x: pool(x, 2))(x)  # noqa: B023
        torch.testing.assert_close(ours, torch.stack([pool(one, 2) for one in x]))


@pytest.mark.parametrize("kind", ["GRUCell", "LSTMCell", "RNNCell"])
def test_cells_are_torchs(kind, normal):
    cell = getattr(torch.nn, kind)(4, 3)
    x = normal(2, 5, 4)
    with Lawful():
        ours = vmap(lambda x: torch.stack(cell(x)) if kind == "LSTMCell" else cell(x))(x)
    for i in range(2):
        theirs = torch.stack(cell(x[i])) if kind == "LSTMCell" else cell(x[i])
        torch.testing.assert_close(ours[i], theirs)
