"""Oracles: flows with a closed form: to a point, of a normal to a normal, and to one of two points by their signs."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.flow_sampler import flow_samples


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("steps", [1, 5, 16])
def test_to_the_point_that_the_condition_names(seed, steps):
    noise, told = normal(3, 7, 2, seed=seed), normal(3, 7, 2, seed=seed + 1)
    found = flow_samples(lambda x: x[..., 3:], noise, told, steps)
    torch.testing.assert_close(found, told)


def test_times_and_sides_are_in_their_places(seed):
    noise, told = normal(3, 7, 2, seed=seed), normal(3, 7, 4, seed=seed + 1)
    seen = []

    def network(inputs):
        seen.append(inputs)
        return inputs[..., :2]  # stays where it is

    assert torch.equal(flow_samples(network, noise, told, 4), noise)
    for i, inputs in enumerate(seen):
        assert (inputs[..., 2] == i / 4).all()
        assert torch.equal(inputs[..., :2], noise)
        assert torch.equal(inputs[..., 3:], told)


def test_a_normal_is_carried_to_a_normal(seed):
    # Data N(m, s^2): E[x | x_t] = m + t s^2 (x_t - t m) / (t^2 s^2 + (1 - t)^2), and the flow carries z to m + s z
    # exactly, as everything is normal. Euler's error falls in proportion to the step.
    m, s = 1.5, 0.5
    noise = normal(400, 1, seed=seed)
    told = torch.zeros(400, 1, dtype=torch.float64)

    def network(inputs):
        x, t, _ = inputs.split(1, -1)
        return m + t * s**2 * (x - t * m) / (t**2 * s**2 + (1 - t) ** 2)

    errors = [(flow_samples(network, noise, told, k) - (m + s * noise)).abs().max().item() for k in (40, 80, 160)]
    assert errors[2] < 0.02
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.2)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.2)


def test_a_sign_decides_between_two_points(seed):
    # Of data -1 and 1 the mean is tanh(t x_t / (1 - t)^2): odd, so that each noise ends at the point on its side.
    noise = normal(500, 1, seed=seed)

    def network(inputs):
        x, t, _ = inputs.split(1, -1)
        return torch.tanh(t * x / (1 - t) ** 2)

    found = flow_samples(network, noise, torch.zeros(500, 1, dtype=torch.float64), 64)
    clear = noise.abs() > 0.05
    assert torch.equal(found[clear].sign(), noise[clear].sign())
    assert (found[clear].abs() - 1).abs().median() < 1e-3


def test_no_steps_are_refused():
    with pytest.raises(UserError, match="1 step or more, got 0"):
        flow_samples(lambda x: x, torch.zeros(1, 2), torch.zeros(1, 1), 0)
