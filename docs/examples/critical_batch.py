"""The largest learning rate of SGD grows with the batch up to the number of features, and stays at 2 beyond it.

A linear model of d whitened features is fitted to labels with noise s^2, by SGD with batches of B fresh samples and a
constant rate r. The squared distance e to the truth then follows, on average over data and exactly at every update,

    e' = e (1 - 2 r + r^2 (1 + (d + 1) / B)) + r^2 s^2 d / B.

So training stays bounded below the critical rate 2 / (1 + (d + 1) / B), and e settles at
r s^2 (d / B) / (2 - r (1 + (d + 1) / B)). Without the noise of the inputs, the term in (d + 1) / B, this would be
r s^2 (d / B) / (2 - r): the two agree for batches far above d and part below it. To vary it: `--set batch=8,32`.
"""

import numpy as np
import torch
import xarray as xr

from ontogeny import Claim, Control, Paper, Study, Training, every, factor, seeds, vary
from ontogeny.models.mlp import MLP
from ontogeny.report.figure import Axis, Figure, Line, Panel, Points, Rule, level
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import SGD

FEATURES = 16
NOISE = 1.0  # s^2


class NoisyTeacher(Task):
    """y = w . x + noise, with x standard normal and w a unit vector of each member's own."""

    features: int = FEATURES
    noise: float = NOISE

    @property
    def shape(self) -> Shape:
        """Real vectors in, a number out."""
        return Shape(features=self.features, outputs=1)

    def world(self, streams) -> torch.Tensor:
        """The truth: `[member, 1, feature]`."""
        w = streams.normal("teacher", (1, self.features))
        return w / w.square().sum(-1, keepdim=True).sqrt()

    def sample(self, world, streams, size: int) -> Batch:
        """Fresh inputs and noisy labels."""
        x = streams.normal("inputs", (size, self.features))
        label = (x * world).sum(-1, keepdim=True) + self.noise**0.5 * streams.normal("noise", (size, 1))
        return Batch(inputs=x, targets=label)


def critical_rate(batch):
    """The rate above which e grows without bound, on average."""
    return 2 / (1 + (FEATURES + 1) / batch)


def floor(lr, batch, input_noise: bool = True):
    """Where e settles; without the noise of the inputs, where the noise of the labels alone would leave it."""
    brake = 2 - lr * (1 + input_noise * (FEATURES + 1) / batch)
    return lr * NOISE * FEATURES / batch / brake


def settled(ds: xr.Dataset) -> xr.DataArray:
    """e over the last three quarters of training: on fresh data the loss is (e + s^2) / 2 on average."""
    late = ds.train_loss.isel(update=slice(ds.sizes["update"] // 4, None))
    return 2 * late.mean("update") - NOISE


def exactness(ds: xr.Dataset) -> xr.DataArray:
    """e as measured over e as computed (1: as computed)."""
    return settled(ds) / floor(ds.lr, ds.batch)


def excess(ds: xr.Dataset) -> xr.DataArray:
    """e as measured over what the noise of the labels alone would leave."""
    return settled(ds) / floor(ds.lr, ds.batch, input_noise=False)


def growth(ds: xr.Dataset) -> xr.DataArray:
    """Decades by which the loss grows between the first ten updates and the 91st to 100th."""
    start, end = (ds.train_loss.isel(update=slice(i, i + 10)).mean("update") for i in (0, 90))
    return np.log10(end / start)


def rates(results) -> Figure:
    """Where e settles against the learning rate, a colour a batch, over the exact curves."""
    ds = results["main"]
    batches = sorted(set(ds.batch.values.tolist()))
    marks = []
    for i, batch in enumerate(batches):
        here = ds.isel(member=ds.batch.values == batch)
        groups = [(lr, settled(g)) for lr, g in here.groupby("lr") if lr < critical_rate(batch)]
        x, style = np.array([lr for lr, _ in groups]), dict(name=f"batch {batch}", colour=level(i, of=len(batches)))
        low, middle, high = np.array([[e.min(), e.mean(), e.max()] for _, e in groups]).T
        curve = np.linspace(0.01, min(0.97 * critical_rate(batch), 1.0), 100)
        marks += [
            Line(curve, floor(curve, batch), **style),
            Points(x, middle, low=low, high=high, **style),
            Rule(x=critical_rate(batch), colour=style["colour"]) if critical_rate(batch) < 1 else None,
        ]
    panel = Panel(
        x=Axis("learning rate", limits=(0, 1)),
        y=Axis("squared distance to the truth", log=True),
        marks=[mark for mark in marks if mark],
    )
    return Figure(
        "Below a batch of 16, the number of features, smaller batches need smaller rates",
        panels=[panel],
        caption="Lines: exact. Points: mean and range over seeds. Dashed: the critical rate of the batch.",
    )


def experiment(steps: int = 2_000, count: int = 8) -> Training:
    """A linear model at three rates and three batches, below, at and above the number of features."""
    return Training(
        factors=vary(lr=(0.1, 0.2, 0.6), batch=(4, 16, 64)) * seeds(count),
        task=NoisyTeacher(),
        model=MLP(layers=1, bias=False),
        objective=SquaredError(),
        optimizer=SGD(lr=factor("lr")),
        batch=factor("batch"),
        steps=steps,
        at=every(steps),
    )


study = Study(
    paper=Paper("The critical batch size of linear regression, an example", "the tutorial of ontogeny", 2026),
    scales=dict(smoke=experiment(steps=100, count=2), desk=experiment(), gpu=experiment(steps=20_000, count=64)),
    claims=[
        Claim(
            "exact",
            "at rate 0.2 and batch 4 the distance settles within a tenth of the closed form",
            exactness,
            where=dict(lr=0.2, batch=4),
            between=(0.9, 1.1),
            control=Control("without the noise of the inputs the closed form misses", excess, above=1.5),
        ),
        Claim(
            "critical",
            "at rate 0.6, above the critical 0.38 of batch 4, the loss grows",
            growth,
            where=dict(lr=0.6, batch=4),
            above=1.0,
            control=Control("it does not at batch 16, where 0.97 is critical", where=dict(lr=0.6, batch=16), below=0.3),
        ),
    ],
    figures=[rates],
)
