"""Oracles: torch.cdist, and points that share a shape and nothing else."""

import torch

from ontogeny.measures.distances import pooled_distances, squared_distances


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_distances_are_those_of_torch(seed):
    points = normal(2, 3, 7, 5, seed=seed) + 100.0
    torch.testing.assert_close(squared_distances(points), torch.cdist(points, points).square(), atol=1e-9, rtol=1e-9)


def test_pooled_distances_by_hand():
    points = torch.tensor([[[0.0], [1.0], [3.0]], [[0.0], [2.0], [99.0]]])
    known = torch.tensor([[True, True, True], [True, True, False]])
    found = pooled_distances(points, known, least=1)
    # 0 and 1: (1 + 4) / 2; pairs with 2 only in the first sample.
    assert found.tolist() == [[0, 2.5, 9], [2.5, 0, 4], [9, 4, 0]]
    assert pooled_distances(points, known, least=2)[0].isnan().tolist() == [False, False, True]


def test_pooled_distances_converge_where_means_vanish(seed):
    # h_s = M e_s with M = I: all pairs are 2 * width apart, though the mean over samples goes to zero.
    points = normal(4_000, 4, 10, seed=seed)
    known = torch.ones(4_000, 4, dtype=torch.bool)
    apart = pooled_distances(points, known)
    off = ~torch.eye(4, dtype=torch.bool)
    assert (apart[off] - 20).abs().max() < 4.5 * (2 * 4 * 10 / 4_000) ** 0.5  # 2 chi^2 with 10 degrees: variance 80
    assert squared_distances(points.mean(0)).max() < 0.05
