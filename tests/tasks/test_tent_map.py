"""Oracles: the tent map by hand, and its mean."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.tent_map import TentMap, tent


def test_by_hand():
    x = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    assert tent(x, 1).tolist() == [0.0, 0.5, 1.0, 0.5, 0.0]
    assert tent(x, 2).tolist() == [0.0, 1.0, 0.0, 1.0, 0.0]
    assert torch.equal(tent(x, 5), torch.zeros(5))


def test_samples():
    task = TentMap(times=3)
    batch = task.sample(None, Streams((1, 2)), 4_000)
    assert torch.equal(batch.targets, tent(batch.inputs, 3))
    # Uniform in, uniform out: mean 1/2, and the mean distance from it 1/4.
    assert batch.targets.mean().item() == pytest.approx(0.5, abs=4 * (1 / 12 / 8_000) ** 0.5)
    assert (batch.targets - 0.5).abs().mean().item() == pytest.approx(0.25, abs=0.01)
    assert torch.equal(task.sample(None, Streams((2,)), 4_000).inputs, batch.inputs[1:])


def test_refuses():
    with pytest.raises(UserError, match="once or more"):
        TentMap(times=0)
