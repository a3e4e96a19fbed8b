"""Oracle: outputs chosen by hand."""

import torch
from torch import nn

from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.step_accuracy import StepAccuracy
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.delayed_activation import DelayedActivation


class Fixed(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.outputs = nn.Parameter(torch.tensor(outputs))

    def forward(self, inputs):
        return self.outputs[:, None, :, None].expand(-1, inputs.shape[1], -1, -1)


def test_counts_steps_on_the_right_side():
    # Targets 0 0 1 1: silent 1/2, all right 1, one step early 3/4, undefined counts as silent.
    outputs = [[0.0, 0, 0, 0], [0.4, 0.1, 0.6, 1], [0, 0.9, 0.9, 0.9], [float("nan")] * 4]
    at = Checkpoint(
        population=Population(Fixed(outputs)),
        task=DelayedActivation(delay=2),
        world=None,
        streams=Streams((0,) * 4),
        step=0,
    )
    with torch.no_grad():
        assert StepAccuracy()(at)["step_accuracy"].values.tolist() == [0.5, 1.0, 0.75, 0.5]
