"""Oracles: the state of all units step by step under autograd, and alone against in company."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.low_rank_rnn import LowRankRNN, overlaps
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape
from ontogeny.tasks.delayed_activation import DelayedActivation


def weights(seed, members=3, rank=2, units=7, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(members, rank, units), (members, rank, units), (members, units)]
    return [torch.randn(s, generator=generator, dtype=dtype).requires_grad_() for s in shapes]


def full_state(m, n, b, *, leak, start, steps):
    """The network as it is written in the paper: x in R^units, and kappa = n x read off at every step."""
    x = torch.full_like(b, start)
    read = []
    for _ in range(steps):
        kappa = torch.einsum("mki,mi->mk", n, x)
        x = (1 - leak) * x + leak * torch.tanh(torch.einsum("mki,mk->mi", m, kappa) + b)
        read.append(torch.einsum("mki,mi->mk", n, x))
    return torch.stack(read, 1)


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("members", [1, 4])
def test_overlaps_and_their_gradients_are_those_of_the_full_network(rank, members, seed):
    settings = dict(leak=0.3, start=-0.3, steps=9)
    parameters = weights(seed, members=members, rank=rank)
    ours, full = overlaps(*parameters, **settings), full_state(*parameters, **settings)
    torch.testing.assert_close(ours, full, rtol=1e-10, atol=1e-12)
    weight = torch.randn(ours.shape, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    mine = torch.autograd.grad((ours * weight).sum(), parameters)
    theirs = torch.autograd.grad((full * weight).sum(), parameters)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_the_reduced_field_is_the_limit_of_a_small_leak(seed):
    # (kappa_2 - kappa_1) / leak = -kappa_1 + n tanh(m kappa_1 + b) exactly, for any leak.
    m, n, b = weights(seed, rank=1)
    kappa = overlaps(m, n, b, leak=1e-3, start=-0.3, steps=2)[..., 0]
    field = -kappa[:, 0] + (n[:, 0] * torch.tanh(m[:, 0] * kappa[:, :1] + b)).sum(-1)
    torch.testing.assert_close((kappa[:, 1] - kappa[:, 0]) / 1e-3, field, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("rank", [1, 4])
def test_alone_is_in_company(rank, seed):
    shape = DelayedActivation(delay=6).shape
    seeds_ = tuple(range(seed, seed + 7))

    def step(chosen):
        models = [LowRankRNN(units=33, rank=rank, slope=1.0 + s) for s in chosen]
        network = stack(models).build(shape, Streams(tuple(chosen))).float()
        outputs = network(torch.zeros(len(chosen), 1, 12, 0))
        outputs.square().sum((1, 2, 3)).backward(torch.ones(len(chosen)))
        return [outputs.detach(), *(p.grad for p in network.parameters())]

    together = step(seeds_)
    for i, s in enumerate(seeds_):
        for alone, company in zip(step((s,)), together, strict=True):
            assert torch.equal(alone[0], company[i])


def test_the_readout_is_the_logistic_function_with_each_members_slope():
    shape = DelayedActivation(delay=2).shape
    network = stack([LowRankRNN(units=5, slope=a) for a in (1.0, 10.0)]).build(shape, Streams((3, 3))).double()
    kappa = overlaps(network.m, network.n, network.b, leak=0.5, start=-0.3, steps=4)[..., 0]
    outputs = network(torch.zeros(2, 3, 4, 0, dtype=torch.float64))
    assert outputs.shape == (2, 3, 4, 1)
    for member, slope in enumerate((1.0, 10.0)):
        torch.testing.assert_close(outputs[member, 1, :, 0], torch.sigmoid(slope * (kappa[member] - 1)))


def test_weights_start_with_variance_one_over_units():
    network = LowRankRNN(units=400).build(Shape(outputs=1, features=0, length=2), Streams(tuple(range(20))))
    for weight in (network.m, network.n):  # 8,000 normal numbers: the standard error of their variance is 1.6 %
        assert weight.var().item() * 400 == pytest.approx(1, abs=0.08)
    assert network.b.abs().max() == 0


@pytest.mark.parametrize(
    ("fields", "message"), [(dict(rank=9, units=8), "rank=9, units=8"), (dict(leak=0.0), "leak=0.0")]
)
def test_impossible_values_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        LowRankRNN(**fields)


def test_a_task_with_inputs_is_refused():
    with pytest.raises(UserError, match="has no input"):
        LowRankRNN().build(Shape(outputs=1, features=3, length=4), Streams((0,)))
