"""Compiled updates: what the operations one by one give, the law, and a way out where nothing can be compiled."""

import pytest
import torch
from torch import _inductor

from ontogeny import Training, every, factor, seeds, vary
from ontogeny.errors import CannotCompile
from ontogeny.models.mlp import MLP
from ontogeny.parts import PerMember
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.training import compiled
from ontogeny.training.objectives import Objective, SquaredError
from ontogeny.training.optimizers import AdamW

CPU = torch.device("cpu")


def teacher(**changes) -> Training:
    return Training(
        factors=vary(lr=(0.01, 0.1, 0.03)) * seeds(1),
        task=LinearTeacher(strengths=(2.0, 1.0), inputs=5, outputs=3),
        model=MLP(layers=2, width=7, activation="gelu"),
        objective=SquaredError(),
        optimizer=AdamW(lr=factor("lr"), clip=1.0),
        batch=13,
        steps=20,
        at=every(10),
    ).replace(**changes)


def after(training: Training, members: list[int], updates: int, compiled: bool):
    rows = training.factors.rows()
    cohort = training.open([rows[i] for i in members], CPU, compiled)
    for _ in range(updates):
        cohort.update()
    return cohort


def test_few_updates_agree_with_operations_one_by_one():
    ours, theirs = (after(teacher(), [0, 1, 2], 5, which) for which in (True, False))
    assert ours.learn != ours._learn, "nothing was compiled"
    torch.testing.assert_close(torch.stack(ours.losses), torch.stack(theirs.losses), rtol=1e-5, atol=1e-6)
    for name, table in ours.state().items():
        torch.testing.assert_close(table, theirs.state()[name], rtol=1e-4, atol=1e-5)


def test_a_member_has_its_bits_in_any_company():
    everyone = after(teacher(), [0, 1, 2], 20, True)
    for few in ([1], [2, 1]):
        some = after(teacher(), few, 20, True)
        assert torch.equal(torch.stack(some.losses, 1), torch.stack(everyone.losses, 1)[few])
        assert torch.equal(some.population.flat, everyone.population.flat[few])


class FixedBias(MLP):
    """An MLP whose output bias is drawn, and not trained."""

    def build(self, shape, streams):
        network = super().build(shape, streams)
        network.output.bias.data += streams.of("bias").normal("fixed", (shape.outputs,))
        network.output.bias.requires_grad_(False)
        return network


def test_what_is_not_trained_stays_as_it_is_and_is_each_members_own():
    training = teacher(model=FixedBias(layers=2, width=7), factors=vary(lr=(0.01,)) * seeds(3))
    ours, theirs = (after(training, [0, 1, 2], 5, which) for which in (True, False))
    assert ours.learn != ours._learn, "nothing was compiled"
    torch.testing.assert_close(torch.stack(ours.losses), torch.stack(theirs.losses), rtol=1e-5, atol=1e-6)
    bias = ours.population.network.output.bias
    assert torch.equal(bias, theirs.population.network.output.bias)
    assert not torch.equal(bias[0], bias[1])
    one = after(training, [2], 5, True)
    assert torch.equal(torch.stack(one.losses, 1), torch.stack(ours.losses, 1)[2:])


def test_a_diverging_member_is_frozen_and_harms_nobody():
    training = teacher(factors=vary(lr=(0.01, 1e30, 0.03)) * seeds(1))
    cohort = after(training, [0, 1, 2], 20, True)
    assert cohort.alive.tolist() == [True, False, True]
    sane = after(teacher(), [0, 1, 2], 20, True)
    assert torch.equal(cohort.population.flat[[0, 2]], sane.population.flat[[0, 2]])


def test_cohorts_of_one_trace_share_a_program(monkeypatch):
    monkeypatch.setattr(compiled, "_programs", {})
    first = after(teacher(), [0, 1], 3, True)
    second = after(teacher(), [1, 2], 3, True)
    longer = after(teacher(steps=30, at=every(7)), [1, 2], 3, True)
    assert len(compiled._programs) == 1
    assert torch.equal(first.population.flat[1], second.population.flat[0])
    assert torch.equal(second.population.flat, longer.population.flat)


class Peeking(Objective):
    """Decides in Python what to do by what it sees."""

    def __call__(self, outputs, batch):
        error = (outputs - batch.targets).square().sum((1, 2))
        return error if error.sum() > 0 else 2 * error


class Weighing(SquaredError):
    """A squared error of a weight a member."""

    weight: PerMember = 1.0

    def __call__(self, outputs, batch):
        return super().__call__(outputs, batch) * self.weight


def test_a_program_never_holds_numbers_of_its_members():
    training = teacher(factors=vary(lr=(0.01, 0.1), weight=(1.0, 2.0)) * seeds(1))
    with pytest.raises(CannotCompile, match="holds a tensor of its members"):
        after(training.replace(objective=Weighing(weight=factor("weight"))), [0, 1], 1, True)


def test_what_cannot_be_traced_says_why():
    with pytest.raises(CannotCompile, match=r"\w+: \w+"):
        after(teacher(objective=Peeking()), [0, 1], 1, True)


def test_without_a_compiler_it_says_why(monkeypatch):
    def none(*_, **__):
        raise RuntimeError("no compiler found\nand more lines")

    monkeypatch.setattr(_inductor, "compile", none)
    monkeypatch.setattr(compiled, "_programs", {})
    with pytest.raises(CannotCompile, match="RuntimeError: no compiler found$"):
        after(teacher(), [0, 1], 1, True)


def test_short_trainings_are_not_compiled():
    training = teacher()
    assert not training.pays_to_compile([training.factors.rows()], CPU)
    assert teacher(steps=10**8).pays_to_compile([training.factors.rows()], CPU)
