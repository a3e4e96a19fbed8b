"""Oracles: points whose direction is known, scikit-learn's logistic descent in the first step, least squares."""

import pytest
import torch

from ontogeny.measures.margin import largest_margin_direction
from ontogeny.streams import Streams
from ontogeny.training.margin_bias import margin_angles, turn_to_margin


def points():
    g = torch.Generator().manual_seed(3)
    x = torch.randn(40, 20, generator=g, dtype=torch.float64)
    return x * torch.sign(x[:, :1])


def angle(a, b):
    return torch.arccos((a @ b / a.norm() / b.norm()).clamp(-1, 1)).item()


def test_the_first_step_is_along_the_mean():
    # From 0 every point pulls with the same strength, 1/2 or 1.
    z = points()
    expected = angle(z.sum(0), largest_margin_direction(z))
    for loss in ("logistic", "square"):
        assert margin_angles(z, loss, (1,)).item() == pytest.approx(expected, rel=1e-6)


def test_the_square_loss_ends_at_least_squares():
    z = points()
    solution = torch.linalg.lstsq(z, torch.ones(40, 1, dtype=torch.float64)).solution[:, 0]
    end = margin_angles(z, "square", (5_000,)).item()
    assert end == pytest.approx(angle(solution, largest_margin_direction(z)), rel=1e-4)


def test_the_logistic_loss_goes_on_turning():
    start, end = margin_angles(points(), "logistic", (100, 5_000)).tolist()
    assert end < start / 1.2


def test_what_cannot_be_separated_is_nan():
    z = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    assert margin_angles(z, "logistic", (1, 3)).isnan().all()


def test_own_points_are_separable_and_the_angle_falls():
    angles = turn_to_margin(Streams((1,)), "logistic", steps=(10, 300))["angle"]
    assert angles.coords == {"update": (10, 300)}
    assert 0 < angles.values[0, 1] < angles.values[0, 0] < torch.pi / 2
