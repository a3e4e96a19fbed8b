"""Oracle: the model inside, whose later steps alone count."""

import torch

from ontogeny.models.last_step import LastStep
from ontogeny.models.population import Population
from ontogeny.models.rnn import RNN
from ontogeny.models.stacked import member_sum
from ontogeny.tasks.contract import Shape

SHAPE = Shape(features=3, outputs=2, length=4)
INSIDE = RNN(cell="lstm", width=5)


def test_it_is_the_last_answer(streams, normal):
    x = normal(3, 7, 4, 3)
    every = INSIDE.build(SHAPE, streams)(x)
    last = LastStep(model=INSIDE).build(SHAPE, streams)(x)
    assert torch.equal(last, every[:, :, 3])
    assert not torch.equal(last, every[:, :, 2])


def test_alone_and_in_company(streams, normal):
    x = normal(3, 7, 4, 3)

    def outcome(of, inputs):
        population = Population(LastStep(model=INSIDE).build(SHAPE, of))
        population.backward(member_sum(population(inputs).square()))
        return population.gradient

    assert torch.equal(outcome(type(streams)(streams.seeds[1:2]), x[1:2]), outcome(streams, x)[1:2])
