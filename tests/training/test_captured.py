"""Captured updates, with a stand-in for the graph of a GPU: what is recorded does what is launched one by one.

Kernels, CUDA's streams and copies from the host are seen on a GPU alone: see `test_on_a_gpu`.
"""

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
import torch
from rich.console import Console
from tape import again, as_on_a_gpu

from ontogeny import Training, every, factor, seeds, vary
from ontogeny.models.mlp import MLP
from ontogeny.models.transformer import Transformer
from ontogeny.progress import RichWatcher
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.training.captured import Captured
from ontogeny.training.cohort import AHEAD, TrainingCohort
from ontogeny.training.curriculum import Curriculum
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import SGD, AdamW, sent
from ontogeny.training.schedules import Cosine

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _a_gpu(monkeypatch):
    as_on_a_gpu(monkeypatch)


def frozen(call):
    """A graph that does nothing any more."""
    return lambda: None


class Told(Task):
    """Tokens, of which the last two count, with weights and the step as a latent."""

    @property
    def shape(self) -> Shape:
        return Shape(vocabulary=7, outputs=7, length=5, since=3)

    def sample(self, world, streams: Streams, size: int) -> Batch:
        tokens = streams.integers("tokens", (size, 6), 7)
        weights = torch.tensor([0.0, 0.0, 0.0, 1.0, 2.0]).expand(streams.members, size, 5)
        latents = {"step": streams.step(size).expand(streams.members, -1)}
        return Batch(inputs=tokens[..., :-1], targets=tokens[..., 1:], weights=weights, latents=latents)


def transformer(**changes) -> Training:
    return Training(
        factors=vary(lr=(1e-3, 1e-2, 3e-2)) * seeds(1),
        task=Told(),
        model=Transformer(layers=1, width=8, heads=2),
        optimizer=AdamW(lr=factor("lr"), clip=1.0, schedule=Cosine(updates=60, warmup=5)),
        batch=13,
        steps=60,
        at=every(20),
    ).replace(**changes)


def teacher(**changes) -> Training:
    return transformer(
        task=LinearTeacher(strengths=(2.0, 1.0), inputs=5, outputs=3),
        model=MLP(width=7),
        objective=SquaredError(),
    ).replace(**changes)


curriculum = Curriculum(
    stages=((0, teacher().task), (20, LinearTeacher(strengths=(3.0, 0.5), inputs=5, outputs=3))),
)


def opened(training: Training, graph=None, *, compiled: bool = False):
    cohort = training.open(training.factors.rows(), CPU, compiled)
    if graph is not None:
        cohort.capture(graph)
        assert not cohort.said
    return cohort


@pytest.mark.parametrize(
    "training",
    [
        transformer(),
        transformer(dtype="bf16"),
        teacher(task=curriculum),
        teacher(examples=13),
        teacher(examples=40),
        teacher(optimizer=SGD(lr=factor("lr"), momentum=0.9)),
    ],
    ids=["transformer", "bf16", "curriculum", "full batch", "epochs", "SGD"],
)
def test_records_and_states_are_those_of_updates_launched_one_by_one(training):
    ours, theirs = opened(training, again), opened(training)
    assert ours.learn != ours._learn
    for mine, other in zip(ours.records(), theirs.records(), strict=True):
        assert (mine.step, list(mine.values)) == (other.step, list(other.values))
        for name, array in mine.values.items():
            assert torch.equal(array.values, other.values[name].values), name
    for name, value in ours.state().items():
        assert torch.equal(value, theirs.state()[name]), name


def test_a_program_can_be_captured(monkeypatch):
    coming = TrainingCohort.coming  # as a GPU is sent them: a program insists on how they are laid out
    monkeypatch.setattr(TrainingCohort, "coming", lambda cohort: sent(coming(cohort), CPU))
    # A tape does not see into a program: here the stand-in for a graph is the call itself.
    ours, theirs = opened(teacher(), lambda call: call, compiled=True), opened(teacher(), compiled=True)
    for _ in range(AHEAD + 2):
        ours.update()
        theirs.update()
    assert torch.equal(torch.stack(ours.losses), torch.stack(theirs.losses))
    assert torch.equal(ours.population.flat, theirs.population.flat)


def test_a_diverging_member_is_frozen_and_harms_nobody():
    training = teacher(factors=vary(lr=(0.01, 1e30, 0.03)) * seeds(1), optimizer=SGD(lr=factor("lr")))
    ours, theirs = opened(training, again), opened(training)
    for cohort in (ours, theirs):
        for _ in range(40):
            cohort.update()
    assert ours.alive.tolist() == [True, False, True]
    assert torch.equal(ours.population.flat, theirs.population.flat)
    assert torch.stack(ours.losses)[-1].isfinite().tolist() == [True, False, True]


@pytest.mark.parametrize("done", [7, AHEAD, 3 * AHEAD - 1])
def test_it_goes_on_from_a_state_whenever_it_is_captured(done):
    theirs = opened(transformer())
    for _ in range(done):
        theirs.update()
    state = {name: value.clone() for name, value in theirs.state().items()}
    before, after = opened(transformer(), again), opened(transformer())
    for _ in range(5):
        before.update()  # elsewhere, with the graph there already
    before.restore(state)
    after.restore(state)
    after.capture(again)
    assert not after.said
    for cohort in (theirs, before, after):
        for _ in range(20):
            cohort.update()
    for ours in (before, after):
        assert torch.equal(ours.population.flat, theirs.population.flat)
        assert torch.equal(torch.stack(ours.losses[-20:]), torch.stack(theirs.losses[-20:]))


def waits(call):
    """A graph that cannot be recorded, after the call was made once."""
    call()
    raise RuntimeError("operation not permitted when stream is capturing\nand more lines")


@pytest.mark.parametrize(
    ("graph", "why"),
    [
        (waits, "RuntimeError: operation not permitted when stream is capturing"),
        (frozen, "CannotCapture: recorded, the drawing of data gives other data"),
    ],
)
def test_what_cannot_be_recorded_is_launched_one_by_one_and_says_so(graph, why):
    ours, theirs = opened(transformer()), opened(transformer())
    start = {name: value.clone() for name, value in ours.state().items()}
    ours.capture(graph)
    assert all(torch.equal(value, start[name]) for name, value in ours.state().items())
    assert ours.learn == ours._learn
    for _ in range(20):
        ours.update()
        theirs.update()
    assert torch.equal(ours.population.flat, theirs.population.flat)
    line = f"the drawing of data is launched operation by operation, and cannot be recorded: {why}"
    assert ours.progress()["said"] == line
    console = Console(file=StringIO(), record=True, width=200)
    watcher = RichWatcher(console)
    watcher.begin("main", [transformer().factors.rows()] * 2)
    for index in (0, 1):
        watcher.look(index, ours.progress())
    assert console.export_text().count(line) == 1


def test_memory_that_does_not_suffice_is_not_hidden():
    def full(call):
        raise torch.OutOfMemoryError("CUDA out of memory")

    cohort = opened(transformer())
    with pytest.raises(torch.OutOfMemoryError):
        cohort.capture(full)


def test_an_update_that_changes_other_numbers_is_not_used():
    """The loss before an update says nothing of what the update does."""

    def forgetful(call):
        def but_one():
            before = cohort.population.flat.clone()
            call()
            cohort.population.flat[1] = before[1]

        return but_one

    cohort = opened(transformer(examples=13))
    cohort.capture(forgetful)
    assert cohort.said.startswith("updates are launched operation by operation")
    assert cohort.said.endswith("CannotCapture: recorded, an update changes other numbers")
    cohort = opened(transformer(examples=40))
    cohort.capture(frozen)
    assert cohort.said.endswith("CannotCapture: recorded, an update gives another loss")


def test_numbers_in_code_are_sent_once():
    made = []

    def function(x):
        made.append(torch.tensor([1.0, 2.0]))
        return [x + made[-1] + torch.as_tensor(3.0) + torch.tensor(np.array([1.0, 1.0])).float()]

    captured = Captured(function, [torch.zeros(2)], again)
    assert captured(torch.ones(2))[0].tolist() == [6, 7]
    assert captured(torch.zeros(2))[0].tolist() == [5, 6]
    assert len({id(t) for t in made}) == 1
    assert len(captured.constants.sent) == 2, "of an array it cannot be told what is in it"


def test_a_drawing_gives_each_block_its_data():
    training = transformer()
    ours, theirs = opened(training, again), opened(training)
    for update in (0, 1, 15, 16, 100, 3):
        mine, other = ours.data.at(update), theirs.data.at(update)
        for a, b in zip(mine.tensors(), other.tensors(), strict=True):
            assert torch.equal(a, b)
        assert mine.latents["step"].unique().item() == update


def test_what_is_given_is_left_as_it_is():
    x = torch.arange(3.0)
    double = Captured(lambda x: [x.mul_(2)], [x], again)
    assert double(x)[0].tolist() == [0, 2, 4]
    assert double(x + 1)[0].tolist() == [2, 4, 6]
    assert x.tolist() == [0, 1, 2]


def test_columns_are_the_same_when_they_are_sent():
    cohort = opened(transformer())
    for here, there in zip(cohort.coming(), sent(cohort.coming(), CPU), strict=True):
        assert list(here) == list(there)
        assert all(torch.equal(here[name], there[name]) for name in here)
        assert {column.stride() for column in there.values()} == {(1, 1)}


def test_a_batch_is_made_of_its_tensors():
    batch = transformer().task.sample(None, Streams((1, 2)), 4)
    for given in (batch, replace(batch, weights=None, latents={})):
        other = given.made_of(t + 1 for t in given.tensors())
        assert torch.equal(other.targets, given.targets + 1)
        assert (other.weights is None) == (given.weights is None)
        assert list(other.latents) == list(given.latents)
