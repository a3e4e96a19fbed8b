"""The training loop: against plain PyTorch step by step, alone and in company, interrupted and diverging."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from ontogeny import Training, at, every, factor, seeds, vary
from ontogeny.errors import UserError
from ontogeny.models.mlp import MLP
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.training.curriculum import Curriculum
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import SGD, AdamW
from ontogeny.training.schedules import Warmup

CPU = torch.device("cpu")


class Tokens(Task):
    """Uniform tokens."""

    vocabulary: int = 7
    length: int = 5

    @property
    def shape(self) -> Shape:
        return Shape(vocabulary=self.vocabulary, outputs=self.vocabulary, length=self.length)

    def sample(self, world, streams: Streams, size: int) -> Batch:
        tokens = streams.integers("tokens", (size, self.length + 1), self.vocabulary)
        return Batch(inputs=tokens[..., :-1], targets=tokens[..., 1:])


def transformer(**changes) -> Training:
    return Training(
        factors=vary(lr=(1e-3, 1e-2, 3e-2)) * seeds(1),
        task=Tokens(),
        model=Transformer(layers=1, width=8, heads=2),
        optimizer=AdamW(lr=factor("lr"), clip=1.0),
        batch=13,
        steps=20,
        at=every(10),
    ).replace(**changes)


def teacher(**changes) -> Training:
    return Training(
        factors=vary(lr=(0.01, 0.1)) * seeds(3),
        task=LinearTeacher(strengths=(2.0, 1.0), inputs=5, outputs=3),
        model=MLP(layers=2, width=7, activation="tanh"),
        objective=SquaredError(),
        optimizer=SGD(lr=factor("lr"), momentum=0.5),
        batch=6,
        steps=40,
        at=every(20),
    ).replace(**changes)


def finish(training: Training, rows, compiled=False):
    cohort = training.open(rows, CPU, compiled)
    records = list(cohort.records())
    losses = torch.cat([r.values["train_loss"].values for r in records if "train_loss" in r.values], 1)
    return losses, cohort


@pytest.mark.parametrize("make", [transformer, teacher])
@pytest.mark.parametrize("company", [[1], [0, 1], [2, 1, 0]])
def test_a_trajectory_does_not_depend_on_company(make, company):
    training = make()
    rows = training.factors.rows()
    together, population = finish(training, rows)
    some, cohort = finish(training, [rows[i] for i in company])
    assert torch.equal(some, together[company])
    assert torch.equal(cohort.population.flat, population.population.flat[company])


def test_a_member_follows_plain_pytorch():
    training = teacher(dtype="float64")
    rows = training.factors.rows()
    cohort = training.open(rows, CPU)
    member, row = 4, rows[4]
    single = cohort.population.member(member)
    optimizer = torch.optim.SGD(single.parameters(), lr=row["lr"], momentum=0.5)
    losses, trained = finish(training, rows)
    for update in range(training.steps):
        batch = cohort.data.at(update)
        loss = ((single(batch.inputs[member]) - batch.targets[member]) ** 2).sum(-1).mean() / 2
        assert loss.item() == pytest.approx(losses[member, update].item(), rel=1e-9)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    expected = torch.cat([p.detach().flatten() for p in single.parameters()])
    got = torch.cat([p[member].flatten() for p in trained.population.parameters().values()])
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("stop", [1, 3])
def test_an_interrupted_training_goes_on_bit_for_bit(stop):
    training = transformer()
    rows = training.factors.rows()
    whole, reference = finish(training, rows)
    first = training.open(rows, CPU)
    records = first.records()
    losses = [r.values["train_loss"].values for r in islice(records, stop) if "train_loss" in r.values]
    state = {name: value.clone() for name, value in first.state().items()}
    second = training.open(rows, CPU)
    second.restore(state)
    losses += [r.values["train_loss"].values for r in second.records() if "train_loss" in r.values]
    assert torch.equal(torch.cat(losses, 1), whole)
    assert torch.equal(second.population.flat, reference.population.flat)


def test_a_diverging_member_is_frozen_and_the_others_untouched():
    training = teacher(factors=vary(lr=(0.01, 1e12)) * seeds(2), steps=30, at=every(10))
    rows = training.factors.rows()
    losses, cohort = finish(training, rows)
    calm, alone = finish(training, rows[:2])
    assert cohort.alive.tolist() == [True, True, False, False]
    assert torch.equal(losses[:2], calm)
    assert torch.equal(cohort.population.flat[:2], alone.population.flat)
    assert cohort.population.flat.isfinite().all()
    last = next(r for r in training.open(rows, CPU).records() if r.step == 30)
    assert last.values["diverged"].values.tolist() == [False, False, True, True]


def test_full_batch_training_sees_the_same_examples_at_every_update():
    cohort = teacher(examples=6).open(teacher().factors.rows(), CPU)
    assert torch.equal(cohort.data.at(0).inputs, cohort.data.at(17).inputs)


def test_an_epoch_uses_every_example_once():
    training = teacher(examples=18)
    cohort = training.open(training.factors.rows(), CPU)
    first = torch.cat([cohort.data.at(update).inputs for update in (0, 1, 2)], 1)
    second = torch.cat([cohort.data.at(update).inputs for update in (3, 4, 5)], 1)

    def ordered(x):
        return torch.stack([member[member[:, 0].argsort()] for member in x])

    assert torch.equal(ordered(first), ordered(second))
    assert not torch.equal(first, second)


def test_a_curriculum_changes_the_task_at_its_step():
    task = Curriculum(
        stages=(
            (0, LinearTeacher(strengths=(0.0,), inputs=5, outputs=3)),
            (20, LinearTeacher(strengths=(3.0,), inputs=5, outputs=3)),
        )
    )
    training = teacher(task=task, optimizer=SGD(lr=0.0), model=MLP(layers=1, bias=False, init_scale=0.0))
    losses, _ = finish(training, seeds(2).rows())
    # The network answers 0, so the loss is |y|^2 / 2: exactly 0 under the first teacher, not under the second.
    assert (losses[:, :20] == 0).all()
    assert (losses[:, 20:] > 0).all()


def test_measured_steps():
    assert every(10).upto(25) == (0, 10, 20, 25)
    assert at(3, 99).upto(10) == (3, 10)
    cohort = transformer().open(transformer().factors.rows(), CPU)
    assert [r.step for r in cohort.records() if r.step is not None] == [0, 10, 20]


def test_chunks_cover_every_row_once():
    training = transformer(factors=vary(lr=tuple(np.linspace(1e-3, 1e-2, 7).tolist())) * seeds(3))
    plan = training.plan(training.factors.rows(), CPU)
    assert sorted(i for cohort in plan for i in cohort) == list(range(21))


def test_structural_factors_split_populations_and_stacked_ones_do_not():
    training = Training(
        factors=vary(width=(8, 16), lr=(0.1, 0.2)) * seeds(2),
        task=Tokens(),
        model=Transformer(layers=1, width=factor("width"), heads=2),
        optimizer=AdamW(lr=factor("lr")),
        batch=4,
        steps=2,
    )
    assert training.populations(training.factors.rows()) == [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(batch=0), "batch of 1 or more"),
        (dict(examples=3), "batch of 13 does not fit into 3 examples"),
        (dict(dtype="float8"), "no dtype 'float8': known: float32, float64"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        transformer().replace(factors=seeds(1), optimizer=AdamW(lr=1e-3), **changes)


def test_a_width_that_does_not_divide_names_the_member():
    training = transformer(factors=vary(width=(8, 9)) * seeds(1), optimizer=AdamW(lr=1e-3)).replace(
        model=Transformer(layers=1, width=factor("width"), heads=2)
    )
    with pytest.raises(UserError, match=r"width 9 is not divisible by 2 heads.*width=9, seed=1000"):
        training.plan(training.factors.rows(), CPU)


class Told(Tokens):
    """Uniform tokens, of which the last two count."""

    told: bool = True  # that targets before them weigh nothing

    @property
    def shape(self) -> Shape:
        return replace(super().shape, since=3 if self.told else 0)

    def sample(self, world, streams: Streams, size: int) -> Batch:
        batch = super().sample(world, streams, size)
        weights = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0]).expand(batch.targets.shape)
        return replace(batch, weights=weights)


@pytest.mark.parametrize(("examples", "compiled"), [(None, False), (13, False), (26, False), (None, True)])
def test_what_does_not_count_is_left_out(examples, compiled):
    """The losses and weights of a training in which all positions are worked out, in float64."""
    found = []
    for told in (True, False):
        training = transformer(task=Told(told=told), dtype="float64", examples=examples)
        found.append(finish(training, training.factors.rows(), compiled))
    (losses, short), (expected, whole) = found
    torch.testing.assert_close(losses, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(short.population.flat, whole.population.flat, rtol=1e-6, atol=1e-8)
    assert (short.data.at(0).targets.shape[2], whole.data.at(0).targets.shape[2]) == (2, 5)


def test_a_network_without_positions_is_refused():
    training = transformer(task=Told(), model=MLP(width=8))
    with pytest.raises(UserError, match="answer at every position"):
        training.open(training.factors.rows(), CPU)


def test_going_back_begins_the_schedule_anew():
    training = transformer(optimizer=AdamW(lr=1e-2, schedule=Warmup(updates=20)))
    cohort = training.open(training.factors.rows(), CPU)
    start = {name: value.clone() for name, value in cohort.state().items()}
    found = []
    for _ in range(2):
        cohort.restore(start)
        for _ in range(5):
            cohort.update()
        found.append(cohort.population.flat.clone())
    assert torch.equal(*found)
