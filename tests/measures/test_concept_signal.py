"""Oracles: the two colours' difference over the mask by quadrature, and values of an independent trial."""

import math

import pytest
import torch

from ontogeny.measures.concept_signal import concept_signal
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.coloured_discs import ColouredDiscs

SIGNALS = (0.1, 0.3, 0.8)


def of(signal, absent, present, **fields):
    task = ColouredDiscs(colour_signal=signal, **fields)
    return concept_signal(task, Streams((0,)), absent, present, 200).item()


@pytest.mark.parametrize(
    ("signal", "large", "small", "size"), [(0.1, 0.88, 0.31, 3.63), (0.3, 2.63, 0.93, 4.08), (0.8, 7.05, 2.48, 5.65)]
)
def test_signals_at_twelve_pixels(signal, large, small, size):
    assert of(signal, "red large", "blue large") == pytest.approx(large, rel=0.03)
    assert of(signal, "red small", "blue small") == pytest.approx(small, rel=0.06)
    assert of(signal, "red large", "red small") == pytest.approx(size, rel=0.03)


def test_colour_by_quadrature():
    # Two channels change by s times the mask m(d) = 1 / (1 + exp((d - r) / 0.08)): sigma^2 = 2 s^2 int m^2 over the
    # plane, in pixels of area (2 / 48)^2; all discs alike.
    d = torch.linspace(0, 2, 20_001, dtype=torch.float64)
    mask = torch.sigmoid((0.65 - d) / 0.08)
    area = torch.trapezoid(2 * math.pi * d * mask**2, d).item()
    expected = 0.5 * math.sqrt(2 * area) / (2 / 48)
    assert of(0.5, "red large", "blue large", pixels=48, radius_spread=0.0) == pytest.approx(expected, rel=0.01)
    assert expected < 0.5 * math.sqrt(2 * math.pi * 0.65**2) / (2 / 48)  # the soft edge takes some


def test_nothing_changes_between_a_combination_and_itself():
    assert of(0.4, "red large", "red large") == 0


def test_members_alone_as_in_company():
    apart = [ColouredDiscs(colour_signal=s) for s in SIGNALS]
    streams = Streams((3, 4, 5))
    together = concept_signal(stack(apart), streams, "red large", "blue large")
    for i, task in enumerate(apart):
        assert torch.equal(together[i : i + 1], concept_signal(task, streams.take([i]), "red large", "blue large"))
