"""Oracles: sequences written out."""

import pytest
import torch

from ontogeny.streams import Streams
from ontogeny.tasks.gradient_sequences import burst, geometric, normal, worst


def test_by_hand():
    assert burst(4).tolist() == [1.0, 0.0, 0.0, 0.0]
    assert geometric(1.0, 3).tolist() == [1.0, 1.0, 1.0]
    assert geometric(0.5, 3).tolist() == [1.0, 0.5, 0.25]


def test_the_worst_gives_a_gradient_the_ratio_to_its_age():
    beta, gamma = torch.tensor([0.9, 0.5], dtype=torch.float64), torch.tensor([0.6, 0.8], dtype=torch.float64)
    got = worst(beta, gamma, 4)
    for i, ratio in enumerate((1.5, 0.625)):
        powers = [ratio**age for age in (3, 2, 1, 0)]
        assert got[i].tolist() == pytest.approx([p / max(powers) for p in powers])


def test_normal_is_standard_and_each_members_own(seed):
    together = normal(Streams((seed, seed + 1)), 4_000)
    assert torch.equal(together[1:], normal(Streams((seed + 1,)), 4_000))
    assert together.mean().abs() < 3 / 8_000**0.5
    assert together.var().item() == pytest.approx(1, abs=3 * (2 / 8_000) ** 0.5)
