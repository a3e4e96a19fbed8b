"""Oracles: small distributions by hand."""

import math

import pytest
import torch

from ontogeny.measures.outcome_distribution import frequencies, hazard, kept, mixture

BRANCHES = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.7, 0.3]], dtype=torch.float64)
P = torch.tensor([0.5, 0.25, 0.05], dtype=torch.float64)


def test_frequencies_by_hand():
    found = frequencies(torch.tensor([[0, 2, 2, 1], [1, 1, 1, 1]]), 3)
    assert found.tolist() == [[0.25, 0.25, 0.5], [0.0, 1.0, 0.0]]


def test_what_is_kept_sums_to_one_and_has_the_own_token():
    assert kept(P, 0.0).tolist() == pytest.approx([0.625, 0.3125, 0.0625])
    assert kept(P, 0.05).tolist() == kept(P, 0.0).tolist()  # at the threshold is kept
    assert kept(P, 0.1).tolist() == pytest.approx([2 / 3, 1 / 3, 0.0])
    assert kept(P.flip(0), 0.4).tolist() == pytest.approx([1 / 11, 0.0, 10 / 11])
    assert kept(torch.zeros(2, dtype=torch.float64), 0.1).isnan().all()


def test_mixture_by_hand():
    # 0.5 * (1, 0) + 0.3 * (0, 1) + 0.2 * (0.7, 0.3)
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    assert mixture(BRANCHES, weights).tolist() == pytest.approx([0.64, 0.36])


def test_hazard_by_hand():
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    # L2 from the own branch: sqrt(2) = 1.414 and 0.3 sqrt(2) = 0.424 (L1 would be 0.6)
    for eps, expected in ((0.4, 0.5), (0.43, 0.3), (1.41, 0.3), (math.sqrt(2), 0.0), (2.0, 0.0), (-1.0, 1.0)):
        own = 0.5 if eps < 0 else 0.0  # below every distance even the own branch counts
        assert hazard(BRANCHES, weights, eps).item() == pytest.approx(expected if eps >= 0 else 0.5 + own)


def test_a_sequence_that_cannot_change_has_no_hazard():
    same = torch.ones(5, 3, 2, dtype=torch.float64) / 2
    assert hazard(same, torch.full((5, 3), 1 / 3, dtype=torch.float64), 0.0).tolist() == [0.0] * 5
