"""What the digits of a sum of uniform numbers are like, and what digits of the operands tell of them: exact laws.

All by convolution: the sum of independent numbers has the convolution of their laws as its own. Places are given the
most significant first, as numbers are written; a sum of n operands (2 to 10) of m digits has m + 1 places.
"""

import functools

import numpy as np
from jaxtyping import Float

Law = Float[np.ndarray, "value"]  # the chance of 0, 1, 2, ...


def entropy(law: Float[np.ndarray, "*any value"]) -> Float[np.ndarray, "*any"]:
    """-sum p ln p, in nats."""
    return -np.sum(law * np.log(law, out=np.zeros_like(law), where=law > 0), axis=-1)


def information(
    given: Float[np.ndarray, "*any condition value"], weight: Float[np.ndarray, "condition"]
) -> Float[np.ndarray, "*any"]:
    """I(condition; value) in nats, from the law of a value under every condition and the chances of these."""
    mixed = np.einsum("c,...cv->...v", weight, given)
    return entropy(mixed) - np.einsum("c,...c->...", weight, entropy(given))


def digit_laws(law: Law, width: int) -> Float[np.ndarray, "place 10"]:
    """The law of every decimal digit of a number with this law."""
    number = np.arange(len(law))
    laws = np.zeros((width, 10))
    for i in range(width):
        np.add.at(laws[i], number // 10 ** (width - 1 - i) % 10, law)
    return laws


@functools.cache
def total_law(operands: int, digits: int) -> Law:
    """The law of the sum of some uniform numbers from 0 to 10^digits - 1; that of no number is 0 for certain."""
    one = np.full(10**digits, 10.0**-digits)
    return functools.reduce(np.convolve, [one] * operands, np.ones(1))


def place_laws(operands: int, digits: int) -> Float[np.ndarray, "place 10"]:
    """The law of every digit of the sum: all that is known without looking at the operands."""
    return digit_laws(total_law(operands, digits), digits + 1)


def constant_error(operands: int, digits: int) -> Float[np.ndarray, "place"]:
    """How often the best constant digit is wrong, at every place of the sum."""
    return 1 - place_laws(operands, digits).max(-1)


@functools.cache
def digit_information(operands: int, digits: int) -> Float[np.ndarray, "input place"]:
    """I(one digit of one operand; one digit of the sum) in nats, for every place of an operand and of the sum.

    At four operands of two digits 0.1120 for the leading digit and the hundreds, 0.0010 for units and hundreds, and
    exactly 0 for tens and units, which are uniform whatever all but one of the operands are.
    """
    number, rest, width = np.arange(10**digits), total_law(operands - 1, digits), digits + 1
    found = np.zeros((digits, width))
    for i in range(digits):
        laws = []
        for digit in range(10):
            own = (number // 10 ** (digits - 1 - i) % 10 == digit) / 10 ** (digits - 1)
            laws.append(digit_laws(np.convolve(own, rest), width))
        found[i] = information(np.stack(laws, 1), np.full(10, 0.1))
    return found


def laws_from_leading(operands: int, digits: int) -> tuple[Float[np.ndarray, "place total 10"], Law]:
    """The law of every digit of the sum, given the total of all operands' leading digits, and that total's law.

    Nothing else in the leading digits matters: together they shift the sum by 10^(digits - 1) times their total.
    """
    totals, rest, width = total_law(operands, 1), total_law(operands, digits - 1), digits + 1
    laws = []
    for total in range(len(totals)):
        shifted = np.concatenate([np.zeros(total * 10 ** (digits - 1)), rest])
        laws.append(digit_laws(shifted, width))
    return np.stack(laws, 1), totals


def error_from_leading(operands: int, digits: int) -> Float[np.ndarray, "place"]:
    """How often the best guess is wrong that knows the leading digits of all operands and nothing else."""
    laws, weight = laws_from_leading(operands, digits)
    return 1 - np.einsum("c,pc->p", weight, laws.max(-1))
