"""Oracles: closed forms of ReLU and of steps, Parseval's sum, and Stein's identity for smooth activations."""

import math

import pytest
from scipy.stats import norm

from ontogeny.measures.hermite import gaussian_mean, self_induced_penalty, slope_coefficient, slope_energy


def test_gaussian_mean():
    assert gaussian_mean(lambda z: z**4) == pytest.approx(3.0, abs=1e-9)
    assert gaussian_mean(lambda z: float(z > 1), (1.0,)) == pytest.approx(norm.sf(1), abs=1e-10)


def test_relu():
    # s' is a step: mu_0 = 1/2, mu_1 = phi(0), the variance 1/4, and so a penalty of 1.
    assert slope_coefficient("relu", 0) == pytest.approx(0.5)
    assert slope_coefficient("relu", 1) == pytest.approx(1 / math.sqrt(2 * math.pi))
    assert slope_coefficient("relu", 2) == pytest.approx(0.0, abs=1e-9)
    assert slope_coefficient("relu", 3) == pytest.approx(-1 / math.sqrt(2 * math.pi) / math.sqrt(6))  # E He_3 over 0
    assert slope_energy("relu") == pytest.approx(0.25)
    assert slope_energy("relu", least=2) == pytest.approx(0.25 - 1 / (2 * math.pi))
    assert self_induced_penalty("relu") == pytest.approx(1.0)
    assert self_induced_penalty("relu", 0.1) == pytest.approx(1.4)


def test_shifted_relu():
    share = norm.sf(0.5)
    assert self_induced_penalty("shifted_relu") == pytest.approx(share * (1 - share) / share**2)


@pytest.mark.parametrize(("name", "gamma"), [("tanh", 0.2658), ("gelu", 0.8234)])
def test_smooth(name, gamma):
    assert self_induced_penalty(name) == pytest.approx(gamma, abs=1e-4)
    assert slope_energy(name, least=9) == pytest.approx(0.0, abs=0.02)  # Parseval: little is left past degree 8
    assert slope_energy(name, least=9) > -1e-9


def test_linear_has_none():
    assert slope_energy("linear") == pytest.approx(0.0, abs=1e-12)
    assert slope_coefficient("linear", 0) == pytest.approx(1.0)
