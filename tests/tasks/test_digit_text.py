"""Oracles: Python's own decimal digits, and a text of a task that is there."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.interventions.token_edit import TokenEdit
from ontogeny.streams import Streams
from ontogeny.tasks.balanced_comparison import BalancedComparison
from ontogeny.tasks.digit_text import digits_of, listed, number_of, places_of


def test_digits_are_those_that_python_writes(seed):
    numbers = torch.randint(0, 10_000, (3, 50), generator=torch.Generator().manual_seed(seed))
    digits = digits_of(numbers, 4)
    assert ["".join(map(str, row)) for row in digits[0].tolist()] == [f"{n:04d}" for n in numbers[0].tolist()]
    assert torch.equal(number_of(digits), numbers)
    assert digits_of(torch.tensor(1234), 2).tolist() == [3, 4]  # the last two


def test_places_and_lists_are_named_as_they_are_read():
    assert places_of(3) == ("hundreds", "tens", "units")
    assert listed(2, 2, "+") == ["a.tens", "a.units", "+", "b.tens", "b.units"]
    assert listed(1, 2, "+", mark="'") == ["a'.tens", "a'.units"]


def test_roles_say_where_an_edit_takes_hold(seed):
    task = BalancedComparison(digits=2)
    assert task.roles == {"a.tens": 0, "a.units": 1, "b.tens": 3, "b.units": 4, "relation": 6}
    assert task.options("b.units") == range(10)
    assert "".join(task.text(torch.tensor([token])) for token in task.options("relation")) == "><="
    inputs = task.sample(None, Streams((seed,)), 200).inputs
    edited = TokenEdit(role="b.units")(task, inputs, Streams((seed,)).of("edit"))
    assert (edited != inputs).any(1)[0].tolist() == [False] * 4 + [True, False]
    assert (edited[..., 4] != inputs[..., 4]).all()
    assert set(edited[..., 4].unique().tolist()) == set(range(10))


def test_unknown_roles_are_refused():
    with pytest.raises(UserError, match=r"no role 'b\.unit' in this text: did you mean 'b\.units'"):
        BalancedComparison().position("b.unit")
