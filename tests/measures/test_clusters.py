"""Oracles: scikit-learn, and clusters planted or absent."""

import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from ontogeny.measures.clusters import adjusted_rand, cluster_contrast, k_means


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(*shape, kinds, seed):
    return torch.randint(kinds, shape, generator=torch.Generator().manual_seed(seed))


def test_the_adjusted_index_is_that_of_scikit_learn(seed):
    one, other = labels(5, 60, kinds=4, seed=seed), labels(5, 60, kinds=3, seed=seed + 9)
    other[0] = one[0]
    other[1] = (one[1] + 1) % 4
    mine = adjusted_rand(one, other, 4)
    for i in range(5):
        assert mine[i].item() == pytest.approx(adjusted_rand_score(one[i], other[i]))
    assert mine[:2].tolist() == pytest.approx([1, 1])
    assert adjusted_rand(0 * one[:1], 0 * one[:1], 4).item() == 1


def test_k_means_from_the_same_start_is_that_of_scikit_learn(seed):
    points, starts = normal(3, 80, 5, seed=seed), labels(3, 1, 4, kinds=80, seed=seed)
    starts = torch.stack([torch.randperm(80, generator=torch.Generator().manual_seed(seed + m))[:4] for m in range(3)])
    mine = k_means(points, starts[:, None], rounds=100)
    for m in range(3):
        theirs = KMeans(4, init=points[m, starts[m]].numpy(), n_init=1, max_iter=100, tol=0).fit(points[m].numpy())
        assert adjusted_rand_score(mine[m], theirs.labels_) == 1


def test_planted_clusters_are_found_from_any_of_several_starts(seed):
    truth = labels(400, kinds=4, seed=seed)
    points = normal(2, 400, 8, seed=seed) + 8 * normal(4, 8, seed=seed + 1)[truth]
    generator = torch.Generator().manual_seed(seed)
    starts = torch.stack([torch.randperm(400, generator=generator)[:4] for _ in range(20)]).view(2, 10, 4)
    assert adjusted_rand(k_means(points, starts), truth.expand(2, -1), 4).tolist() == pytest.approx([1, 1])
    assert torch.equal(k_means(points[1:], starts[1:]), k_means(points, starts)[1:])
    noise = normal(2, 400, 8, seed=seed)
    assert adjusted_rand(k_means(noise, starts), truth.expand(2, -1), 4).abs().max() < 0.05


def test_contrast_by_hand(seed):
    points = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, -3.0]])
    which = torch.tensor([0, 0, 1, 1])
    assert cluster_contrast(points, which).item() == pytest.approx(1.0)
    assert cluster_contrast(points, torch.tensor([0, 1, 0, 1])).item() == pytest.approx(-0.5)  # 0 within, 1/2 between
    assert cluster_contrast(points, torch.zeros(4, dtype=torch.long)).isnan()
    many = normal(3, 200, 16, seed=seed)
    assert cluster_contrast(many, labels(200, kinds=4, seed=seed)).abs().max() < 0.02
