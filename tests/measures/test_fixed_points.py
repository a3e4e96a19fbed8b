"""Oracles: cubics with known zeros and minima, a bistable network, and the time a simulation takes past a ghost."""

import math

import numpy as np
import pytest
import scipy.optimize
import torch

from ontogeny.errors import UserError
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.fixed_points import (
    FieldAlong,
    FixedPoints,
    count_fixed_points,
    enclosing_grid,
    ghost,
    reduced_field,
)
from ontogeny.models.low_rank_rnn import LowRankRNN
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.delayed_activation import DelayedActivation


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def grid(reach=3.0, points=4_000):
    return torch.linspace(-reach, reach, points, dtype=torch.float64)


def test_the_field_by_numpy(seed):
    kappa, m, n, b = (normal(2, k, seed=seed + i) for i, k in enumerate((9, 5, 5, 5)))
    expected = [
        [-k + sum(n[i, u] * math.tanh(m[i, u] * k + b[i, u]) for u in range(5)) for k in kappa[i]] for i in range(2)
    ]
    np.testing.assert_allclose(reduced_field(kappa, m, n, b), np.array(expected, float), rtol=1e-12)


@pytest.mark.parametrize(
    ("field", "count"),
    [
        (lambda k: -k, 1),
        (lambda k: k - k**3, 3),
        (lambda k: 0.3 + k - k**3, 3),  # the two left zeros meet at 2 / (3 sqrt 3) = 0.385
        (lambda k: 0.4 + k - k**3, 1),
        (lambda k: 1 + 0 * k, 0),
    ],
)
def test_counts_zeros(field, count):
    assert count_fixed_points(field(grid())[None]).item() == count


def bistable(units, pull):
    """F(kappa) = -kappa + pull tanh(kappa), with outer zeros near +-pull."""
    m = torch.ones(units, dtype=torch.float64)
    return m, m * pull / units, torch.zeros_like(m)


@pytest.mark.parametrize("units", [32, 100])
def test_a_bistable_network_has_three_wherever_its_zeros_lie(units):
    # The zeros of kappa = 24 tanh kappa are 0 and +-24 (to 1e-19): beyond a fixed +-15.
    m, n, b = bistable(units, 24.0)
    kappa = enclosing_grid(n)
    assert kappa[0].item() == pytest.approx(-25)
    assert count_fixed_points(reduced_field(kappa, m, n, b)).item() == 3
    m, n, b = bistable(units, 0.9)  # below 1 only the zero at 0 is left
    assert count_fixed_points(reduced_field(enclosing_grid(n), m, n, b)).item() == 1


def test_the_count_is_that_of_a_root_finder(seed):
    m, n, b = 4 * normal(12, 6, seed=seed), normal(12, 6, seed=seed + 50), 2 * normal(12, 6, seed=seed + 90)
    counts = count_fixed_points(reduced_field(enclosing_grid(n), m, n, b))
    for i in range(12):

        def field(k, i=i):
            return reduced_field(torch.tensor([k], dtype=torch.float64), m[i], n[i], b[i]).item()

        edges = np.linspace(-1, 1, 30_001) * (1 + n[i].abs().sum().item())
        values = reduced_field(torch.tensor(edges), m[i], n[i], b[i]).numpy()
        roots = [scipy.optimize.brentq(field, edges[j], edges[j + 1]) for j in np.flatnonzero(np.diff(values > 0))]
        assert counts[i].item() == len(roots)
    assert len(set(counts.tolist())) > 1  # both kinds are among them


def test_an_even_number_of_points_is_needed():
    with pytest.raises(UserError, match="got 2001"):
        enclosing_grid(torch.ones(3), 2_001)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_ghost_of_a_saddle_node(sign):
    # F = (0.01 + 3 (k - 0.5)^2) up to a zero beyond: location 0.5, speed 0.01, |F|'' = 6.
    kappa = grid()
    field = torch.where(kappa < 1.5, 0.01 + 3 * (kappa - 0.5) ** 2, 3.01 - 4 * (kappa - 1.5))
    field = field if sign > 0 else -field.flip(-1)
    found = ghost(kappa[None], field[None], torch.tensor([-0.6 * sign], dtype=torch.float64))
    assert found.location.item() == pytest.approx(0.5 * sign, abs=1e-9)
    assert found.speed.item() == pytest.approx(0.01, abs=1e-9)
    assert found.curvature.item() == pytest.approx(6, rel=1e-6)
    assert found.passage_time.item() == pytest.approx(math.pi / math.sqrt(0.01 * 3), rel=1e-5)


def test_the_passage_time_is_what_a_trajectory_takes():
    # dk/dt = 1e-4 + k^2 from -1 to 1 takes 2 arctan(100) / 0.01: 1 - 0.64 % of pi / 0.01.
    kappa = grid(1.5)
    field = torch.where(kappa < 1, 1e-4 + kappa**2, 1.0001 - 10 * (kappa - 1))
    found = ghost(kappa[None], field[None], torch.tensor([-1.0], dtype=torch.float64))
    assert found.passage_time.item() == pytest.approx(2 * math.atan(100) / 0.01, rel=0.01)


@pytest.mark.parametrize("start", [-2.0, 2.0])
def test_no_ghost_where_the_speed_only_falls(start):
    kappa = grid()
    found = ghost(kappa[None], -kappa[None], torch.tensor([start], dtype=torch.float64))
    assert all(v.isnan().all() for v in found)


def test_a_slow_place_behind_the_start_or_beyond_the_attractor_is_no_ghost():
    kappa = grid()
    slow = 0.01 + (kappa + 1) ** 2
    field = torch.where(kappa < 1, slow, 4.01 - 40 * (kappa - 1))
    starts = torch.tensor([-2.0, 0.0], dtype=torch.float64)
    found = ghost(kappa.expand(2, -1), field.expand(2, -1), starts)
    assert found.location[0].item() == pytest.approx(-1, abs=1e-6)
    assert found.location[1].isnan()


def checkpoint(seeds, rank=1):
    task = DelayedActivation(delay=4)
    population = Population(LowRankRNN(units=33, rank=rank).build(task.shape, Streams(seeds)))
    return Checkpoint(population=population, task=task, world=None, streams=Streams(seeds), step=0)


@pytest.mark.parametrize("measure", [FixedPoints(), FieldAlong(points=11)])
def test_alone_is_in_company(measure, seed):
    seeds = tuple(range(seed, seed + 6))
    with torch.no_grad():
        together = measure(checkpoint(seeds))
        for i, s in enumerate(seeds):
            for name, alone in measure(checkpoint((s,))).items():
                assert torch.equal(alone.values[0].nan_to_num(), together[name].values[i].nan_to_num()), name


def test_the_measure_sees_the_network(seed):
    at = checkpoint((seed,))
    p = at.population.parameters()
    with torch.no_grad():
        values = FieldAlong(low=-1.0, high=1.0, points=3)(at)["field"].values
        field = reduced_field(torch.tensor([[-1.0, 0.0, 1.0]]), p["m"][:, 0], p["n"][:, 0], p["b"])
    torch.testing.assert_close(values, field)


@pytest.mark.parametrize("measure", [FixedPoints(), FieldAlong()])
def test_more_ranks_than_one_are_refused(measure):
    with pytest.raises(UserError, match="rank=1"):
        measure(checkpoint((0,), rank=2))
