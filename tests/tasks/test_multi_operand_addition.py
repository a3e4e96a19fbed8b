"""Oracles: sums written by hand, Python's addition, and the rate of a uniform digit."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.digit_text import digits_of
from ontogeny.tasks.multi_operand_addition import MultiOperandAddition

OPERANDS = torch.tensor([37, 2, 89, 15])  # 143; units 7 + 2 + 9 + 5 = 23, tens 3 + 0 + 8 + 1 + 2 carried = 14


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (dict(), "37+02+89+15=143$"),
        (dict(order=123), "37+02+89+15=143$"),
        (dict(order=321), "37+02+89+15=341$"),
        (dict(order=231), "37+02+89+15=431$"),  # tens, units, hundreds: not its own inverse
        (dict(scratchpad=True), "37+02+89+15=23,14#143$"),
        (dict(digits=3, order=4321), "037+002+089+015=3410$"),
    ],
)
def test_texts_by_hand(fields, text):
    task = MultiOperandAddition(**fields)
    tokens = task.write(OPERANDS)
    assert task.text(tokens) == text
    assert len(text) == task.length == len(task.words) == task.shape.length + 1
    assert text[: task.prompt_length][-1] == "="
    assert text[-task.answer - 1] == "="
    width = task.width
    assert task.by_place(tokens[-width - 1 : -1]).tolist() == digits_of(OPERANDS.sum(), width).tolist()
    for role, value in {"b.units": 2, "sum.tens": 4, "sum.hundreds": 1, "sum.units": 3}.items():
        assert tokens[task.position(role)] == value, role


def test_scratchpad_roles():
    task = MultiOperandAddition(scratchpad=True, order=321)
    tokens = task.write(OPERANDS)
    roles = ("units.carry", "units.digit", "tens.carry", "tens.digit", "sum.units")
    assert [tokens[task.position(role)].item() for role in roles] == [2, 3, 1, 4, 3]


def test_samples_are_sums_and_the_answer_counts(seed):
    task = MultiOperandAddition(operands=3, digits=3, order=4321)
    batch = task.sample(None, Streams((seed, seed + 1)), 50)
    text = task.text(torch.cat([batch.inputs[1, 7], batch.targets[1, 7, -1:]]))
    prompt, answer = text.split("=")
    assert int(answer[:-1][::-1]) == sum(map(int, prompt.split("+"))) == batch.latents["sum"][1, 7]
    assert batch.weights[0, 0].tolist() == [0] * 11 + [1] * 5
    assert torch.equal(batch.inputs[..., 1:], batch.targets[..., :-1])


@pytest.mark.parametrize(("place", "options"), [(1, 4), (2, 10), (3, 10)])
def test_one_digit_is_meaningless_and_the_others_are_true(place, options):
    task = MultiOperandAddition(randomised=place)
    n = 100 * 400
    batch = task.sample(None, Streams(tuple(range(100))), 400)
    written = batch.targets[..., -4:-1]
    true = digits_of(batch.latents["sum"], 3)
    others = [i for i in range(3) if i != place - 1]
    assert torch.equal(written[..., others], true[..., others])
    counts = torch.bincount(written[..., place - 1].flatten(), minlength=10)
    assert counts[options:].sum() == 0
    assert (counts[:options] / n - 1 / options).abs().max() < 4 * math.sqrt(1 / options / n)
    same = (written == true)[..., place - 1].double().mean().item()
    if place > 1:  # what is uniform and independent is right one time in ten
        assert same == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / n))
    measured, _ = task.evaluated(None)
    assert torch.equal(measured.sample(None, Streams((5,)), 20).targets[..., -4:-1][0], digits_of(
        measured.sample(None, Streams((5,)), 20).latents["sum"][0], 3
    ))  # fmt: skip


def test_conditions_stand_in_one_population_and_share_their_operands(seed):
    rows = [dict(), dict(order=321), dict(order=213, randomised=1), dict(randomised=3)]
    alone = [MultiOperandAddition(**{"order": 123, **row}) for row in rows]
    task = stack(alone)
    together = task.sample(None, Streams((seed,) * 4), 30)
    laws = torch.rand(4, 30, 3, 10, generator=torch.Generator().manual_seed(seed))
    for i, one in enumerate(alone):
        own = one.sample(None, Streams((seed,)), 30)
        assert torch.equal(together.inputs[i], own.inputs[0])
        assert torch.equal(together.targets[i], own.targets[0])
        assert torch.equal(together.latents["operands"][i], together.latents["operands"][0])
        assert torch.equal(task.by_place(laws.mT).mT[i], one.by_place(laws[i].mT).mT)
    assert task.shape == alone[0].shape
    with pytest.raises(UserError, match="members write in different orders"):
        task.position("sum.tens")


def test_bad_values_are_refused():
    with pytest.raises(UserError, match=r"order=122 does not name all digits of the sum: use 123, or 321"):
        MultiOperandAddition(order=122)
    with pytest.raises(UserError, match="order=1234 does not name"):
        MultiOperandAddition(order=1234)
    with pytest.raises(UserError, match=r"randomised is 0 \(none\) to 3, the units, got 4"):
        MultiOperandAddition(randomised=4)
    with pytest.raises(UserError, match="got 11 of 2"):
        MultiOperandAddition(operands=11)
