"""The same networks as populations: cohorts side by side, a core and a thread each, as in a run; data included."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial

import torch
from plain import HEADS, RATE, VOCABULARY, Size, network
from timing import Advance
from torch import nn

from ontogeny import seeds
from ontogeny.experiment import cohorts_at_once
from ontogeny.machine import one_thread
from ontogeny.models.contract import Model
from ontogeny.models.from_module import FromModule
from ontogeny.models.mlp import MLP
from ontogeny.models.rnn import RNN
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.training.cohort import TrainingCohort
from ontogeny.training.experiment import Training
from ontogeny.training.optimizers import AdamW
from ontogeny.training.steps import at

Each = Callable[[Callable[[TrainingCohort], object]], None]


class RandomTokens(Task):
    """Uniform tokens: there is nothing to learn, and the arithmetic is that of any task."""

    context: int
    once: bool  # the next token of the whole context, not of every position

    @property
    def shape(self) -> Shape:
        return Shape(vocabulary=VOCABULARY, outputs=VOCABULARY, length=self.context)

    def sample(self, world: None, streams: Streams, size: int) -> Batch:
        tokens = streams.integers("tokens", (size, self.context + 1), VOCABULARY)
        return Batch(inputs=tokens[..., :-1], targets=tokens[..., -1] if self.once else tokens[..., 1:])


def native(size: Size) -> Model:
    """The network in stacked modules."""
    if size.network == "MLP":
        return MLP(layers=size.layers, width=size.width)
    if size.network == "RNN":
        return RNN(layers=size.layers, width=size.width)
    return Transformer(layers=size.layers, width=size.width, heads=HEADS)


def plain_module(shape: Shape, **size) -> nn.Module:
    return network(Size(**size))


def from_module(size: Size) -> Model:
    """The plain network, stacked by `FromModule`."""
    return FromModule(factory=plain_module, arguments=asdict(size))


def training(size: Size, members: int, model: Callable[[Size], Model] = native) -> Training:
    return Training(
        factors=seeds(members),
        task=RandomTokens(context=size.context, once=size.network == "MLP"),
        model=model(size),
        optimizer=AdamW(lr=RATE),
        batch=size.batch,
        steps=10**6,
        at=at(),
    )


def update(cohort: TrainingCohort, updates: int) -> None:
    for _ in range(updates):
        cohort.update()
    cohort.losses.clear()


@contextmanager
def side_by_side(
    training: Training, device: torch.device, compiled: bool, most: int | None = None
) -> Iterator[tuple[int, Each]]:
    """Opens the cohorts of a training, or so many; gives their members, and a way of doing something with each."""
    rows = training.factors.rows()
    plan = training.plan(rows, device)
    workers = cohorts_at_once(len(plan), device)
    plan = plan[:most]
    with one_thread():
        cohorts = [training.open([rows[i] for i in chunk], device, compiled) for chunk in plan]

    def share(worker: int, do: Callable[[TrainingCohort], object]) -> None:
        with one_thread():
            for cohort in cohorts[worker::workers]:
                do(cohort)

    with ThreadPoolExecutor(workers) as pool:

        def each(do: Callable[[TrainingCohort], object]) -> None:
            list(pool.map(partial(share, do=do), range(workers)))

        yield sum(map(len, plan)), each


def capture_first(cohort: TrainingCohort, wanted: bool) -> None:
    """Makes the first update, with its graph where one is wanted."""
    cohort.to_capture = wanted
    cohort.update()
    if cohort.said:
        print(cohort.said, file=sys.stderr)


@contextmanager
def population(
    size: Size,
    members: int,
    device: torch.device,
    compiled: bool,
    model: Callable[[Size], Model] = native,
    *,
    captured: bool = True,
    precision: str = "float32",
) -> Iterator[Advance]:
    asked = training(size, members, model).in_precision(precision)
    with side_by_side(asked, device, compiled) as (_, each):
        if device.type == "cuda":
            each(partial(capture_first, wanted=captured))
        yield lambda updates: each(partial(update, updates=updates))


def ours(device: torch.device, model: Callable[[Size], Model] = native) -> dict[str, Callable]:
    """The ways that are there on a device; on a GPU updates are launched one by one, captured, and rounded, too."""
    eager, compiled = (partial(population, compiled=which, model=model) for which in (False, True))
    if device.type == "cpu":
        return {"eager": eager, "compiled": compiled}
    ways: dict[str, Callable] = {"eager": partial(eager, captured=False), "captured": eager, "compiled": compiled}
    return ways | {f"compiled {precision}": partial(compiled, precision=precision) for precision in ("tf32", "bf16")}
