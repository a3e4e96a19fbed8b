"""Oracles: gaps by hand, and the measure on a network that is exact."""

import pytest
import torch

from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.discriminator import DiscriminatorGap, discriminator_gap
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.two_normals import TwoNormals


def test_by_hand():
    logits, best = torch.zeros(2, 2, 1), torch.tensor([[[0.5], [0.9]], [[0.3], [0.7]]])
    among = torch.tensor([[[1.0], [1.0]], [[1.0], [0.0]]])
    assert discriminator_gap(logits, best, among).tolist() == pytest.approx([0.2, 0.2])
    assert discriminator_gap(logits, best, 0 * among).isnan().all()


def test_the_exact_discriminator_has_no_gap():
    task, streams = TwoNormals(shift=2.0), Streams((0, 1))
    population = Population(MLP(layers=1).build(task.shape, streams))
    population.parameters()["output.weight"].fill_(2.0)  # 2 x - 2
    population.parameters()["output.bias"].fill_(-2.0)
    found = DiscriminatorGap(samples=100)(
        Checkpoint(population=population, task=task, world=None, streams=streams, step=0)
    )
    assert found["discriminator_gap"].values.abs().max() < 1e-6
    assert found["discriminator"].values.shape == (2, 61)
    middle = found["discriminator"].values[:, 25]  # x = 1
    assert middle.tolist() == pytest.approx([0.5, 0.5])
