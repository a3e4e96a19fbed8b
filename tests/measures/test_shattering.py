"""Oracles: rotations, scalings, chords of a circle, SciPy's correlation, a look-up table that passes for a ring."""

import numpy as np
import pytest
import scipy.stats
import torch

from ontogeny.errors import UserError
from ontogeny.measures.shattering import circle_share, ring_correlation, shattering


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def polygon(nodes, turns=1, radius=1.0):
    angle = 2 * np.pi * turns * torch.arange(nodes, dtype=torch.float64) / nodes
    return radius * torch.stack([angle.cos(), angle.sin()], -1)


def test_turned_and_shifted_points_are_not_shattered(seed):
    points = normal(4, 10, 6, seed=seed)
    turn = torch.linalg.qr(normal(6, 6, seed=seed + 50)).Q
    assert shattering(points, points @ turn + 3.0).max() < 1e-10


def test_scaling_by_hand(seed):
    points = normal(2, 10, 6, seed=seed)
    torch.testing.assert_close(shattering(points, 1.3 * points), torch.full((2,), 0.3, dtype=torch.float64))


def test_a_point_that_moved_counts_unless_it_is_left_out():
    # Two points 3 apart, and a third 4 from the first and 5 from the second, that moves to 8 from the first.
    before = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    after = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 8.0]])
    far = 73**0.5
    expected = ((16 + (far - 5) ** 2) / (9 + 16 + 25)) ** 0.5
    assert shattering(before, after).item() == pytest.approx(expected)
    assert shattering(before, after, torch.tensor(2)).item() == 0
    # Without the first, only the distance of the other two counts.
    assert shattering(before, after, torch.tensor(0)).item() == pytest.approx((far - 5) / 5)


def test_one_before_is_held_against_many(seed):
    before, after = normal(2, 1, 6, 3, seed=seed), normal(2, 5, 6, 3, seed=seed + 9)
    without = torch.arange(10).view(2, 5) % 6
    found = shattering(before, after, without)
    for m in range(2):
        for e in range(5):
            kept = [i for i in range(6) if i != without[m, e]]
            torch.testing.assert_close(found[m, e], shattering(before[m, 0, kept], after[m, e, kept]))


def test_points_that_are_one_have_no_shattering():
    assert shattering(torch.ones(5, 3), normal(5, 3, seed=0).float()).isnan()


def test_ring_correlation_is_that_of_chords_and_arcs():
    # The chord over an arc of k places on a circle of radius 2 is 4 sin(pi k / 9).
    arcs = np.array([min(j - i, 9 - j + i) for i in range(9) for j in range(i + 1, 9)])
    expected = scipy.stats.pearsonr(4 * np.sin(np.pi * arcs / 9), arcs).statistic
    assert ring_correlation(polygon(9, radius=2.0)).item() == pytest.approx(expected, abs=1e-12)
    assert 0.97 < expected < 1


def test_ring_correlation_agrees_with_scipy(seed):
    points = normal(3, 8, 4, seed=seed)
    i, j = np.triu_indices(8, 1)
    arcs = np.minimum(j - i, 8 - j + i)
    for found, own in zip(ring_correlation(points), points.numpy(), strict=True):
        assert found.item() == pytest.approx(scipy.stats.pearsonr(np.linalg.norm(own[i] - own[j], axis=1), arcs)[0])


def test_a_mean_over_neighbours_passes_for_a_ring():
    # 32 orthogonal targets, averaged over the four on either side: a pure look-up table has a correlation of 0.906.
    index = torch.arange(32)
    apart = (index[:, None] - index).remainder(32)
    near = ((apart > 0) & (apart <= 4)) | (apart >= 28)
    assert ring_correlation(near.double() / 8).item() == pytest.approx(0.906, abs=5e-4)
    # But the names themselves do not: all of them lie equally far apart.
    assert not abs(ring_correlation(torch.eye(32).double())) > 1e-6


def test_three_points_are_no_ring():
    with pytest.raises(UserError, match="four nodes"):
        ring_correlation(torch.ones(3, 2))


@pytest.mark.parametrize(("nodes", "turns"), [(9, 1), (9, 2), (8, 3)])
def test_a_polygon_has_one_frequency_however_often_it_goes_round(nodes, turns, seed):
    frame = torch.linalg.qr(normal(5, 2, seed=seed)).Q
    assert circle_share(polygon(nodes, turns) @ frame.mT + 2).item() == pytest.approx(1.0)


def test_two_frequencies_share_by_their_squares():
    both = torch.cat([polygon(8, 1, 1.0), polygon(8, 2, 2.0)], -1)
    assert circle_share(both).item() == pytest.approx(0.8)
    # A zigzag (highest frequency) of amplitude 1 has as much variance as a circle of radius 1: n in all.
    zigzag = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(4)[:, None]
    assert circle_share(torch.cat([polygon(8), zigzag], -1)).item() == pytest.approx(0.5)


def test_points_in_no_order_have_little(seed):
    assert circle_share(normal(32, 64, seed=seed)).item() < 0.12
    assert circle_share(torch.ones(8, 3)).isnan()
