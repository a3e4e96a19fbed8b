"""Oracles: networks that answer what they should not know, the risk of least squares, and plans that count by hand."""

import pytest
import torch
from torch import nn

from ontogeny.errors import UserError
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.in_context_error import (
    PREDICTORS,
    SHIFTS,
    InContextError,
    PredictorError,
    ShiftedError,
    StepsOfEach,
    at_the_end,
    episodes,
)
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.in_context_classification import InContextClassification
from ontogeny.tasks.in_context_hermite import InContextHermite
from ontogeny.tasks.regression_predictors import least_squares, linear_risk
from ontogeny.tasks.task_schedule import TaskSchedule, mixed, sequential, single

CLASSES = tuple(InContextHermite(degree=k, pairs=6) for k in (1, 2, 3))
PLANS = (sequential(3), mixed(3), single(1, 3))


class Cheat(nn.Module):
    """Answers a multiple of the value that comes next."""

    def __init__(self, times):
        super().__init__()
        self.times = nn.Parameter(torch.tensor(times)[:, None, None, None])

    def forward(self, inputs):
        return self.times * inputs.roll(-1, 2)[..., :1]


class LeastSquares(nn.Module):
    """Answers by least squares on the pairs before."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1))

    def forward(self, inputs):
        x, y = inputs[:, :, ::2].double(), inputs[:, :, 1::2, 0].double()
        answers = least_squares(x, y).float()
        return torch.stack([answers, torch.zeros_like(answers)], -1).flatten(-2)[..., None]


def checkpoint(network, task=CLASSES[1], step=0):
    population = Population(network)
    streams = Streams(tuple(range(population.members)))
    world = task.world(streams.of("world"))
    return Checkpoint(population=population, task=task, world=world, streams=streams, step=step)


def schedule(**fields):
    return TaskSchedule(**{**dict(tasks=CLASSES, plans=PLANS, plan=0, steps=30), **fields})


def grown(seeds):
    return Transformer(layers=1, width=8, heads=2).build(CLASSES[0].shape, Streams(seeds))


@torch.no_grad()
def test_errors_of_networks_that_know_the_answer():
    """A network that answers a y has the error (1 - a)^2, exactly, of every class and on all points: 0 gives 1."""
    at = checkpoint(Cheat([0.0, 1.0, 0.5, -1.0]), schedule(), step=30)
    found = InContextError(episodes=70, many=140, ends=(30,))(at)
    expected = torch.tensor([1.0, 0.0, 0.25, 4.0], dtype=torch.float64)
    assert found["error"].dims == ("member", "degree")
    assert found["error"].coords["degree"] == [1, 2, 3]
    torch.testing.assert_close(found["error"].values, expected[:, None].expand(4, 3))
    torch.testing.assert_close(found["error_by_examples"].values, expected[:, None, None].expand(4, 3, 6))
    shifted = ShiftedError(size=20)(at)["shifted_error"]
    assert shifted.coords["points"] == tuple(SHIFTS)
    torch.testing.assert_close(shifted.values, expected[:, None, None].expand(4, 3, 3))


@torch.no_grad()
def test_curves_are_measured_at_the_ends_only():
    at = checkpoint(Cheat([0.0]), schedule(), step=10)
    assert set(InContextError(episodes=10, ends=(30,))(at)) == {"error"}
    assert ShiftedError(since=30)(at) == {} == PredictorError(since=30)(at)


@torch.no_grad()
def test_least_squares_in_context_has_its_exact_risk():
    task = InContextHermite(dimensions=4, pairs=7)
    at = checkpoint(LeastSquares(), task)
    curve = InContextError(many=1_000, ends=(0,))(at)["error_by_examples"].values[0, 0]
    expected = [linear_risk(m, 4) for m in range(7)]
    assert curve.tolist() == pytest.approx(expected, abs=0.06)
    reference = PredictorError(size=1_000, particles=0)(at)["predictor_error"]
    assert reference.coords["predictor"] == PREDICTORS
    torch.testing.assert_close(reference.values[0, 0, 0], curve, atol=1e-5, rtol=0)
    assert reference.values[0, 3].isnan().all()


@torch.no_grad()
def test_the_posterior_is_the_least_of_the_references():
    errors = PredictorError(size=100, particles=500)(checkpoint(Cheat([0.0, 0.0]), schedule()))["predictor_error"]
    assert errors.values.shape == (2, 4, 3, 6)
    assert torch.equal(errors.values[0], errors.values[1])
    assert (errors.values[0, 3, :, -1] < 0.05).all()
    assert (errors.values[0, :3, 1:, -1] > 0.1).all()


def test_last_pairs_by_hand():
    curve = torch.tensor([[8.0, 4.0, 3.0, 2.0]])
    assert at_the_end(curve, 3).tolist() == [3.0]
    assert at_the_end(curve, 9).tolist() == [4.25]


@torch.no_grad()
def test_all_members_meet_the_same_episodes_and_a_member_is_as_alone():
    batch = episodes(CLASSES[2], 3, 10, torch.device("cpu"))
    assert torch.equal(batch.inputs[0], batch.inputs[2])
    assert torch.equal(episodes(CLASSES[0], 1, 5, torch.device("cpu")).latents["x"][0], batch.latents["x"][1, :5])
    measure = InContextError(episodes=70)
    together = measure(checkpoint(grown((4, 5, 6))))["error"].values
    alone = measure(checkpoint(grown((5,))))["error"].values
    assert torch.equal(together[1:2], alone)
    assert not torch.equal(together[:1], alone)


@torch.no_grad()
def test_steps_by_hand():
    task = stack([schedule(plan=plan) for plan in range(3)])
    counts = StepsOfEach()(checkpoint(grown((4, 4, 4)), task, step=15))["steps_of_each"].values
    assert counts[0].tolist() == [10, 5, 0]
    assert counts[2].tolist() == [0, 15, 0]
    assert counts[1, 0] >= 10
    assert counts.sum(1).tolist() == [15] * 3
    assert StepsOfEach()(checkpoint(grown((4, 4, 4)), task))["steps_of_each"].values.sum() == 0


def test_other_tasks_are_refused():
    at = checkpoint(Cheat([0.0]), InContextClassification())
    with pytest.raises(UserError, match="needs InContextHermite, got InContextClassification"):
        InContextError()(at)
    with pytest.raises(UserError, match="what a TaskSchedule draws, got InContextHermite"):
        StepsOfEach()(checkpoint(Cheat([0.0])))
