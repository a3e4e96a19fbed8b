"""Oracles: networks that look at some of the places only."""

import math

import pytest
import torch
from adders import HIGH, checkpoint
from torch import nn

from ontogeny.errors import UserError
from ontogeny.measures.comparison_skills import ComparisonSkills
from ontogeny.tasks.balanced_comparison import BalancedComparison
from ontogeny.tasks.digit_text import number_of
from ontogeny.tasks.multi_operand_addition import MultiOperandAddition

TASK = BalancedComparison()


class Looker(nn.Module):
    """Each member compares the first so many digits, and what they leave equal it takes for equal."""

    def __init__(self, *looks):
        super().__init__()
        self.looks = looks
        self.nothing = nn.Parameter(torch.zeros(len(looks), 1))

    def forward(self, tokens, since=0):
        a, b = tokens[..., :4], tokens[..., 5:9]
        out = torch.zeros(*tokens.shape, TASK.shape.outputs)
        for i, look in enumerate(self.looks):
            one, other = number_of(a[i, :, :look]), number_of(b[i, :, :look])
            relation = torch.where(one > other, 0, torch.where(one < other, 1, 2)) + TASK.token(">")
            out[i, :, -1] = torch.nn.functional.one_hot(relation, TASK.shape.outputs) * HIGH
        return out[:, :, since:]


def test_what_is_looked_at_is_right(seed):
    found = ComparisonSkills(pairs=50, contrast=30)(checkpoint(TASK, Looker(4, 2, 0), seed))
    for name in ("deciding_accuracy", "contrast_accuracy"):
        assert found[name].values.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]], name
    assert found["contrast_equal"].values.tolist() == [[0, 0, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1]]
    assert found["equal_accuracy"].values.tolist() == [1, 1, 1]
    assert found["deciding_accuracy"].coords["place"] == ("thousands", "hundreds", "tens", "units")


def test_later_digits_are_free_where_a_place_decides(seed):
    class Last(Looker):
        def forward(self, tokens, since=0):  # looks at the units alone
            units = torch.cat([tokens[..., 3:4]] * 4 + [tokens[..., :1]] + [tokens[..., 8:9]] * 5, -1)
            return super().forward(units, since)

    found = ComparisonSkills(pairs=2_000, contrast=30)(checkpoint(TASK, Last(4), seed))
    tens, units = found["deciding_accuracy"].values[0, 2:].tolist()
    assert units == 1
    assert tens == pytest.approx(0.45, abs=4 * math.sqrt(0.25 / 2_000))  # free units: 0.1 equal, and half of the rest
    assert found["contrast_accuracy"].values[0].tolist() == [0, 0, 0, 1]


def test_other_tasks_are_refused():
    with pytest.raises(UserError, match="this measure compares numbers"):
        ComparisonSkills()(checkpoint(MultiOperandAddition(), Looker(1)))
