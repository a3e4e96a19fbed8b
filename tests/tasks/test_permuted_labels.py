"""Oracles: true labels are scikit-learn's, permuted ones the same counts in another order; held-out ones stay true."""

import pytest
import torch
from sklearn.datasets import load_digits

from ontogeny.errors import UserError
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.memorised import Memorised
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.digits import Digits
from ontogeny.tasks.permuted_labels import PermutedLabels

SEEDS = (1, 2)
PIXELS, LABELS = load_digits(return_X_y=True)
TRUTH = {tuple((x / 16).tolist()): y for x, y in zip(PIXELS, LABELS, strict=True)}


def world(labels):
    task = PermutedLabels(labels=labels)
    return task, task.world(Streams(SEEDS).of("world"))


def right(batch):
    """Share of targets that are scikit-learn's label of the same picture."""
    pairs = zip(batch.inputs.flatten(0, 1), batch.targets.flatten(), strict=True)
    return sum(TRUTH[tuple(x.double().tolist())] == y for x, y in pairs) / batch.targets.numel()


def test_labels():
    for labels, low, high in (("true", 1.0, 1.0), ("permuted", 0.07, 0.13)):
        task, given = world(labels)
        assert low <= right(task.sample(given, Streams(SEEDS), 500)) <= high
        assert low <= right(task.everything(given)) <= high
        held_out, same = task.evaluated(given)
        assert right(held_out.sample(same, Streams(SEEDS), 360)) == 1.0


def test_permuted_labels_are_used_as_often():
    given = [world(labels)[1].given for labels in ("true", "permuted")]
    assert torch.equal(given[0].sort(1).values, given[1].sort(1).values)
    assert not torch.equal(given[1][0], given[1][1])
    alone = PermutedLabels().world(Streams((2,)).of("world"))
    assert torch.equal(alone.given, given[1][1:])


def test_memorised_counts_labels_given():
    task, given = world("permuted")
    network = MLP(layers=1).build(task.shape, Streams(SEEDS))
    for p in network.parameters():
        p.data.zero_()
    network.output.bias.data[:, 3] = 1.0  # always says 3
    evaluated, same = task.evaluated(given)
    at = Checkpoint(population=Population(network), task=evaluated, world=same, streams=Streams(SEEDS), step=0)
    expected = (given.given == 3).double().mean(1)
    torch.testing.assert_close(Memorised()(at)["training_accuracy"].values.double(), expected, atol=1e-6, rtol=0)
    with pytest.raises(UserError, match="PermutedLabels"):
        Memorised()(Checkpoint(population=at.population, task=Digits(), world=None, streams=Streams(SEEDS), step=0))


def test_refuses():
    with pytest.raises(UserError, match="'true' or 'permuted'"):
        PermutedLabels(labels="shuffled")
    with pytest.raises(UserError, match="held out"):
        PermutedLabels(trained=2_000)
