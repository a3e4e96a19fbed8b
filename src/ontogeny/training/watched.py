"""A training whose measures also see what its optimizer remembers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ontogeny.experiment import Row
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.training.cohort import TrainingCohort
from ontogeny.training.experiment import Training


class Watched(Training):
    """`Training` with the optimizer's memory in `Checkpoint.memory`: its moments, or the last update."""

    def open(self, rows: Sequence[Row], device: torch.device) -> TrainingCohort:
        """A population with a member for every row, before its first update."""
        cohort = super().open(rows, device)
        cohort.measures = tuple(Remembering(measure=measure, cohort=cohort) for measure in cohort.measures)
        return cohort


class Remembering(Measure):
    """A measure that is shown the memory of a cohort's optimizer."""

    measure: Measure
    cohort: Any

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """What the measure gives."""
        return self.measure(replace(at, memory=self.cohort.memory))
