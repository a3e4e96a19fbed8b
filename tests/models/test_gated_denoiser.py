"""Oracles: the formula member by member in torch.nn's words, hand-made waves, and each member alone."""

import math

import pytest
import torch
import torch.nn.functional as F

from ontogeny.errors import UserError
from ontogeny.models.gated_denoiser import GatedDenoiser, waves
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_sum
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SHAPE = Shape(features=5 + 1 + 3, outputs=5)
SEEDS = (40, 41, 42, 43)


def grown(seeds=SEEDS, **fields):
    population = Population(GatedDenoiser(hidden=12, **fields).build(SHAPE, Streams(seeds)))
    population.flat += 0.1 * Streams(seeds).normal("shake", (population.flat.shape[1],))  # biases start at 0
    return population


def inputs(samples=7):
    return Streams(SEEDS).normal("inputs", (samples, 9))


def plain(p, x):
    """One member, as one would write it."""
    data, t, c = x[:, :5], x[:, 5:6], x[:, 6:]
    time = torch.cat([f(t * 2**k * math.pi / 4) for f in (torch.sin, torch.cos) for k in range(8)], -1)

    def layer(name, i, h):
        pre = h @ p[f"{name}.weight"] + p[f"{name}.bias"] + c @ p[f"shifts.{i}.weight"]
        return F.silu(pre * (1 + c @ p[f"gates.{i}.weight"]))

    h = layer("first", 0, torch.cat([data, time], -1))
    h = h + layer("second", 1, h)
    return h @ p["output.weight"] + p["output.bias"]


def test_the_formula_and_its_gradients():
    population, x = grown(), inputs()
    outputs = population(x)
    population.backward(member_sum(outputs.square()))
    for i in range(4):
        own = {n: v[i].detach().clone().requires_grad_() for n, v in population.parameters().items()}
        expected = plain(own, x[i])
        torch.testing.assert_close(outputs[i], expected, rtol=1e-4, atol=1e-5)
        expected.square().sum().backward()
        for name, value in population.views(population.gradient).items():
            torch.testing.assert_close(value[i], own[name].grad, rtol=1e-3, atol=1e-4)


def test_waves_by_hand():
    found = waves(torch.tensor([1.0]))
    # pi / 4, pi / 2, pi, 2 pi, ... and their cosines.
    assert found.tolist() == pytest.approx([0.5**0.5, 1, *[0] * 6, 0.5**0.5, 0, -1, *[1] * 5], abs=1e-4)


def test_initial_deviations():
    network = GatedDenoiser(hidden=400).build(Shape(features=90 + 1 + 9, outputs=90), Streams((1,)))
    for name, deviation in (
        ("first", (90 + 16) ** -0.5),
        ("second", 400**-0.5),
        ("shifts.1", 1 / 3),
        ("gates.0", 1 / 6),
    ):
        weight = network.get_parameter(f"{name}.weight")
        assert weight.std().item() == pytest.approx(deviation, rel=0.05)


def test_a_members_scale_is_its_own():
    scales = torch.tensor([1.0, 0.1], dtype=torch.float64)
    two = Population(GatedDenoiser(hidden=12, init_scale=scales).build(SHAPE, Streams((5, 5))))
    one = Population(GatedDenoiser(hidden=12, init_scale=0.1).build(SHAPE, Streams((5,))))
    assert torch.equal(two.flat[1:], one.flat)
    torch.testing.assert_close(two.flat[1], 0.1 * two.flat[0])


@pytest.mark.parametrize("samples", [1, 7])
def test_alone_as_in_company(samples):
    x = inputs(samples)
    together = grown()
    outputs = together(x)
    together.backward(member_sum(outputs.square()))
    for few in (slice(2, 3), slice(1, 3)):
        alone = grown(SEEDS[few])
        mine = alone(x[few])
        alone.backward(member_sum(mine.square()))
        assert torch.equal(mine, outputs[few])
        assert torch.equal(alone.gradient, together.gradient[few])


def test_sites_are_the_hidden_layers():
    population, x = grown(), inputs()
    outputs, seen = population.record(x, ("hook_first", "hook_second"))
    assert [tuple(h.shape) for h in seen.values()] == [(4, 7, 12)] * 2
    p = {n: v[0] for n, v in population.parameters().items()}
    torch.testing.assert_close(outputs[0], seen["hook_second"][0] @ p["output.weight"] + p["output.bias"])


@pytest.mark.parametrize("shape", [Shape(vocabulary=3, outputs=3), Shape(features=6, outputs=5)])
def test_other_tasks_are_refused(shape):
    with pytest.raises(UserError, match="use FlowMatching"):
        GatedDenoiser().build(shape, Streams((0,)))


def test_no_units_are_refused():
    with pytest.raises(UserError, match="1 or more, got 0"):
        GatedDenoiser(hidden=0)
