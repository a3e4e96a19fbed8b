"""Oracles: accuracy by hand, scikit-learn's log loss, and the digits that are held out."""

import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss

from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.held_out import HeldOut, accuracy
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.digits import Digits


def test_accuracy_by_hand():
    outputs = torch.tensor([[[0.0, 1.0], [2.0, 0.0], [1.0, 1.0]], [[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]])
    targets = torch.tensor([[1, 1, 0], [0, 0, 0]])
    torch.testing.assert_close(accuracy(outputs, targets), torch.tensor([2 / 3, 0.0]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_scikit_learn_on_the_held_out_digits(seed, dtype):
    task, streams = Digits(), Streams((seed, seed + 1))
    held, world = task.evaluated(task.world(streams.of("world")))
    network = Population(MLP(layers=2, width=16).build(task.shape, streams.of("init")).to(dtype))
    at = Checkpoint(population=network, task=held, world=world, streams=streams, step=0)
    got = HeldOut(samples=200)(at)
    batch = held.sample(world, streams, 200)
    chances = torch.softmax(network(batch.inputs.to(dtype)).double(), -1).detach().numpy()
    for i in range(2):
        expected = log_loss(batch.targets[i], chances[i], labels=range(10))
        assert got["held_out_loss"].values[i].item() == pytest.approx(expected, rel=1e-5)
        right = accuracy_score(batch.targets[i], chances[i].argmax(-1))
        assert got["held_out_accuracy"].values[i].item() == pytest.approx(right)
