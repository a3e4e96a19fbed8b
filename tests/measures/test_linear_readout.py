"""Oracles: scikit-learn's ridge and support vector machine, values by hand, and simulated accuracy."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.svm import SVC

from ontogeny.errors import UserError
from ontogeny.measures.linear_readout import gaussian_accuracy, max_margin, mean_difference, ridge, to_unit_scale


def samples(seed, count, size, sets=3):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 2, (sets, count), generator=generator).double() * 2 - 1
    z = torch.randn(sets, count, size, generator=generator, dtype=torch.float64)
    z[..., 0] += y
    return z, y


def test_mean_difference_by_hand():
    z = torch.tensor([[1.0, 2.0], [3.0, -2.0], [0.0, 1.0]])
    # (1, 2) - (3, -2) + (0, 1) = (-2, 5), over 3
    torch.testing.assert_close(mean_difference(z, torch.tensor([1.0, -1.0, 1.0])), torch.tensor([-2 / 3, 5 / 3]))


@pytest.mark.parametrize("penalty", [0.0, 0.1, 10.0])
def test_ridge_is_sklearns(penalty, seed):
    z, y = samples(seed, 30, 5)
    found = ridge(z, y, penalty)
    for i in range(3):
        expected = Ridge(alpha=30 * penalty, fit_intercept=False).fit(z[i].numpy(), y[i].numpy()).coef_
        np.testing.assert_allclose(found[i], expected, rtol=1e-6, atol=1e-9)


def test_the_largest_margin_is_that_of_a_support_vector_machine(seed):
    # Through the origin: each sample also with its mirror image, of the other class, so the intercept is 0.
    z, y = samples(seed, 6, 10)
    found = max_margin(z, y)
    for i in range(3):
        both, labels = np.concatenate([z[i], -z[i]]), np.concatenate([y[i], -y[i]])
        expected = SVC(kernel="linear", C=1e8, tol=1e-8).fit(both, labels).coef_[0]
        np.testing.assert_allclose(found[i], expected, rtol=1e-3, atol=1e-4)
        margins = (y[i][:, None] * z[i] @ found[i][:, None])[:, 0]
        assert margins.min().item() == pytest.approx(1.0, abs=1e-7)
    torch.testing.assert_close(max_margin(z[0], y[0]), found[0])


def test_the_largest_margin_by_hand():
    # w (1, 0) >= 1 and w (1, 2) >= 1: the shortest is (1, 0), which the second meets with equality as well.
    z = torch.tensor([[[1.0, 0.0], [-1.0, -2.0]]])
    torch.testing.assert_close(max_margin(z, torch.tensor([[1.0, -1.0]])), torch.tensor([[1.0, 0.0]]))


def test_classes_that_cannot_be_separated_have_no_margin():
    z = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]])
    found = max_margin(z, torch.tensor([[1.0, -1.0], [1.0, 1.0]]))
    assert found[0].isnan().all()
    assert found[1].tolist() == pytest.approx([1.0, 0.0])


def test_scale_is_one_number_a_set():
    z = torch.tensor([[[3.0, 0.0], [0.0, 4.0]]])
    torch.testing.assert_close(to_unit_scale(z), z / math.sqrt(25 / 4))


def test_the_accuracy_of_a_direction_is_that_of_samples(seed):
    z, y = samples(seed, 40_000, 3, sets=1)  # signal 1 on the first axis
    w = torch.tensor([[1.0, 0.5, -0.2]], dtype=torch.float64)
    right = ((z @ w[0]) * y > 0).double().mean().item()
    exact = gaussian_accuracy(w, torch.ones(1, dtype=torch.float64)).item()
    assert abs(right - exact) < 4 * 0.5 / 200
    assert gaussian_accuracy(torch.tensor([5.0, 0.0]), torch.tensor(2.0)).item() == pytest.approx(0.97725, abs=1e-5)
    assert gaussian_accuracy(torch.zeros(2), torch.tensor(2.0)).isnan()


def test_too_few_samples_need_a_penalty():
    with pytest.raises(UserError, match="penalty above 0 for 3 samples of 5"):
        ridge(*samples(0, 3, 5), 0.0)
