"""Oracles: autograd for slopes, features and kernel; many neurons for the infinite kernel; exact linearity."""

import math

import pytest
import torch

from ontogeny.measures.empirical_kernel import empirical_kernel
from ontogeny.models.two_layer import (
    SLOPED,
    infinite_relu_kernel,
    lazy_network,
    linearised_network,
    tangent_features,
    tangent_kernel,
    unit_neurons,
)
from ontogeny.streams import Streams
from ontogeny.tasks.isotropic_regression import IsotropicRegression

SIGNS = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, -1.0], dtype=torch.float64)


def points(n=8, d=5):
    return IsotropicRegression(dimensions=d).draw(Streams((2,)), "points", n).x


def neurons(n=6, d=5):
    return unit_neurons(Streams((2,)), n, d)


@pytest.mark.parametrize("name", SLOPED)
def test_slopes_are_derivatives(name):
    z = torch.linspace(-3, 3, 26, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(SLOPED[name].value(z).sum(), z)
    torch.testing.assert_close(SLOPED[name].slope(z.detach()), slope)


def test_neurons_are_unit_and_nested():
    w = neurons()
    torch.testing.assert_close(w.norm(dim=-1), torch.ones(6, dtype=torch.float64))
    assert torch.equal(unit_neurons(Streams((2,)), 4, 5), w[:4])


@pytest.mark.parametrize("name", SLOPED)
@pytest.mark.parametrize("make", [lazy_network, linearised_network])
def test_features_are_the_jacobian_at_the_start(name, make):
    x, w = points(), neurons()
    network = make(w, SIGNS, 3.0, name)
    assert network(w, x).abs().max() == 0
    jacobian = torch.func.jacrev(lambda at: network(at, x))(w)  # [point, neuron, dimension]
    expected = 3.0 * SIGNS[:, None] * tangent_features(x, w, name).view(8, 6, 5)
    torch.testing.assert_close(jacobian, expected)


@pytest.mark.parametrize("name", SLOPED)
def test_kernel_is_the_product_of_features_and_of_gradients(name):
    x, w = points(), neurons()
    features = tangent_features(x, w, name)
    torch.testing.assert_close(tangent_kernel(x, x[:3], w, name), features @ features[:3].T)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(w.clone())

        def forward(self, x):
            return lazy_network(w, SIGNS, 1.0, name)(self.w, x)

    torch.testing.assert_close(empirical_kernel(Net(), x), features @ features.T)


def test_linearised_network_is_linear_and_tangent():
    x, w = points(), neurons()
    move = torch.linspace(-1, 1, w.numel(), dtype=torch.float64).view_as(w)
    straight, true = (make(w, SIGNS, 2.0, "tanh") for make in (linearised_network, lazy_network))
    torch.testing.assert_close(straight(w + 3 * move, x), 3 * straight(w + move, x))
    small = 1e-4 * move
    apart = (straight(w + small, x) - true(w + small, x)).abs().max()
    assert apart < 1e-3 * straight(w + small, x).abs().max()


def test_infinite_kernel():
    # A point with itself: E 1(z > 0) = 1/2. Orthogonal points: 0. Opposite ones are never active together: 0.
    root = 2**0.5
    x = torch.tensor([[root, 0.0], [0.0, root], [-root, 0.0]], dtype=torch.float64)
    expected = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5]], dtype=torch.float64)
    torch.testing.assert_close(infinite_relu_kernel(x, x), expected)
    x, many = points(), unit_neurons(Streams((5,)), 200_000, 5)
    apart = (tangent_kernel(x, x, many, "relu") - infinite_relu_kernel(x, x)).abs().max()
    assert apart < 4 * 0.5 / math.sqrt(200_000)  # a mean of bits, each entry scaled by |cos| <= 1
