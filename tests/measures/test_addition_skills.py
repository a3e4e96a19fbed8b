"""Oracles: adders whose way of guessing is known, exact laws of sums, and writing character by character."""

import math

import pytest
import torch
from adders import Adder, checkpoint, constant, correlated, right

from ontogeny.errors import UserError
from ontogeny.measures.addition_skills import PlaceErrors, UnitsInformation, WrittenSums, standard_deviation
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.addition_predictors import constant_error, digit_information, error_from_leading
from ontogeny.tasks.balanced_comparison import BalancedComparison
from ontogeny.tasks.digit_text import digits_of, number_of
from ontogeny.tasks.multi_operand_addition import MultiOperandAddition

ITEMS = 3_000


def orders(*numbers):
    return stack([MultiOperandAddition(order=number) for number in numbers])


@pytest.mark.parametrize("order", [123, 321, 231])
def test_errors_and_information_of_known_adders(order, seed):
    task = orders(order, order, order)
    found = PlaceErrors(items=ITEMS)(checkpoint(task, Adder(task, right, constant, correlated), seed))
    errors, information = found["place_error"].values, found["information"].values
    assert errors[0].tolist() == [0, 0, 0]
    known = constant_error(4, 2)  # of which 1 is the best constant at the hundreds
    for member, expected in ((1, known), (2, error_from_leading(4, 2))):
        for got, p in zip(errors[member].tolist(), expected, strict=True):
            assert got == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / ITEMS))
    assert found["constant_error"].values[2].tolist() == known.tolist()
    data = digit_information(4, 2)
    assert found["data_information"].values[0].tolist() == data.tolist()
    # Of four operands with 3,000 sums each, which do not depend on each other much: 3 sigma is about 0.015.
    assert information[0] == pytest.approx(data, abs=0.02)
    assert information[1] == pytest.approx(0 * data, abs=1e-12)
    # Guessing from the leading digits alone gives the hundreds exactly the information that is in the data.
    assert information[2, 0, 0].item() == pytest.approx(data[0, 0], abs=0.02)
    assert found["information"].coords == {"input_place": ("tens", "units"), "place": ("hundreds", "tens", "units")}


def test_members_of_different_orders_are_read_by_place(seed):
    task = orders(123, 321, 213)
    found = PlaceErrors(items=300)(checkpoint(task, Adder(task, right, correlated, correlated), seed))
    assert found["place_error"].values[0].tolist() == [0, 0, 0]
    assert (found["place_error"].values[1:, 0] < 0.1).all()
    assert (found["place_error"].values[1:, 2] > 0.8).all()
    units = UnitsInformation(contexts=20)(checkpoint(task, Adder(task, right, constant, correlated), seed))
    assert units["units_information"].values.tolist() == pytest.approx([math.log(10), 0, 0], abs=1e-5)


def zeros(task, seed):
    """An untrained network for which all characters are equally likely: the first, 0, is written."""
    network = Transformer(layers=1, width=16, heads=2).build(task.shape, Streams((seed,)).of("init"))
    network.unembed.weight.data.zero_()
    return Population(network)


def test_written_zeros_are_off_by_the_whole_sum(seed):
    task = MultiOperandAddition(operands=3, digits=2, scratchpad=True)
    found = WrittenSums(items=4_000)(checkpoint(task, zeros(task, seed), seed))
    width = math.sqrt(3 * (100**2 - 1) / 12)  # of three uniform numbers
    assert found["sum_width"].values.item() == pytest.approx(width, rel=4 / math.sqrt(2 * 4_000))
    assert found["written_error"].values[0, 1:].tolist() == pytest.approx([0.9, 0.9], abs=4 * math.sqrt(0.09 / 4_000))


@pytest.mark.parametrize("fields", [dict(order=231), dict(order=321, scratchpad=True)])
def test_sums_are_written_one_character_after_the_other(fields, seed):
    task = MultiOperandAddition(operands=2, **fields)
    network = Transformer(layers=2, width=16, heads=2, init_scale=3.0).build(task.shape, Streams((seed,)).of("init"))
    at = checkpoint(task, Population(network), seed)
    found = WrittenSums(items=40)(at)
    batch = task.sample(None, at.streams.of("written sums"), 40)
    tokens = batch.inputs[..., : task.prompt_length]
    for word in task.words[task.prompt_length : -1]:
        with torch.no_grad():
            guess = at.population(tokens)[:, :, -1, :10].argmax(-1)
        guess = torch.full_like(guess, task.token(word)) if word in task.symbols else guess
        tokens = torch.cat([tokens, guess[..., None]], -1)
    sums = number_of(task.by_place(tokens[..., -task.width :]))
    wrong = digits_of(sums, task.width) != digits_of(batch.latents["sum"], task.width)
    assert found["written_error"].values[0].tolist() == pytest.approx(wrong[0].double().mean(0).tolist())
    expected = (sums - batch.latents["sum"])[0].double().std(correction=0).item()
    assert found["sum_width"].values.item() == pytest.approx(expected)


def test_standard_deviation_by_hand():
    assert standard_deviation(torch.tensor([[1.0, 3.0], [2.0, 2.0]])).tolist() == [1, 0]


def test_other_tasks_are_refused():
    task = BalancedComparison()
    for measure in (PlaceErrors(), UnitsInformation(), WrittenSums()):
        with pytest.raises(UserError, match="this measure reads sums: it needs MultiOperandAddition, got Balanced"):
            measure(checkpoint(task, zeros(task, 0)))
