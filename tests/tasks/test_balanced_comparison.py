"""Oracles: Python's comparison, the rates of the groups, and what each kind of pair has to share."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.balanced_comparison import BalancedComparison


def texts(task, batch):
    tokens = torch.cat([batch.inputs, batch.targets[..., -1:]], -1)
    return [task.text(row) for row in tokens.flatten(0, 1)]


def right(text):
    numbers, relation = text.split("#")
    a, b = numbers.split(",")
    return relation == (">" if int(a) > int(b) else "<" if int(a) < int(b) else "=")


def test_relations_are_true(seed):
    task = BalancedComparison(digits=3)
    batch = task.sample(None, Streams((seed, seed + 1)), 100)
    assert all(map(right, texts(task, batch)))
    assert {text[-1] for text in texts(task, batch)} == set("><=")
    assert batch.weights[0, 0].tolist() == [0] * 7 + [1]
    assert task.text(task.write(torch.tensor([4, 0, 7]), torch.tensor([4, 1, 0]))) == "407,410#<"


def test_groups_come_equally_often_and_share_what_they_should():
    n = 100 * 500
    batch = BalancedComparison().sample(None, Streams(tuple(range(100))), 500)
    shared = batch.latents["shared"]
    counts = torch.bincount(shared.flatten(), minlength=5) / n
    assert (counts - 0.2).abs().max() < 4 * math.sqrt(0.16 / n)
    same = batch.latents["a"] == batch.latents["b"]
    for group in range(5):
        rows = same[shared == group]
        assert rows[:, :group].all()
        if group < 4:  # the others coincide one time in ten
            rate = rows[:, group:].double().mean().item()
            assert rate == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / rows[:, group:].numel()))


def test_free_and_balanced_members_stand_side_by_side(seed):
    alone = [BalancedComparison(balanced=share) for share in (1.0, 0.0)]
    together = stack(alone).sample(None, Streams((seed, seed)), 200)
    for i, task in enumerate(alone):
        assert torch.equal(together.inputs[i], task.sample(None, Streams((seed,)), 200).inputs[0])
    assert (together.latents["shared"][1] == 0).all()
    assert torch.equal(together.latents["a"][0], together.latents["a"][1])
    measured, _ = alone[1].evaluated(None)
    assert (measured.sample(None, Streams((seed,)), 200).latents["shared"] > 0).any()


@pytest.mark.parametrize("place", range(4))
def test_a_place_decides(place, seed):
    task = BalancedComparison()
    streams = Streams((seed, seed + 1))
    for batch, after in ((task.deciding(streams, 400, place), False), (task.contrast(streams, 400, place), True)):
        same = batch.latents["a"] == batch.latents["b"]
        assert same[..., :place].all()
        assert not same[..., place].any()
        assert same[..., place + 1 :].all() == (after or place == 3)
        decides = batch.latents["a"][..., place] > batch.latents["b"][..., place]
        assert torch.equal(batch.targets[..., -1] == task.token(">"), decides)
        assert all(map(right, texts(task, batch)))
    others = task.contrast(streams, 400, place).latents
    assert len(((others["b"] - others["a"])[..., place] % 10).unique()) == 9


def test_identical_pairs_and_refusals(seed):
    task = BalancedComparison(digits=2)
    assert {text[-1] for text in texts(task, task.identical(Streams((seed,)), 20))} == {"="}
    with pytest.raises(UserError, match="numbers of 2 digits have no place 2: use 0 to 1"):
        task.deciding(Streams((seed,)), 10, 2)
    with pytest.raises(UserError, match=r"balanced is a share of the pairs, got 1\.5"):
        BalancedComparison(balanced=1.5)
    with pytest.raises(UserError, match="digits can be compared, got 0"):
        BalancedComparison(digits=0)
