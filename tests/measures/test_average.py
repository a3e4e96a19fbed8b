"""Oracles: means by hand, with samples left out."""

import torch

from ontogeny.measures.average import agreement, average


def test_average_by_hand():
    values = torch.tensor([[1.0, 2.0, 6.0], [torch.nan, 4.0, 8.0], [1.0, 1.0, 1.0]])
    among = torch.tensor([[True, True, True], [False, True, True], [False, False, False]])
    found = average(values, among)
    assert found[:2].tolist() == [3, 6]
    assert found[2].isnan()
    assert average(values[0]).item() == 3
    assert average(values[None].expand(2, 3, 3), among[None].expand(2, 3, 3))[1, :2].tolist() == [3, 6]


def test_agreement_by_hand():
    one, other = torch.tensor([[1, 2, 3, 4]]), torch.tensor([[1, 0, 3, 0]])
    assert agreement(one, other).tolist() == [0.5]
    assert agreement(one, other, torch.tensor([[True, False, True, True]])).tolist() == [2 / 3]
