"""Oracles: the exact risk of least squares, NumPy, scikit-learn, and a posterior that sees through a known function."""

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsRegressor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.in_context_hermite import InContextHermite
from ontogeny.tasks.regression_predictors import (
    averaging,
    least_squares,
    linear_risk,
    nearest_neighbours,
    posterior_mean,
)


def drawn(seed, size, **fields):
    latents = InContextHermite(**fields).sample(None, Streams((seed,)), size).latents
    return latents["x"][0].double(), latents["y"][0].double(), latents["w"][0].double()


def test_least_squares_has_its_exact_risk():
    """1 - m / d: one half at 10 examples in 20 dimensions, as E |P w|^2 = m / d for a random m-dimensional P."""
    assert linear_risk(10, 20) == 0.5
    assert linear_risk(25, 20) == 0
    x, y, _ = drawn(3, 300, dimensions=20, pairs=22)
    error = (least_squares(x, y) - y).square()
    for examples in (0, 5, 10, 19):
        risk = linear_risk(examples, 20)
        assert error[:, examples].mean().item() == pytest.approx(risk, abs=5 * math.sqrt(2) * risk / math.sqrt(300))
    assert error[:, 20:].max() < 1e-5  # y is float32


def test_least_squares_is_numpys(seed):
    x, y, _ = drawn(seed, 10, dimensions=3, pairs=6, degree=2)
    ours = least_squares(x, y)
    assert (ours[:, 0] == 0).all()
    for e in range(10):
        for i in range(1, 6):
            w = np.linalg.lstsq(x[e, :i].numpy(), y[e, :i].numpy(), rcond=None)[0]
            assert ours[e, i].item() == pytest.approx(float(x[e, i].numpy() @ w), rel=1e-8, abs=1e-10)


def test_neighbours_are_scikit_learns(seed):
    x, y, _ = drawn(seed, 10, dimensions=2, pairs=7, degree=3)
    ours = nearest_neighbours(x, y)
    assert (ours[:, 0] == 0).all()
    for e in range(10):
        for i in range(1, 7):
            reference = KNeighborsRegressor(min(3, i)).fit(x[e, :i].numpy(), y[e, :i].numpy())
            assert ours[e, i].item() == pytest.approx(reference.predict(x[e, i : i + 1].numpy())[0], rel=1e-9)


def test_averaging_by_hand():
    # After (1, 0) -> 2 and (0, 1) -> 4: w = (2, 4) / 2, and at (3, 1) it gives 5.
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 1.0]], dtype=torch.float64)
    y = torch.tensor([2.0, 4.0, 0.0], dtype=torch.float64)
    assert averaging(x, y).tolist() == [0.0, 0.0, 5.0]


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_the_posterior_knows_the_function_and_nobody_beats_it(degree, seed):
    x, y, _ = drawn(seed, 200, degree=degree)
    known = posterior_mean(x, y, degree, Streams((0,)), particles=2_000)
    error = (known - y).square().mean(0)
    # Before any example it answers the mean over directions: 0 for a linear function, a function of |x| else.
    assert known[:, 0].abs().mean() < (0.05 if degree == 1 else 2)
    assert error[-1] < 0.02
    for other in (least_squares(x, y), averaging(x, y), nearest_neighbours(x, y)):
        worse = (other - y).square() - (known - y).square()
        noise = 3 * worse.std(0) / math.sqrt(200) + 0.02
        assert (worse.mean(0) > -noise).all()


def test_linear_posterior_is_least_squares():
    """On the circle one example leaves two directions, mirrored: their mean is the least-norm solution."""
    x, y, _ = drawn(5, 50, degree=1, pairs=2)
    known = posterior_mean(x, y, 1, Streams((0,)), particles=5_000, tolerance=0.02)
    assert (known[:, 1] - least_squares(x, y)[:, 1]).abs().mean() < 0.08


def test_posterior_by_hand():
    """Two directions up and down (d = 1), degree 1: after one pair it is tanh of the log-odds over two.

    x_1 = 1, y_1 = 0.1, s = 1: misfits 0.81 and 1.21, log-odds (1.21 - 0.81) / 2 = 0.2, prediction tanh(0.1) x_2.
    With n draws the share of up is random: the draws' own share p gives ln(p / (1 - p)) more.
    """
    streams = Streams((0,))
    up = (streams.normal("particles", (500, 1))[0] > 0).double().mean().item()
    x = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    y = torch.tensor([0.1, 0.0], dtype=torch.float64)
    odds = 0.2 + math.log(up / (1 - up))
    found = posterior_mean(x, y, 1, streams, particles=500, tolerance=1.0)
    assert found[1].item() == pytest.approx(3 * math.tanh(odds / 2))
    assert found[0].item() == pytest.approx(2 * up - 1)


def test_what_cannot_work_is_refused():
    with pytest.raises(UserError, match="got 0 and 0.05"):
        posterior_mean(torch.ones(2, 1), torch.ones(2), 1, Streams((0,)), particles=0)
