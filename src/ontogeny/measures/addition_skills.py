"""Addition skills: which digits of a sum a network gets right, and which digits of the operands it has them from."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.average import average
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.predicted_information import context_information, excess_information
from ontogeny.models.generate import Choose, generate
from ontogeny.tasks.addition_predictors import constant_error, digit_information
from ontogeny.tasks.digit_text import digits_of, number_of, places_of
from ontogeny.tasks.multi_operand_addition import MultiOperandAddition


def addition_task(at: Checkpoint) -> MultiOperandAddition:
    """The task of a checkpoint, which has to be one of sums.

    Raises: `UserError` for any other task.
    """
    if not isinstance(at.task, MultiOperandAddition):
        raise UserError(f"this measure reads sums: it needs MultiOperandAddition, got {type(at.task).__name__}")
    return at.task


def sum_outputs(
    at: Checkpoint, task: MultiOperandAddition, tokens: Int[Tensor, "member sample position"]
) -> Float[Tensor, "member sample place option"]:
    """Outputs for every digit of the sum, by place, given the text before it as it is (teacher-forced)."""
    before = tokens[..., :-2]  # nothing follows the sum but its end
    return task.by_place(at.population(before, before.shape[-1] - task.width).mT).mT


def standard_deviation(values: Float[Tensor, "*member sample"]) -> Float[Tensor, "*member"]:
    """The root mean square distance from the mean."""
    away = values - average(values)[..., None]
    return average(away.square()).sqrt()


class PlaceErrors(Measure):
    """Errors at every place of the sum on `items` held-out sums, and what the guessed digits depend on.

    By place of the sum, the most significant first:

    - `place_error`: share of sums whose digit there is wrong, given the digits written before it as they should be;
      `constant_error` is that of the best constant digit.
    - `information`, by the place in an operand too: I(that digit of one operand; predicted digit) in nats, mean over
      operands, with the estimate from `shuffles` shuffled orders taken away; `data_information` is that of the sum.

    Digits alone are compared. Cost: a forward pass over `items` texts.
    """

    items: int = 600
    shuffles: int = 4

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """All of it at one checkpoint."""
        task = addition_task(at)
        operands = at.batch("place errors", self.items).latents["operands"]
        laws = torch.softmax(sum_outputs(at, task, task.write(operands))[..., :10].double(), -1)
        wrong = laws.argmax(-1) != digits_of(operands.sum(-1), task.width)
        orders = at.streams.of("place errors").permutation("shuffled", (self.shuffles,), self.items)
        group = digits_of(operands, task.digits).flatten(2)
        information = excess_information(laws, group, 10, orders).unflatten(1, (task.operands, task.digits)).mean(1)
        by_place, by_both = ("member", "place"), ("member", "input_place", "place")
        places = {"place": task.places}
        both = {"input_place": places_of(task.digits), **places}
        known = torch.as_tensor(digit_information(task.operands, task.digits), device=laws.device)
        constant = torch.as_tensor(constant_error(task.operands, task.digits), device=laws.device)
        return {
            "place_error": Labelled(average(wrong.double().mT), by_place, places, unit="share of sums"),
            "constant_error": Labelled(constant.expand(at.members, -1), by_place, places, unit="share of sums"),
            "information": Labelled(information, by_both, both, unit="nats"),
            "data_information": Labelled(known.expand(at.members, -1, -1), by_both, both, unit="nats"),
        }


class UnitsInformation(Measure):
    """`units_information`: I(units of the first operand; predicted units of the sum | all other digits), in nats.

    From writing every digit from 0 to 9 there, in `contexts` sums, each with its own true digits before the units. It
    is ln 10 = 2.303 for a network that adds and 0 for one that does not look at that digit.
    Cost: a forward pass over ten times `contexts` texts.
    """

    contexts: int = 20

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """It at one checkpoint."""
        task = addition_task(at)
        operands = at.batch("units information", self.contexts).latents["operands"]
        digit = torch.arange(10, device=operands.device)
        first = operands[..., :1] // 10 * 10 + digit  # [member, context, digit]
        rest = operands[:, :, None, 1:].expand(-1, -1, 10, -1)
        varied = torch.cat([first[..., None], rest], -1).flatten(1, 2)
        outputs = sum_outputs(at, task, task.write(varied))[:, :, -1, :10]
        laws = torch.softmax(outputs.double(), -1).unflatten(1, (self.contexts, 10))
        return {"units_information": Labelled(context_information(laws), ("member",), unit="nats")}


class WrittenSums(Measure):
    """The sums that networks write by themselves after the = of `items` held-out prompts, most probable digit by digit.

    `written_error`, by place: share of wrong digits. `sum_width`: standard deviation of the written less the true sum.
    The layout is given, so that a digit stands wherever one should. Cost: a forward pass over `items` texts.
    """

    items: int = 100

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Both at one checkpoint."""
        task = addition_task(at)
        batch = at.batch("written sums", self.items)
        prompts = batch.inputs[..., : task.prompt_length]
        # What is written between = and the first digit of the sum differs only in digits: any order has its symbols.
        plain = task.replace(order=None)
        length = task.answer - 1
        symbols = [task.token(w) if w in task.symbols else None for w in plain.words[task.prompt_length :]]
        written = generate(at.population, prompts, length, digits_within(symbols))[..., -task.width :]
        digits = task.by_place(written)
        wrong = digits != digits_of(batch.latents["sum"], task.width)
        off = (number_of(digits) - batch.latents["sum"]).double()
        return {
            "written_error": Labelled(
                average(wrong.double().mT), ("member", "place"), {"place": task.places}, unit="share of sums"
            ),
            "sum_width": Labelled(standard_deviation(off), ("member",)),
        }


def digits_within(symbols: list[int | None]) -> Choose:
    """Chooses the most probable digit, but the given symbol where one has to stand."""

    def choose(logits: Float[Tensor, "member sample output"], number: int) -> Int[Tensor, "member sample"]:
        digit, symbol = logits[..., :10].argmax(-1), symbols[number]
        return digit if symbol is None else torch.full_like(digit, symbol)

    return choose
