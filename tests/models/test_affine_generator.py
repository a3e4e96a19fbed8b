"""Oracles: a z + b and its gradients by hand, and the law."""

import torch

from ontogeny.models.affine_generator import AffineGenerator
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_sum
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


def generator(members=3):
    return Population(AffineGenerator().build(Shape(features=1, outputs=1), Streams(tuple(range(members)))))


def test_by_hand():
    population, z = generator(2), torch.tensor([[[1.0], [2.0]], [[3.0], [-1.0]]])
    assert torch.equal(population(z), z)
    population.parameters()["scale"].copy_(torch.tensor([[2.0], [0.5]]))
    population.parameters()["shift"].copy_(torch.tensor([[1.0], [0.0]]))
    outputs = population(z)
    assert outputs[..., 0].tolist() == [[3.0, 5.0], [1.5, -0.5]]
    population.backward(member_sum(outputs))  # slopes: sum of z, and their number
    found = population.views(population.gradient)
    assert found["scale"][:, 0].tolist() == [3.0, 2.0]
    assert found["shift"][:, 0].tolist() == [2.0, 2.0]


def test_alone_and_in_company():
    z = Streams((0, 1, 2)).normal("noise", (255, 1))

    def slopes(part):
        population = generator(len(z[part]))
        population.backward(member_sum(population(z[part]).square()))
        return population.gradient

    assert torch.equal(slopes(slice(1, 2)), slopes(slice(None))[1:2])
