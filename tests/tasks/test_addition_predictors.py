"""Oracles: the 10 x 10 table by hand, enumeration of all sums, scikit-learn, and values worked out elsewhere."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from ontogeny.tasks.addition_predictors import (
    constant_error,
    digit_information,
    digit_laws,
    entropy,
    error_from_leading,
    information,
    laws_from_leading,
    place_laws,
    total_law,
)


def test_two_operands_of_a_digit_by_hand():
    # a + b carries if b >= 10 - a: for a of the ten numbers b. In all 45 of 100 pairs.
    assert place_laws(2, 1)[0][:2] == pytest.approx([0.55, 0.45])
    assert place_laws(2, 1)[1] == pytest.approx([0.1] * 10)
    assert constant_error(2, 1) == pytest.approx([0.45, 0.9])
    coin = np.array([0.5, 0.4, 0.3, 0.2, 0.1])
    given = -(coin * np.log(coin) + (1 - coin) * np.log(1 - coin))  # a = 5, 4 or 6, 3 or 7, ...; a = 0 is certain
    mean = (given[0] + 2 * given[1:].sum()) / 10
    whole = -(0.55 * np.log(0.55) + 0.45 * np.log(0.45))
    assert digit_information(2, 1)[0] == pytest.approx([whole - mean, 0], abs=1e-12)


def test_all_sums_of_two_operands_of_two_digits():
    numbers = np.array(list(itertools.product(range(100), range(100))))
    sums = numbers.sum(1)
    assert np.bincount(sums) / len(sums) == pytest.approx(total_law(2, 2), abs=1e-12)
    for i, place in enumerate((10, 1)):
        for q, power in enumerate((100, 10, 1)):
            expected = mutual_info_score(numbers[:, 0] // place % 10, sums // power % 10)
            assert digit_information(2, 2)[i, q] == pytest.approx(expected, abs=1e-9), (i, q)


def test_four_operands_of_two_digits():
    """Values that were worked out with other code."""
    assert digit_information(4, 2)[0] == pytest.approx([0.1120, 0, 0], abs=5e-5)
    assert digit_information(4, 2)[1] == pytest.approx([0.0010, 0, 0], abs=5e-5)
    assert place_laws(4, 2)[0, :4] == pytest.approx([0.04421, 0.46579, 0.45079, 0.03921], abs=5e-6)
    assert constant_error(4, 2) == pytest.approx([0.53421, 0.9, 0.9], abs=5e-6)
    assert error_from_leading(4, 2) == pytest.approx([0.0493, 0.472, 0.9], abs=5e-5)
    laws, weight = laws_from_leading(4, 2)
    assert information(laws, weight)[0] == pytest.approx(0.8767, abs=5e-5)
    assert entropy(place_laws(4, 2))[0] == pytest.approx(0.9799, abs=5e-5)


@pytest.mark.parametrize(("operands", "digits"), [(2, 3), (10, 1), (3, 2)])
def test_laws_are_laws_and_knowing_more_never_hurts(operands, digits):
    laws, weight = laws_from_leading(operands, digits)
    assert weight.sum() == pytest.approx(1)
    assert laws.sum(-1) == pytest.approx(np.ones(laws.shape[:2]))
    assert np.einsum("c,pcv->pv", weight, laws) == pytest.approx(place_laws(operands, digits))
    assert (error_from_leading(operands, digits) <= constant_error(operands, digits) + 1e-12).all()
    assert (place_laws(operands, digits)[0, operands:] == 0).all()  # a sum never has a leading digit above that


def test_a_certain_number_has_certain_digits():
    law = np.zeros(208)
    law[207] = 1.0
    assert digit_laws(law, 3).argmax(-1).tolist() == [2, 0, 7]
    assert entropy(digit_laws(law, 3)).tolist() == [0, 0, 0]
