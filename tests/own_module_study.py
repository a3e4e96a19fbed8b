"""A small convolutional net of the user's own learns to tell stripes that stand from stripes that lie."""

import torch
from torch import nn

from ontogeny import Claim, Control, Paper, Study, Training, every, factor, seeds, vary
from ontogeny.models.from_module import FromModule
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.training.optimizers import AdamW

SIDE = 6


class Stripes(Task):
    """Pictures of a stripe and noise: class 0 stripes stand, class 1 stripes lie."""

    noise: float = 0.5

    @property
    def shape(self) -> Shape:
        return Shape(features=SIDE * SIDE, outputs=2)

    def sample(self, world, streams, size: int) -> Batch:
        lies = streams.integers("lies", (size,), 2)
        line = torch.nn.functional.one_hot(streams.integers("place", (size,), SIDE), SIDE).float()
        standing = line[..., None, :].expand(*line.shape, SIDE)
        picture = torch.where(lies[..., None, None] == 1, standing.mT, standing)
        noise = self.noise * streams.normal("noise", (size, SIDE, SIDE))
        return Batch(inputs=(picture + noise).flatten(-2), targets=lies)


class ConvNet(nn.Module):
    """Written for one network: `[sample, pixel]` to `[sample, class]`."""

    def __init__(self, shape: Shape, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 3)
        self.out = nn.Linear(channels, shape.outputs)

    def forward(self, x):
        h = torch.nn.functional.silu(self.conv(x.view(-1, 1, SIDE, SIDE)))
        return self.out(h.amax((-1, -2)))


def last_loss(ds):
    return ds.train_loss.isel(update=slice(-20, None)).mean("update")


def experiment(steps: int, count: int) -> Training:
    return Training(
        factors=vary(lr=(0.0, 1e-2), channels=(4, 8)) * seeds(count),
        task=Stripes(),
        model=FromModule(factory=ConvNet, arguments=dict(channels=factor("channels"))),
        optimizer=AdamW(lr=factor("lr")),
        batch=32,
        steps=steps,
        at=every(steps),
    )


study = Study(
    paper=Paper("An example", "its authors", 2026),
    scales=dict(smoke=experiment(40, 2), desk=experiment(400, 4)),
    claims=[
        Claim(
            "learns",
            "the loss falls below 0.3",
            last_loss,
            where=dict(lr=1e-2),
            below=0.3,
            control=Control("without learning it stays", where=dict(lr=0.0), above=0.5),
        ),
    ],
)
