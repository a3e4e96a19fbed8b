"""Oracles: the minimiser by enumerating all masks, least squares, and descent that ends where it says."""

import itertools

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.training.dropout_descent import dropout_against_ridge, dropout_descent, dropout_ridge


def problem(members=2, n=30, d=4, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(members, n, d, generator=g, dtype=torch.float64) + 0.5  # not centred: X^T X is not a covariance
    return x, torch.randn(members, n, generator=g, dtype=torch.float64) + x.sum(-1)


def test_it_minimises_the_expected_loss():
    """The gradient of the loss, averaged over all 2^4 masks of a row with their chances, is 0 there."""
    x, y = problem()
    w = dropout_ridge(x, y, 0.7).requires_grad_()
    loss = torch.zeros((), dtype=torch.float64)
    for mask in itertools.product((0.0, 1.0), repeat=4):
        kept = torch.tensor(mask, dtype=torch.float64)
        chance = 0.7 ** sum(mask) * 0.3 ** (4 - sum(mask))
        loss = loss + chance * ((x * kept / 0.7 @ w[..., None])[..., 0] - y).square().sum()
    assert torch.autograd.grad(loss, w)[0].abs().max() < 1e-10


def test_keeping_all_is_least_squares():
    x, y = problem()
    torch.testing.assert_close(dropout_ridge(x, y, 1.0), torch.linalg.lstsq(x, y[..., None]).solution[..., 0])


def test_descent_ends_at_the_ridge():
    x, y = problem(n=100)
    found = dropout_descent(x, y, 0.8, Streams((1, 2)), steps=3_000, averaged_from=1_000)
    ridge = dropout_ridge(x, y, 0.8)
    assert ((found - ridge).norm(dim=-1) < 0.02 * ridge.norm(dim=-1)).all()
    assert ((dropout_ridge(x, y, 1.0) - ridge).norm(dim=-1) > 0.05 * ridge.norm(dim=-1)).all()


def test_alone_and_in_company():
    x, y = problem(members=3)
    together = dropout_descent(x, y, 0.5, Streams((1, 2, 3)), steps=9, averaged_from=3)
    assert torch.equal(dropout_descent(x[1:2], y[1:2], 0.5, Streams((2,)), steps=9, averaged_from=3), together[1:2])


def test_refuses():
    x, y = problem()
    with pytest.raises(UserError, match="above 0"):
        dropout_ridge(x, y, 0.0)


def test_dropout_against_ridge_in_a_short_run():
    found = {name: value.values for name, value in dropout_against_ridge(Streams((1,)), 0.8, steps=1_500).items()}
    assert found["dropout_distance"].item() < 0.03
    # About 1 / q - 1 = 0.25: with 200 points the penalty shrinks all weights by nearly the same factor.
    assert found["least_squares_distance"].item() == pytest.approx(0.25, abs=0.05)
    far = (found["dropout"] - found["ridge"]).norm() / found["ridge"].norm()
    assert found["dropout_distance"].item() == pytest.approx(far.item())
