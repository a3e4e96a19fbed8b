"""Oracles: Python's sort, rates of lengths and groups, and the digits that have to contradict each other."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.balanced_sorting import BalancedSorting
from ontogeny.tasks.digit_text import digits_of

TASK = BalancedSorting()


def test_texts_are_sorted(seed):
    batch = TASK.sample(None, Streams((seed, seed + 1)), 50)
    tokens = torch.cat([batch.inputs, batch.targets[..., -1:]], -1)
    for row in tokens.flatten(0, 1):
        asked, answered = TASK.text(row).rstrip("$").split("#")
        assert sorted(asked.split(",")) == answered.split(",")
    assert batch.weights[0, 0].tolist() == [0] * 19 + [1] * 20
    numbers = torch.tensor([417, 4031, 4502, 440])
    text = TASK.text(TASK.write(numbers, numbers.sort().values))
    assert text == "0417,4031,4502,0440#0417,0440,4031,4502$"
    assert TASK.position("b'.hundreds") == text.index("440", 20)


def test_lengths_and_groups_come_at_their_rates():
    n = 100 * 300
    batch = TASK.sample(None, Streams(tuple(range(100))), 300)
    numbers, shared = batch.latents["numbers"], batch.latents["shared"]
    assert ((numbers >= 100) & (numbers < 10_000)).all()
    short = numbers < 1_000
    assert short.double().mean().item() == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / (4 * n)))
    counts = torch.bincount(shared.flatten(), minlength=3) / n
    assert (counts - 1 / 3).abs().max() < 4 * math.sqrt(2 / 9 / n)
    head = torch.where(short, numbers * 10, numbers) // 100  # the first two digits, whatever the length
    same = (head == head[..., :1]).all(-1)
    first = (head // 10 == head[..., :1] // 10).all(-1)
    assert same[shared == 2].all()
    assert first[shared == 1].all()
    assert same[shared == 1].double().mean() < 0.01  # all of three free digits alike: one in 1,000
    assert first[shared == 0].double().mean() < 0.01


@pytest.mark.parametrize("kind", ["conflicting", "agreeing"])
def test_digits_contradict_each_other_or_do_not(kind, seed):
    batch = TASK.conflict(Streams((seed, seed + 1)), 200, kind)
    numbers = batch.latents["numbers"]
    assert (numbers[..., 0] == 1_000).all()
    assert (numbers[..., 3] == 9_999).all()
    low, high = digits_of(batch.latents["ordered"][..., 1:3], 4).unbind(-2)
    assert torch.equal(low[..., 0], high[..., 0])
    assert torch.equal(low[..., 2], high[..., 2])
    assert (low[..., 1] < high[..., 1]).all()
    assert ((low[..., 3] > high[..., 3]) if kind == "conflicting" else (low[..., 3] < high[..., 3])).all()
    turned = (numbers[..., 1] > numbers[..., 2]).double().mean().item()
    assert turned == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / 400))


def test_another_kind_is_refused():
    with pytest.raises(UserError, match="conflicting or agreeing, got 'conflict'"):
        TASK.conflict(Streams((0,)), 5, "conflict")
