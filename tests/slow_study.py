"""A linear map is measured by someone who takes their time.

Long enough to be killed in the middle of a cohort, after a commit.
"""

import time

import torch

from ontogeny import Paper, Study, Training, every, factor, seeds, vary
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.mlp import MLP
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import AdamW

PAUSE = 0.25  # seconds a measurement


class Slow(Measure):
    """Sum of squared weights, after a pause."""

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        time.sleep(PAUSE)
        sizes = [w.square().flatten(1).cumsum(1)[:, -1] for w in at.population.parameters().values()]
        return {"size": Labelled(torch.stack(sizes, -1), ("member", "weight"))}


def training(measurements: int) -> Training:
    # Two structures, so two cohorts at least, whatever the machine.
    return Training(
        factors=vary(width=(4, 5), lr=(0.01, 1e30)) * seeds(2),
        task=LinearTeacher(strengths=(2.0, 1.0), inputs=5, outputs=3),
        model=MLP(layers=2, width=factor("width"), activation="identity", bias=False),
        objective=SquaredError(),
        optimizer=AdamW(lr=factor("lr"), clip=1e3),
        batch=7,
        steps=4 * measurements,
        measures=(Slow(),),
        at=every(4),
    )


study = Study(paper=Paper("A paper", "Its authors", 2020), scales=dict(smoke=training(2), desk=training(48)), claims=[])
