"""Oracles: scikit-learn's own table, and a split that leaks nothing."""

import pytest
import torch
from sklearn.datasets import load_digits

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.digits import Digits

SEEDS = (3, 4)


def rows(pictures):
    return {tuple(row) for row in (pictures * 16).round().int().tolist()}


def test_pictures_and_labels_belong_together(seed):
    pixels, labels = load_digits(return_X_y=True)
    known = {(*row, label) for row, label in zip(pixels.astype(int).tolist(), labels.tolist(), strict=True)}
    task, streams = Digits(), Streams((seed, seed + 1))
    batch = task.sample(task.world(streams.of("world")), streams.of("data"), 50)
    assert batch.inputs.shape == (2, 50, 64)
    for member in range(2):
        for row, label in zip((batch.inputs[member] * 16).int().tolist(), batch.targets[member].tolist(), strict=True):
            assert (*row, label) in known
    assert not torch.equal(batch.inputs[0], batch.inputs[1])


def test_nothing_held_out_is_trained_on():
    task, streams = Digits(), Streams(SEEDS)
    world = task.world(streams.of("world"))
    measured, world = task.evaluated(world)
    held = measured.sample(world, streams.of("evaluation"), 360)
    trained = task.sample(world, streams.of("data"), 20_000)
    for member in range(2):
        assert len(rows(held.inputs[member])) == 360  # all different
        assert not rows(held.inputs[member]) & rows(trained.inputs[member])
        assert len(rows(trained.inputs[member])) > 1_430  # nearly all of 1,437 in 20,000 draws
    assert rows(held.inputs[0]) != rows(held.inputs[1])


def test_refuses():
    with pytest.raises(UserError, match="trained=1797 does not split"):
        Digits(trained=1_797)
    task, streams = Digits(), Streams((0,))
    measured, world = task.evaluated(task.world(streams))
    with pytest.raises(UserError, match="360 digits are held out, got a size of 361"):
        measured.sample(world, streams, 361)
