"""Oracles: gradients taken one by one, a linear map by hand, and cosines of known kernels."""

import pytest
import torch
from torch import nn

from ontogeny.measures.empirical_kernel import empirical_kernel, kernel_alignment, kernel_drift
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


def test_a_linear_map_by_hand():
    # f_o(x) = w_o . x + b_o: each of 3 outputs has the gradient (x, 1), so K = 3 (x . x' + 1).
    x = torch.tensor([[1.0, 2.0], [0.0, -1.0]])
    expected = 3 * (x @ x.T + 1)
    torch.testing.assert_close(empirical_kernel(nn.Linear(2, 3), x), expected)
    torch.testing.assert_close(empirical_kernel(nn.Linear(2, 3), x, chunk=1), expected)


def test_a_member_against_gradients_one_by_one():
    population = Population(MLP(layers=3, width=7).build(Shape(features=4, outputs=2), Streams((0, 1))))
    module, x = population.member(1), torch.linspace(-1, 1, 20).view(5, 4)
    rows = []
    for o in range(2):
        for i in range(5):
            slopes = torch.autograd.grad(module(x)[i, o], list(module.parameters()))
            rows.append(torch.cat([s.flatten() for s in slopes]))
    table = torch.stack(rows).view(2, 5, -1)
    torch.testing.assert_close(empirical_kernel(module, x), sum(t @ t.T for t in table), atol=1e-5, rtol=1e-4)


def test_frozen_parameters_do_not_count():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    module[0].requires_grad_(False)
    x = torch.ones(1, 2)
    hidden = module[0](x)
    torch.testing.assert_close(empirical_kernel(module, x), (hidden @ hidden.T + 1).detach())


def test_alignment_and_drift():
    y = torch.tensor([1.0, -1.0])
    assert kernel_alignment(torch.outer(y, y), y).item() == pytest.approx(1.0)
    assert kernel_alignment(torch.eye(2), y).item() == pytest.approx(0.5**0.5)
    assert kernel_drift(torch.eye(2), 5 * torch.eye(2)).item() == pytest.approx(0.0, abs=1e-6)
    assert kernel_drift(torch.diag(y.clamp_min(0)), torch.diag((-y).clamp_min(0))).item() == pytest.approx(1.0)
    assert kernel_drift(torch.zeros(2, 2), torch.eye(2)).isnan()
