"""What the tests of models share."""

import pytest
import torch

from ontogeny.streams import Streams


@pytest.fixture
def normal(seed):
    """Standard normal tensors, one after another."""
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.empty(shape).normal_(generator=generator)


@pytest.fixture
def below(seed):
    """Whole numbers below a bound: `below(bound, *shape)`."""
    generator = torch.Generator().manual_seed(seed)
    return lambda bound, *shape: torch.empty(shape, dtype=torch.long).random_(bound, generator=generator)


@pytest.fixture
def streams(seed):
    """Streams of three members."""
    return Streams(seeds=(seed, seed + 100, seed + 200))


@pytest.fixture
def same_as():
    """Compares a stacked module with one single module a member, outputs and gradients, all in float64.

    `pairs` maps parameter names of the single module to functions of our gradients by name, for one member.
    """

    def compare(ours, theirs, x, *, pairs, tolerance=1e-9):
        ours, theirs = ours.double(), [single.double() for single in theirs]
        x = x.double().requires_grad_() if x.is_floating_point() else x
        y = ours(x)
        slope = torch.cos(torch.arange(y[0].numel()).double()).view(y.shape[1:])
        (y * slope).sum().backward()
        grads = {name: p.grad for name, p in ours.named_parameters()}
        for i, single in enumerate(theirs):
            xi = x[i].detach().clone().requires_grad_(x.is_floating_point())
            yi = single(xi)
            torch.testing.assert_close(y[i], yi, rtol=tolerance, atol=tolerance)
            (yi * slope).sum().backward()
            if x.is_floating_point():
                torch.testing.assert_close(x.grad[i], xi.grad, rtol=tolerance, atol=tolerance)
            their_grads = {name: p.grad for name, p in single.named_parameters()}
            assert their_grads.keys() == pairs.keys()
            for name, of in pairs.items():
                mine = of({k: g[i] for k, g in grads.items()})
                torch.testing.assert_close(mine, their_grads[name], rtol=tolerance, atol=tolerance, msg=name)

    return compare
