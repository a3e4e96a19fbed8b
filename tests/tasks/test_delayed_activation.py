"""Oracle: the trial written out by hand."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.delayed_activation import DelayedActivation, DelayedSwitch


def test_silent_for_the_delay_and_active_for_as_long():
    task = DelayedActivation(delay=3)
    batch = task.sample(None, Streams((5, 6)), 4)
    assert batch.inputs.shape == (2, 4, 6, 0)
    assert batch.targets.shape == (2, 4, 6, 1)
    assert batch.targets[1, 2, :, 0].tolist() == [0, 0, 0, 1, 1, 1]
    assert (task.shape.length, task.shape.features, task.shape.outputs) == (6, 0, 1)


def test_each_member_switches_at_its_own_moment():
    task = stack([DelayedSwitch(delay=10), DelayedSwitch(delay=2.5)])
    targets = task.sample(None, Streams((0, 0)), 2).targets
    assert targets.dtype == torch.float64
    assert targets[..., 0].tolist() == [[10, 10], [2.5, 2.5]]


@pytest.mark.parametrize("delay", [0, 2.5])
def test_a_delay_in_steps_is_a_whole_number(delay):
    with pytest.raises(UserError, match=f"got delay={delay}"):
        DelayedActivation(delay=delay)


def test_a_delay_in_time_is_positive():
    with pytest.raises(UserError, match="positive time, got delay=0"):
        DelayedSwitch(delay=0)
