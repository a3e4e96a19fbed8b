"""Oracles: the paper's gradients, values by hand, and a sum over time."""

import math

import pytest
import torch

from ontogeny.models.ghost_flow import best_drive, critical_rate
from ontogeny.tasks.contract import Batch
from ontogeny.training.wrong_time import QuadraticDrive, WrongSteps, WrongTime


def value_and_slope(objective, drive, delay):
    outputs = torch.as_tensor(drive, dtype=torch.float64).view(-1, 1, 1).clone().requires_grad_()
    targets = torch.full_like(outputs, delay)
    loss = objective(outputs, Batch(inputs=targets.detach(), targets=targets.detach()))
    (slope,) = torch.autograd.grad(loss.sum(), outputs)
    return loss.detach(), slope[:, 0, 0]


def test_the_papers_gradient_of_the_wrong_time():
    # T = 2: r_opt = pi^2 / 16 = 0.617, r_nl = 0.154.
    drive = torch.tensor([2.0, 0.7, 0.6, 0.2, 0.15, 0.0, -1.0], dtype=torch.float64)
    loss, slope = value_and_slope(WrongTime(), drive, 2.0)
    size = math.pi / (4 * drive**1.5)
    expected = torch.stack([size[0], size[1], -size[2], -size[3], *torch.zeros(3, dtype=torch.float64)])
    torch.testing.assert_close(slope, expected, rtol=1e-12, atol=0)
    assert loss[-3:].tolist() == [2.0, 2.0, 2.0]  # exactly T in the dead zone
    assert loss[0].item() == pytest.approx(2 - math.pi / (2 * math.sqrt(2)), rel=1e-12)
    assert loss[3].item() == pytest.approx(math.pi / (2 * math.sqrt(0.2)) - 2, rel=1e-12)


def test_the_wrong_time_is_the_time_a_simulation_is_wrong_for():
    # A Riemann sum over [0, 2T] of |output - target|, output 1 after t*.
    delay, drive = 3.0, 0.2
    time = (torch.arange(60_000, dtype=torch.float64) + 0.5) * 1e-4
    wrong = ((time > math.pi / (2 * math.sqrt(drive))) != (time > delay)).sum() * 1e-4
    assert value_and_slope(WrongTime(), drive, delay)[0].item() == pytest.approx(wrong.item(), abs=2e-4)


def test_the_quadratic_loss_contracts_by_the_card():
    # One update multiplies r / r_opt - 1 by 1 - 1.5 alpha / alpha_c.
    delay, start = 5.0, 3.0
    best = best_drive(delay)
    _, slope = value_and_slope(QuadraticDrive(), start * best, delay)
    after = (start * best - 0.95 * critical_rate(delay) * slope.item()) / best
    assert (after - 1) / (start - 1) == pytest.approx(1 - 1.5 * 0.95, rel=1e-12)


def test_wrong_steps_of_a_silent_and_of_a_half_right_network():
    targets = torch.tensor([0.0, 0, 1, 1]).view(1, 1, 4, 1).repeat(3, 1, 1, 1)
    outputs = torch.tensor([[0.0, 0, 0, 0], [0, 1, 1, 1], [0.5, 0.5, 0.5, 0.5]]).view(3, 1, 4, 1)
    # silent: 2 wrong steps of 2 active ones; one step early: 1/2; undecided: 4 * 1/4 / 2
    loss = WrongSteps()(outputs, Batch(inputs=targets, targets=targets))
    assert loss.tolist() == [1.0, 0.5, 0.5]
