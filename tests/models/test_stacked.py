"""Oracles: torch and math.fsum; the law on the shapes where stock kernels break it."""

import math

import pytest
import torch
from torch.nn import functional as F

from ontogeny.models.stacked import ACTIVATIONS, affine, matmul, member_mean, member_sum

THEIRS = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "tanh": torch.tanh,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "identity": lambda x: x,
}


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def seed():
    """One is enough: which path a kernel takes depends on shapes alone."""
    return 0


def with_slopes(function, *inputs):
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    y = function(*inputs)
    slope = torch.cos(torch.arange(y[0].numel()).to(y.dtype)).view(y.shape[1:]).expand_as(y)
    return [y.detach(), *torch.autograd.grad(y, inputs, slope)]


@pytest.mark.parametrize(
    ("rows", "inner", "columns"),
    [
        (1, 64, 100),
        (1, 100, 64),
        (1, 1, 1),
        (1, 7, 1),
        (2, 64, 1),
        (7, 13, 5),
        (257, 1, 3),
        (70_001, 2, 1),
        (2100, 16, 17),
    ],
)
def test_affine_alone_and_in_company(rows, inner, columns, threads, normal):
    inputs = [normal(8, rows, inner), normal(8, inner, columns), normal(8, columns)]
    together = with_slopes(affine, *inputs)
    torch.set_num_threads(1)  # as every cohort has it
    for few in (slice(3, 4), slice(2, 5)):
        alone = with_slopes(affine, *[x[few] for x in inputs])
        for a, b in zip(alone, together, strict=True):
            assert torch.equal(a, b[few])


def test_affine_is_a_product_and_a_sum(normal):
    x, w, b = normal(3, 4, 5, 6), normal(3, 6, 2), normal(3, 2)
    torch.testing.assert_close(affine(x, w, b), torch.einsum("mstk,mko->msto", x, w) + b[:, None, None])
    torch.testing.assert_close(affine(x, w), torch.einsum("mstk,mko->msto", x, w))


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("rows", [1, 3])
def test_matmul_scales_the_product_only(batch, rows, normal):
    x, w, plus = normal(batch, rows, 5), normal(batch, 5, 2), normal(1, 1, 2)
    torch.testing.assert_close(matmul(x, w, plus=plus, scale=0.5), 0.5 * x @ w + plus)
    torch.testing.assert_close(matmul(x, w, scale=0.5), 0.5 * x @ w)
    torch.testing.assert_close(matmul(x, w), x @ w)


@pytest.mark.parametrize("shape", [(1,), (7, 13, 5), (16,), (4099,), (33, 1000), (70_001,), ()])
def test_sums_alone_and_in_company(shape, threads, normal):
    x = normal(8, *shape)
    together, mean = member_sum(x), member_mean(x)
    for few in (slice(3, 4), slice(2, 5)):
        assert torch.equal(member_sum(x[few]), together[few])
        assert torch.equal(member_mean(x[few]), mean[few])
    exact = [math.fsum(row) for row in x.reshape(8, -1).tolist()]
    count = math.prod(shape)
    torch.testing.assert_close(together, torch.tensor(exact), rtol=1e-5, atol=1e-5 * count**0.5)
    torch.testing.assert_close(mean, torch.tensor(exact) / count, rtol=1e-5, atol=1e-5)


def test_the_slope_of_a_sum_is_one(normal):
    (slope,) = torch.autograd.grad(member_sum(x := normal(3, 7, 5).requires_grad_()).sum(), x)
    assert torch.equal(slope, torch.ones(3, 7, 5))


def test_a_nan_stays_in_its_member(normal):
    x = normal(3, 7, 5)
    x[1, 0, 0] = torch.nan
    assert member_sum(x).isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_agree_with_torch(name, normal):
    x = torch.cat([5 * normal(1, 1000), torch.tensor([[0.0, -100.0, 100.0]])], 1).double()
    for mine, theirs in zip(with_slopes(ACTIVATIONS[name], x), with_slopes(THEIRS[name], x), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_value_does_not_depend_on_its_place(name, threads, normal):
    x = 3 * normal(40_003)
    ones = torch.ones_like(x)

    def values(z):
        z = z.clone().requires_grad_()
        y = ACTIVATIONS[name](z)
        return y.detach(), torch.autograd.grad(y, z, ones[: len(z)])[0]

    whole = values(x)
    for first, last in [(1, 40_003), (5, 40_000), (40_000, 40_003), (17, 20_020)]:
        for part, all_ in zip(values(x[first:last]), whole, strict=True):
            assert torch.equal(part, all_[first:last])
