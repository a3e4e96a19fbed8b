"""Oracles: the first symbol read off the inputs, and chance for whoever looks elsewhere."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.first_symbol import FirstSymbol


def test_the_first_symbol_is_the_target():
    task = FirstSymbol(length=5, symbols=4)
    batch = task.sample(None, Streams((1, 2)), 3_000)
    assert batch.inputs.shape == (2, 3_000, 5, 4)
    assert torch.equal(batch.inputs.sum(-1), torch.ones(2, 3_000, 5))
    assert torch.equal(batch.inputs[:, :, 0].argmax(-1), batch.targets)
    for step in range(1, 5):  # no other step tells of it: 1 in 4, to 4 standard errors of 6,000 samples
        share = (batch.inputs[:, :, step].argmax(-1) == batch.targets).float().mean().item()
        assert share == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 6_000) ** 0.5)
    counts = torch.bincount(batch.targets.flatten(), minlength=4)
    assert ((counts - 1_500).abs() < 4 * (6_000 * 0.25 * 0.75) ** 0.5).all()


def test_a_member_is_the_same_alone():
    task = FirstSymbol(length=3)
    together, alone = (task.sample(None, Streams(seeds), 10) for seeds in ((1, 2), (2,)))
    assert torch.equal(together.inputs[1:], alone.inputs)
    assert (task.shape.features, task.shape.outputs, task.shape.length) == (8, 8, 3)


@pytest.mark.parametrize("fields", [dict(length=0), dict(length=3, symbols=1)])
def test_refuses(fields):
    with pytest.raises(UserError, match="1 step and 2 symbols or more"):
        FirstSymbol(**fields)
