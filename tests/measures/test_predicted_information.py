"""Oracles: tables worked out by hand, scikit-learn on certain predictions, and the bias of a known number of cells."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from ontogeny.measures.predicted_information import context_information, excess_information, group_information


def drawn(seed, members=2, samples=400, places=3, features=2):
    source = torch.Generator().manual_seed(seed)
    group = torch.randint(0, 5, (members, samples, features), generator=source)
    noise = torch.randint(0, 4, (members, samples, places), generator=source)
    said = torch.stack([noise[..., 0], (group[..., 0] + noise[..., 1] // 2) % 4, group[..., 1] % 4], -1)
    return torch.nn.functional.one_hot(said, 4).double(), said, group


def test_by_hand():
    # Two groups, one of which says 0 for certain and the other 0 or 1 alike: mean .75, .25.
    laws = torch.tensor([[[[1.0, 0.0]], [[1.0, 0.0]], [[0.5, 0.5]], [[0.5, 0.5]]]], dtype=torch.float64)
    group = torch.tensor([[[0], [0], [1], [1]]])
    expected = 0.5 * math.log(1 / 0.75) + 0.25 * math.log(0.5 / 0.75) + 0.25 * math.log(0.5 / 0.25)
    assert group_information(laws, group, 2).item() == pytest.approx(expected)
    assert group_information(laws, group, 3).item() == pytest.approx(expected)  # an empty group counts nothing
    assert group_information(laws, 0 * group, 2).item() == pytest.approx(0, abs=1e-15)
    assert group_information(laws[:, :, :, :1] * 0 + 1, group, 2).item() == 0  # one option only


def test_certain_predictions_have_the_information_of_labels(seed):
    laws, said, group = drawn(seed)
    found = group_information(laws, group, 5)
    for member in range(2):
        for feature in range(2):
            for place in range(3):
                expected = mutual_info_score(group[member, :, feature], said[member, :, place])
                assert found[member, feature, place].item() == pytest.approx(expected, abs=1e-9)


def test_the_bias_is_taken_away():
    laws, _, group = drawn(0, members=100)
    source = torch.Generator().manual_seed(1)
    orders = torch.rand(100, 4, 400, generator=source).argsort(-1)
    bias = group_information(laws, group, 5)[:, :, 0].mean().item()  # place 0 is independent of all
    assert bias == pytest.approx((5 - 1) * (4 - 1) / (2 * 400), rel=0.15)
    assert excess_information(laws, group, 5, orders)[:, :, 0].mean().item() == pytest.approx(0, abs=0.15 * bias)
    sure = excess_information(laws, group, 5, orders)[:, 1, 2].mean().item()
    # A group's number mod 4: 0 has 2/5, the others 1/5 each.
    assert sure == pytest.approx(-0.4 * math.log(0.4) - 0.6 * math.log(0.2), abs=0.03)


def test_a_member_is_as_alone(seed):
    laws, _, group = drawn(seed, members=3)
    together = group_information(laws, group, 5)
    for i in range(3):
        assert torch.equal(group_information(laws[i : i + 1], group[i : i + 1], 5)[0], together[i])


def test_information_within_contexts_by_hand():
    copies, ignores = torch.eye(10, dtype=torch.float64), torch.full((10, 10), 0.1, dtype=torch.float64)
    halves = torch.eye(10, dtype=torch.float64)[torch.arange(10) // 5]
    laws = torch.stack([copies, ignores, halves])[:, None].expand(3, 4, 10, 10)
    np.testing.assert_allclose(context_information(laws), [math.log(10), 0, math.log(2)], atol=1e-12)
    mixed = torch.stack([copies, ignores])[None]  # two contexts of one network
    assert context_information(mixed).item() == pytest.approx(math.log(10) / 2)
