"""Replay: a training measured again in the states that were kept of it, without an update."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ontogeny.experiment import StateAt
from ontogeny.labelled import Record
from ontogeny.training.cohort import TrainingCohort


class Replay:
    """Members that go from one measured step to the next by taking up the state that they had there.

    What is measured has the bits of the training itself: a measure sees parameters, the optimizer's memory, and streams
    that depend on none of the steps before. The trace of losses is not given again; it was kept beside the states.
    """

    def __init__(self, cohort: TrainingCohort, state_at: StateAt) -> None:
        self.cohort, self.state_at = cohort, state_at
        self.last = -1  # the step that was measured last

    def records(self) -> Iterator[Record]:
        """One record a measured step."""
        for step in sorted(self.cohort.measured):
            if step > self.last:
                self.restore({**self.state_at(step), "done": torch.tensor(step)})
                yield self.cohort.record()

    def state(self) -> dict[str, Tensor]:
        """That of the training at the step that was measured last."""
        return self.cohort.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        """Takes up a state."""
        self.cohort.restore(state)
        self.last = self.cohort.done

    def progress(self) -> dict[str, Any]:
        """The step of the training that was measured last, and its last step."""
        return self.cohort.progress()
