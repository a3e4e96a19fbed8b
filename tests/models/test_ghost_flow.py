"""Oracles: closed forms against simulation, and the theorem that collapse needs a rate above the critical one."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.ghost_flow import (
    GhostFlow,
    best_drive,
    critical_rate,
    dead_drive,
    descend,
    descent_time,
    position,
    simulate,
    switch_time,
)
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape
from ontogeny.training.wrong_time import WrongTime


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_a_fine_simulation_follows_the_closed_form():
    # sqrt(r) t = 1 at the end: x = sqrt(r) tan 1, before the escape at pi/2.
    drive, dt = numbers(0.01, 0.04), 1e-5
    x = simulate(drive, 50_000, dt)
    t = numbers(0.1, 0.3, 0.5)
    for time in t:
        torch.testing.assert_close(x[round(time.item() / dt)], position(drive, time.expand(2)), rtol=1e-4, atol=0)


def test_a_simulated_state_passes_a_finite_threshold_when_it_should():
    drive, dt = numbers(0.3, 1.0, 4.0), 1e-4
    passed = (simulate(drive, 60_000, dt) > 3.0).int().argmax(0).double() * dt
    torch.testing.assert_close(passed, switch_time(drive, 3.0), rtol=2e-3, atol=0)


def test_switch_times_by_hand():
    # r = 1/4: pi / (2 * 1/2) = pi. Threshold 1/2 with sqrt(r) = 1/2: arctan(1) / (1/2) = pi/2.
    assert switch_time(numbers(0.25)).item() == pytest.approx(math.pi, rel=1e-14)
    assert switch_time(numbers(0.25), 0.5).item() == pytest.approx(math.pi / 2, rel=1e-14)


def test_without_drive_it_never_switches():
    assert switch_time(numbers(0.0, -1.0)).tolist() == [math.inf, math.inf]
    assert switch_time(numbers(0.0, -1.0), 3.0).tolist() == [math.inf, math.inf]
    # r = -1 rests at the stable fixed point x = -1.
    assert simulate(numbers(-1.0), 2_000, 0.01)[-1].item() == pytest.approx(-1, abs=1e-6)


def test_after_the_escape_there_is_no_position():
    assert position(numbers(1.0), numbers(1.6)).isnan().all()  # it escapes at pi/2 = 1.57


def test_a_simulated_state_is_stopped():
    assert simulate(numbers(1.0), 200, 0.1)[-1].item() == 1e6


def test_the_best_drive_switches_at_the_delay_and_the_dead_one_at_twice_the_delay():
    for delay in (1.0, 7.0, 100.0):
        assert switch_time(numbers(best_drive(delay))).item() == pytest.approx(delay, rel=1e-13)
        assert switch_time(numbers(dead_drive(delay))).item() == pytest.approx(2 * delay, rel=1e-13)


@pytest.mark.parametrize("delay", [7.0, 40.0])
def test_the_longest_step_ends_in_the_dead_zone_just_above_the_critical_rate(delay):
    # At r_opt the gradient is pi / (4 r_opt^1.5), by hand 2 T^3 / pi^2.
    best, dead = best_drive(delay), dead_drive(delay)
    step = math.pi / (4 * best**1.5)
    assert step == pytest.approx(2 * delay**3 / math.pi**2, rel=1e-13)
    assert best - 0.999 * critical_rate(delay) * step > dead
    assert best - 1.001 * critical_rate(delay) * step < dead


@pytest.mark.parametrize("normalised", [False, True])
def test_collapse_needs_a_rate_above_the_critical_one(normalised, seed):
    delay = numbers(7.0, 40.0)[:, None, None].expand(2, 2, 64)
    rate = numbers(0.97, 1.03)[None, :, None] * critical_rate(delay)
    rate = rate * delay if normalised else rate  # of a loss divided by T
    generator = torch.Generator().manual_seed(seed)
    start = (1 + 19 * torch.rand(2, 2, 64, generator=generator, dtype=torch.float64)) * best_drive(delay)
    end = descend(start, delay, rate, 2_000, normalised=normalised)
    dead = end <= dead_drive(delay)
    assert not dead[:, 0].any()
    assert dead[:, 1].all()


def test_descent_follows_the_gradient_of_the_wrong_time(seed):
    delay, rate = 3.0, 0.4 * critical_rate(3.0)
    drive = (torch.rand(20, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 6) * best_drive(delay)
    by_autograd = drive.clone()
    for _ in range(30):
        outputs = by_autograd.clone()[:, None, None].requires_grad_()
        targets = torch.full_like(outputs, delay).detach()
        (slope,) = torch.autograd.grad(WrongTime()(outputs, Batch(inputs=targets, targets=targets)).sum(), outputs)
        by_autograd = by_autograd - rate * slope[:, 0, 0]
    shape = torch.ones_like(drive)
    torch.testing.assert_close(descend(drive, delay * shape, rate * shape, 30), by_autograd, rtol=1e-9, atol=1e-12)


def test_descent_time_solves_the_gradient_flow():
    # dr/du = -rate pi / (4 r^1.5): d(descent_time)/dr_0 must be 4 r_0^1.5 / (pi rate), and 0 at r_opt.
    delay, rate = 5.0, 1e-6
    start = numbers(1.3).requires_grad_()
    (slope,) = torch.autograd.grad(descent_time(start, delay, rate), start)
    assert slope.item() == pytest.approx(4 * 1.3**1.5 / (math.pi * rate), rel=1e-12)
    assert descent_time(best_drive(delay), delay, rate) == 0
    # r_0 = 10 r_opt, T = 100, rate 1e-11: 15353.0 updates
    assert descent_time(10 * best_drive(100.0), 100.0, 1e-11) == pytest.approx(15353.0, abs=0.05)


def test_starts_lie_between_the_multiples_of_each_members_best():
    count = 400
    models = [GhostFlow(delay=float(1 + s % 3), low=2.0, high=4.0) for s in range(count)]
    shape = Shape(outputs=1, features=0)
    network = stack(models).build(shape, Streams(tuple(range(count))))
    multiples = network.drive[:, 0] / numbers(*(best_drive(m.delay) for m in models))
    assert network.drive.dtype == torch.float64
    assert multiples.min() >= 2.0
    assert multiples.max() <= 4.0
    # Uniform on (2, 4): mean 3 with a standard error of 0.577 / 20.
    assert multiples.mean().item() == pytest.approx(3, abs=0.1)
    assert network(torch.zeros(count, 2, 0)).shape == (count, 2, 1)


def test_a_task_with_inputs_is_refused():
    with pytest.raises(UserError, match="use DelayedSwitch"):
        GhostFlow(delay=2.0).build(Shape(outputs=1, features=1), Streams((0,)))


def test_starts_are_positive():
    with pytest.raises(UserError, match="low=0"):
        GhostFlow(delay=2.0, low=0.0)
