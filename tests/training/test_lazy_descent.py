"""Oracles: the linear network's closed form, and that a larger scale is lazier."""

import pytest
import torch

from ontogeny.measures.kernel_ridge import kernel_ridge
from ontogeny.models.two_layer import linearised_network, tangent_kernel, unit_neurons
from ontogeny.streams import Streams
from ontogeny.tasks.isotropic_regression import IsotropicRegression
from ontogeny.training.lazy_descent import lazy_descent, train_lazily


def test_a_linear_network_follows_its_kernel():
    # Residuals after t updates are (I - rate alpha^2 K)^t of those at the start, which are -y.
    x, y, _ = IsotropicRegression(dimensions=6).draw(Streams((1,)), "points", 8)
    w = unit_neurons(Streams((1,)), 30, 6)
    network = linearised_network(w, torch.ones(30, dtype=torch.float64), 2.0, "relu")
    kernel = tangent_kernel(x, x, w, "relu")
    ended = lazy_descent(network, w, x, y, rate=0.1, most=7)
    left = -torch.linalg.matrix_power(torch.eye(8, dtype=torch.float64) - 0.4 * kernel, 7) @ y
    torch.testing.assert_close(network(ended.weights, x) - y, left)
    assert ended.updates == 7
    assert ended.loss == pytest.approx(left.square().mean().item())
    far = lazy_descent(network, w, x, y, rate=0.25 / float(torch.linalg.eigvalsh(kernel)[-1]), until=1e-16)
    interpolant = tangent_kernel(x[:3] * 0.5, x, w, "relu") @ kernel_ridge(kernel, y)
    torch.testing.assert_close(network(far.weights, x[:3] * 0.5), interpolant, atol=1e-5, rtol=1e-5)


def test_it_ends_when_the_loss_explodes():
    x, y, _ = IsotropicRegression(dimensions=6).draw(Streams((1,)), "points", 8)
    w = unit_neurons(Streams((1,)), 30, 6)
    network = linearised_network(w, torch.ones(30, dtype=torch.float64), 1.0, "relu")
    ended = lazy_descent(network, w, x, y, rate=1e200, most=100)
    assert ended.updates < 10


def test_a_larger_scale_is_lazier():
    def at(network, alpha):
        found = train_lazily(
            Streams((1,)), network=network, alpha=alpha, dimensions=10, noise=0.5, neurons=100, tested=50
        )
        return {name: value.values.item() for name, value in found.items()}

    wild, lazy, straight = at("lazy", 1.0), at("lazy", 100.0), at("linearised", 1.0)
    assert wild["loss"] < 1e-4
    assert lazy["moved"] == pytest.approx(wild["moved"] / 100, rel=0.3)
    assert lazy["gap"] < wild["gap"] / 3
    assert straight["gap"] < 0.05
