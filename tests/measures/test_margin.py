"""Oracles: margins by hand, scikit-learn's support vector machine, and invariance to copies."""

import math

import pytest
import torch
from sklearn.svm import SVC

from ontogeny.measures.margin import largest_margin, largest_margin_direction, margin


def test_by_hand():
    z = torch.tensor([[[3.0, 0.0], [0.0, 4.0]], [[1.0, 0.0], [-1.0, 0.0]]])
    theta = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    assert margin(z, theta).tolist() == [0.0, 0.0]
    assert margin(z, torch.tensor([[1.0, 1.0], [3.0, 4.0]])).tolist() == pytest.approx([3 / math.sqrt(2), -0.6])
    assert margin(z[:1], torch.zeros(1, 2)).isnan().all()
    # The line through (3, 0) and (0, 4) is 12 / 5 away from 0; opposite points have no margin.
    assert largest_margin(z[0]) == pytest.approx(2.4)
    assert largest_margin(z[1]) == 0.0


def test_it_is_that_of_the_support_vector_machine(seed):
    g = torch.Generator().manual_seed(seed)
    theta = torch.randn(6, generator=g, dtype=torch.float64)
    x = torch.randn(30, 6, generator=g, dtype=torch.float64)
    y = torch.sign(x @ theta)
    found = largest_margin(y[:, None] * x)
    # A machine without intercept: each point and its opposite, with opposite labels.
    both, labels = torch.cat([x, -x]).numpy(), torch.cat([y, -y]).numpy()
    machine = SVC(kernel="linear", C=1e9, tol=1e-9).fit(both, labels)
    weights = torch.tensor(machine.coef_[0])
    assert found == pytest.approx(float(margin(y[:, None] * x, weights)), rel=1e-5)
    assert found == pytest.approx(1 / float(weights.norm()), rel=1e-5)


def test_copies_change_nothing_and_scale_scales(seed):
    z = torch.randn(20, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.5
    once = largest_margin(z)
    assert once > 0
    assert largest_margin(torch.cat([z, z[:7]])) == pytest.approx(once, rel=1e-9)
    assert largest_margin(3 * z) == pytest.approx(3 * once, rel=1e-9)


def test_points_around_zero_have_no_margin(seed):
    z = torch.randn(200, 4, generator=torch.Generator().manual_seed(seed))
    assert largest_margin(z) == 0.0


def test_the_direction_is_that_of_the_support_vector_machine(seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(30, 6, generator=g, dtype=torch.float64)
    y = torch.sign(x @ torch.randn(6, generator=g, dtype=torch.float64))
    z = y[:, None] * x
    found = largest_margin_direction(z)
    assert found.norm().item() == pytest.approx(1.0)
    assert margin(z, found).item() == pytest.approx(largest_margin(z), rel=1e-9)
    machine = SVC(kernel="linear", C=1e9, tol=1e-9).fit(torch.cat([x, -x]).numpy(), torch.cat([y, -y]).numpy())
    weights = torch.tensor(machine.coef_[0].copy())
    torch.testing.assert_close(found, weights / weights.norm(), atol=1e-5, rtol=1e-5)
    assert largest_margin_direction(torch.cat([z, -z])).isnan().all()
