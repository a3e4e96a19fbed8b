"""Oracles: linear and quadratic maps, whose answers and Jacobians are written down."""

import pytest
import torch
from torch import nn

from ontogeny.errors import UserError
from ontogeny.measures.concept_trajectory import ConceptJacobian, ConceptTrajectory, jacobian, trajectory
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.learning_times import lasting_time
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.tasks.structured_identity import StructuredIdentity


class Fixed(nn.Module):
    """x W + q x^2, W of every member given."""

    def __init__(self, weight, square=0.0):
        super().__init__()
        self.weight, self.square = nn.Parameter(weight), square

    def forward(self, inputs):
        return inputs @ self.weight + self.square * inputs * inputs


def checkpoint(network, task):
    population = Population(network)
    seeds = tuple(range(population.members))
    return Checkpoint(population=population, task=task, world=None, streams=Streams(seeds), step=0)


def test_a_linear_map_by_hand():
    # At (1, 2): x W = (0.5 + 0.4, 0.1 + 1.0) = (0.9, 1.1); over the distances (0.9, 0.55); loss (0.01 + 0.81) / 2.
    w = torch.tensor([[[0.5, 0.1], [0.2, 0.5]], [[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
    task = StructuredIdentity()
    at = checkpoint(Fixed(w.double()), task)
    found = ConceptTrajectory()(at)
    expected = torch.tensor([[0.9, 0.55], [1.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(found["concept_output"].values.detach(), expected, rtol=1e-6, atol=1e-7)
    # A map that gives 0 costs half the squared length of the corner, (1 + 4) / 2.
    losses = torch.tensor([0.41, 0.0, 2.5], dtype=torch.float64)
    torch.testing.assert_close(found["ood_loss"].values.detach(), losses, rtol=1e-6, atol=1e-7)
    # df_i / dx_j is W transposed: inputs are rows.
    torch.testing.assert_close(ConceptJacobian()(at)["jacobian"].values, w.double().mT)


def test_a_curved_map_by_hand():
    # d (0.5 x_i^2) / dx_i = x_i, at (1, 2, 0): only two of the three dimensions are concepts.
    task = StructuredIdentity(dimensions=3)
    at = checkpoint(Fixed(torch.zeros(2, 3, 3), square=0.5), task)
    with torch.no_grad():  # as a training measures
        found = ConceptJacobian()(at)["jacobian"].values
    assert found.tolist() == [[[1.0, 0.0], [0.0, 2.0]]] * 2


def test_the_jacobian_of_a_network_is_torchs(seed):
    population = Population(
        MLP(layers=3, width=8, activation="tanh").build(StructuredIdentity(concepts=3).shape, Streams((seed, seed + 1)))
    )
    points = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]])
    found = jacobian(population, points)
    for i in range(2):
        single = population.member(i)
        expected = torch.autograd.functional.jacobian(lambda x, single=single: single(x[None])[0], points[i])
        torch.testing.assert_close(found[i], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("measure", [ConceptTrajectory(), ConceptJacobian()])
def test_alone_as_in_company(measure):
    task = StructuredIdentity(concepts=3)
    model = MLP(layers=2, width=8)

    def measured(seeds):
        return measure(checkpoint(model.build(task.shape, Streams(seeds)), task))

    for name, together in measured((4, 5, 6)).items():
        assert torch.equal(measured((5,))[name].values, together.values[1:2])


def test_a_task_without_a_corner_is_refused():
    task = LinearTeacher(strengths=(1.0,), inputs=2, outputs=2)
    with pytest.raises(UserError, match="LinearTeacher has no unseen combination"):
        ConceptTrajectory()(checkpoint(Fixed(torch.zeros(1, 2, 2)), task))


def test_any_models_have_a_trajectory():
    checkpoints = [lambda x, t=t: (x * t, x + t) for t in (0.0, 0.5, 1.0)]
    found = trajectory(checkpoints, 2.0, {"size": lambda a: a[0] / 2, "colour": lambda a: a[1]})
    assert found == {"size": [0.0, 0.5, 1.0], "colour": [2.0, 2.5, 3.0]}
    assert lasting_time(torch.tensor(found["size"]).numpy(), torch.arange(3).numpy(), 0.4) == 1
