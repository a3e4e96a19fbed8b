"""Oracles: the formula by hand and by simulation, maps that cannot matter, and the law."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.downstream_change import INVARIANT, DownstreamChange, expected_accuracy
from ontogeny.models.population import Population
from ontogeny.models.projector import Projector
from ontogeny.streams import Streams
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.tasks.two_gaussian_views import TwoGaussianViews


def phi(x):
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


@pytest.mark.parametrize(
    ("gain", "inside"),
    [(1.0, 1 + 32 / 64), (0.5, 1 + 8), (2.0, 1 + 1 / 32)],  # 1 + p / (n mu^2 R^4) with p = 32, n = 16, mu = 2
)
def test_the_formula_by_hand(gain, inside):
    found = expected_accuracy(torch.tensor(gain), torch.tensor(2.0), 16, 32)
    assert found.item() == pytest.approx(phi(2 / math.sqrt(inside)), abs=1e-6)


def measured(weights, seeds, task=TwoGaussianViews(), **fields):
    network = Projector().build(task.shape, Streams(seeds))
    network.weight.data.copy_(weights)
    at = Checkpoint(population=Population(network.double()), task=task, world=None, streams=Streams(seeds), step=0)
    found = DownstreamChange(**fields)(at)
    labels = found["accuracy_change"].coords["probe"]
    return {name: {label: values.values[:, i] for i, label in enumerate(labels)} for name, values in found.items()}


def diagonal(gain, size=32):
    return torch.diag(torch.tensor([gain] + [1.0] * (size - 1)))


def test_planted_gains_change_accuracy_as_the_formula_says():
    seeds = (1, 2, 3, 4)
    for gain in (0.5, 2.0):
        found = measured(diagonal(gain).expand(4, -1, -1), seeds, draws=100)
        expected = expected_accuracy(torch.tensor(gain), torch.tensor(2.0), 16, 32) - phi(2 / math.sqrt(1.5))
        # 400 draws with a deviation of about 0.05 before the projector
        assert found["accuracy_change"]["mean difference"].mean().item() == pytest.approx(expected.item(), abs=0.012)
        assert found["accuracy_before"]["mean difference"].mean().item() == pytest.approx(0.949, abs=0.01)


def test_the_sign_of_the_change_is_that_of_the_gain_and_least_squares_sees_none():
    weights = torch.stack([diagonal(g) for g in (0.5, 1.0, 2.0)])
    change = measured(weights, (5, 5, 5))["accuracy_change"]
    for probe in ("mean difference", "ridge", "max margin"):
        low, same, high = change[probe].tolist()
        assert low < -0.01 < 0.01 < high, probe
        assert same == pytest.approx(0.0, abs=1e-12)
    assert change[INVARIANT].abs().max() < 1e-9


def test_rotations_change_nothing(seed):
    q = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(seed))).Q
    found = measured(3.0 * q[None], (seed,), TwoGaussianViews(dimensions=8), labelled=4)
    for change in found["accuracy_change"].values():
        assert change.abs().max() < 1e-6


def test_alone_as_in_company():
    weights = torch.stack([diagonal(g, 8) for g in (0.5, 1.5, 3.0)])
    weights += 0.1 * torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))
    task = TwoGaussianViews(dimensions=8)
    together = measured(weights, (7, 8, 9), task, labelled=6)
    alone = measured(weights[1:2], (8,), task, labelled=6)
    for name, values in together.items():
        for probe, found in values.items():
            assert torch.equal(found[1:2], alone[name][probe]), probe


def test_tasks_without_a_signal_are_refused():
    with pytest.raises(UserError, match="LinearTeacher has no signal"):
        measured(torch.eye(2), (1,), LinearTeacher(strengths=(1.0,), inputs=2, outputs=2))
    with pytest.raises(UserError, match="5 draws"):
        DownstreamChange(draws=1)
