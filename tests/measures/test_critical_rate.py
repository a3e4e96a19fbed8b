"""Oracle: problems whose critical rate is known."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.critical_rate import critical_rate


def test_every_problem_gets_its_own(seed):
    truth = torch.tensor([1e-8, 0.3, 2.0], dtype=torch.float64) * (1 + seed)
    found = critical_rate(lambda rate: rate > truth, truth / 7, truth * 5, rounds=30)
    torch.testing.assert_close(found, truth, rtol=1e-8, atol=0)
    assert (found <= truth).all()  # nothing fails at the result


def test_gradient_descent_on_a_parabola_fails_above_two_over_its_curvature():
    curvature = torch.tensor([1.0, 4.0], dtype=torch.float64)
    found = critical_rate(lambda rate: (1 - rate * curvature).abs() > 1, 0.1 / curvature, 9 / curvature)
    torch.testing.assert_close(found, 2 / curvature, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.9), (2.0, 3.0)])
def test_a_bracket_that_misses_it_is_refused(low, high):
    with pytest.raises(UserError, match="widen the bracket"):
        critical_rate(lambda rate: rate > 1, torch.tensor([low]), torch.tensor([high]))
