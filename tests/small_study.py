"""A linear network learns a linear teacher.

Small and quick: what the tests of the engine run.
"""

import torch

from ontogeny import Claim, Control, Paper, Study, Training, Trial, every, factor, seeds, vary
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.contract import Model
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import AdamW


class Map(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, x):
        return torch.bmm(x, self.weight)


class Linear(Model):
    def build(self, shape: Shape, streams: Streams) -> torch.nn.Module:
        return Map(streams.normal("weight", (shape.features, shape.outputs)))


class Size(Measure):
    """Sum of squared weights."""

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        weight = at.population.parameters()["weight"]
        return {
            "size": Labelled(weight.square().sum(1).sum(1), ("member",)),
            "column": Labelled(weight[:, 0], ("member", "output")),
        }


def draw(streams: Streams, lr: float) -> dict[str, Labelled]:
    return {"number": Labelled(streams.normal("number", (1,))[:, 0] + lr, ("member",))}


def training(steps: int, count: int) -> Training:
    return Training(
        factors=vary(lr=(0.0, 0.01, 1e30)) * seeds(count),
        task=LinearTeacher(strengths=(2.0, 1.0), inputs=5, outputs=3),
        model=Linear(),
        objective=SquaredError(),
        optimizer=AdamW(lr=factor("lr"), clip=1e3),
        batch=7,
        steps=steps,
        measures=(Size(),),
        at=every(10),
    )


def last_loss(ds):
    return ds.train_loss.isel(update=slice(-5, None)).mean("update")


study = Study(
    paper=Paper("A paper", "Its authors", 2020),
    scales=dict(
        smoke={"main": training(20, 2), "drawn": Trial(factors=vary(lr=(0.0, 1.0)) * seeds(2), function=draw)},
        desk={"main": training(400, 5), "drawn": Trial(factors=vary(lr=(0.0, 1.0)) * seeds(5), function=draw)},
    ),
    claims=[
        Claim(
            "learns",
            "the loss falls",
            last_loss,
            where=dict(lr=0.01),
            below=1.0,
            control=Control("without learning it stays", where=dict(lr=0.0), above=2.0),
        )
    ],
)
