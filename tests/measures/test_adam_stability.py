"""Oracles: the sums written out, limits, and Adam itself on the worst gradients there are."""

import math

import pytest
import torch

from ontogeny.measures.adam_stability import burst_update, gamma_for, growth_rate, update_bound
from ontogeny.streams import Streams
from ontogeny.tasks.gradient_sequences import burst, geometric, normal, worst
from ontogeny.training.k_adam import KAdam, respond

PAIRS = [(0.9, 0.999), (0.9, 0.81), (0.9, 0.75), (0.95, 0.92), (0.5, 0.9)]


@pytest.mark.parametrize(("beta", "gamma"), PAIRS)
def test_the_bound_is_cauchy_and_schwarz_written_out(beta, gamma):
    for n in (1, 2, 7, 60):
        # u = (1-b) sum b^j g_j / (1-b^n) over sqrt((1-c) sum c^j g_j^2 / (1-c^n)), with j the age of a gradient.
        total = sum((beta**2 / gamma) ** j for j in range(n))
        expected = (1 - beta) / (1 - beta**n) * math.sqrt((1 - gamma**n) / (1 - gamma) * total)
        assert update_bound(beta, gamma, n).item() == pytest.approx(expected, rel=1e-9)
    assert update_bound(beta, gamma, 1).item() == pytest.approx(1.0)


def test_the_bound_ends_inside_and_grows_outside():
    # (1 - b) / sqrt((1 - c)(1 - b^2 / c)) by hand at (0.9, 0.999): 0.1 / sqrt(0.001 * 0.189189) = 7.2703
    assert update_bound(0.9, 0.999, 200_000).item() == pytest.approx(7.2703, abs=1e-3)
    far = update_bound(0.9, 0.75, torch.tensor([400, 401]))
    assert (far[1] / far[0]).log().item() == pytest.approx(math.log(0.9) - math.log(0.75) / 2, rel=1e-9)


def test_the_rate_and_its_gamma_are_inverse():
    for kappa in (-0.05, 0.0, 0.02):
        assert growth_rate(0.9, gamma_for(0.9, kappa)).item() == pytest.approx(kappa, abs=1e-12)
    assert gamma_for(0.9, -0.05) == pytest.approx(0.895, abs=5e-4)
    assert gamma_for(0.9, 0.05) == pytest.approx(0.733, abs=5e-4)


def test_near_the_edge_no_digits_are_lost():
    n = 1_000
    at, beside = update_bound(0.9, 0.81, n), update_bound(0.9, 0.81 * (1 + 1e-13), n)
    assert at.item() == pytest.approx(math.sqrt(n * (1 - 0.81**n) / 0.19) * 0.1 / (1 - 0.9**n), rel=1e-9)
    assert beside.item() == pytest.approx(at.item(), rel=1e-9)


@pytest.mark.parametrize(("beta", "gamma"), PAIRS)
def test_adam_reaches_the_bound_on_the_worst_gradients_and_never_passes_it(beta, gamma, seed):
    n = 120
    b, c = (torch.tensor([x], dtype=torch.float64) for x in (beta, gamma))
    rule = KAdam(lr=0.0, beta=beta, gamma=gamma, eps=0.0)
    others = torch.stack([burst(n), geometric(0.9, n), geometric(1.0, n), normal(Streams((seed,)), n)[0]])[None]
    bound = update_bound(beta, gamma, torch.arange(1, n + 1))
    reached = respond(rule, worst(b, c, n)[:, None])[0, 0]
    assert (reached[-1] / bound[-1]).item() == pytest.approx(1.0, rel=1e-9)
    assert (respond(rule, others).abs() <= bound * (1 + 1e-9)).all()
    assert (reached.abs() <= bound * (1 + 1e-9)).all()


@pytest.mark.parametrize(("beta", "gamma"), PAIRS)
def test_adam_after_a_burst_is_the_closed_form(beta, gamma):
    n = 150
    updates = respond(KAdam(lr=0.0, beta=beta, gamma=gamma, eps=0.0), burst(n)[None, None])[0, 0]
    torch.testing.assert_close(updates, burst_update(beta, gamma, torch.arange(1, n + 1)), rtol=1e-9, atol=0)


def test_exchanging_the_decays_is_seen():
    """With beta and gamma exchanged, falling gradients pass the bound 13.75 times within 400 updates.

    For g = 0.9^n the mean is 0.1 n 0.9^(n-1) and the square 0.222 * 0.81^(n-1) / (1 - 0.778 / 0.81), so that
    u = 0.1 n sqrt((1 - 0.9605) / 0.222) = 16.87 at n = 400; the exchanged bound is 0.222 / sqrt(0.1 * 0.3275) = 1.2267.
    """
    n = 400
    updates = respond(KAdam(lr=0.0, beta=0.9, gamma=0.778, eps=0.0), geometric(0.9, n)[None, None])[0, 0]
    assert updates[-1].item() == pytest.approx(16.87, abs=0.01)
    share = (updates.abs() / update_bound(0.778, 0.9, torch.arange(1, n + 1))).max()
    assert share.item() == pytest.approx(16.87 / 1.2267, rel=1e-3)
