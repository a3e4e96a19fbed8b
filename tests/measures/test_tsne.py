"""Oracles: autograd, scikit-learn's divergence, opposite forces, two points and two clusters by hand."""

import numpy as np
import pytest
import torch
from sklearn.manifold import TSNE

from ontogeny.errors import UserError
from ontogeny.measures.perplexity import bandwidths, joint_probabilities, squared_distances
from ontogeny.measures.tsne import (
    descend,
    gradient,
    hessian,
    hessian_blocks,
    kl_divergence,
    polish,
    principal_start,
    require_minimum,
)


def points(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def similarities(x, perplexity):
    squared = squared_distances(x)
    return joint_probabilities(squared, bandwidths(squared, perplexity))


def test_divergence_agrees_with_scikit_learn_at_its_embedding(seed):
    x = points(40, 4, seed)
    model = TSNE(perplexity=12, method="exact", init="pca", max_iter=1000, random_state=seed)  # reports one step late
    y = torch.as_tensor(model.fit_transform(x.numpy()), dtype=torch.float64)
    assert kl_divergence(similarities(x, 12.0), y).item() == pytest.approx(model.kl_divergence_, rel=1e-3)


def test_derivatives_agree_with_autograd(seed):
    p, y = similarities(points(12, 3, seed), 4.0), points(12, 2, seed + 100)

    def loss(flat):
        d = (flat.T[:, None] - flat.T).square().sum(-1)
        q = (1 / (1 + d)).fill_diagonal_(0)
        q = q / q.sum()
        off = ~torch.eye(12, dtype=torch.bool)
        return (p[off] * (p[off] / q[off]).log()).sum()

    flat = y.T.contiguous()
    assert kl_divergence(p, y).item() == pytest.approx(loss(flat).item(), rel=1e-12)
    slope = torch.autograd.functional.jacobian(loss, flat).T
    np.testing.assert_allclose(gradient(p, y), slope, atol=1e-8)
    whole = torch.autograd.functional.hessian(loss, flat).reshape(24, 24)
    np.testing.assert_allclose(hessian(p, y), whole, atol=1e-8)
    own = torch.stack([whole[i::12, i::12] for i in range(12)])
    np.testing.assert_allclose(hessian_blocks(p, y), own, atol=1e-8)


def test_forces_are_opposite(seed):
    p, y = similarities(points(30, 3, seed), 8.0), points(30, 2, seed + 1)
    np.testing.assert_allclose(gradient(p, y).sum(0), 0, atol=1e-14)


def test_two_points_are_indifferent_to_their_distance():
    # With two points Q is (1/2, 1/2) wherever they are: the divergence is 0 and no force is felt.
    p = torch.tensor([[0.0, 0.5], [0.5, 0.0]], dtype=torch.float64)
    for distance in (0.1, 3.0):
        y = torch.tensor([[0.0, 0.0], [distance, 0.0]], dtype=torch.float64)
        assert kl_divergence(p, y).item() == pytest.approx(0, abs=1e-14)
        np.testing.assert_allclose(gradient(p, y), 0, atol=1e-14)


def test_an_isosceles_triangle_has_its_minimum_where_q_is_p():
    # Three points can match any P: q is P where 1 + d^2 are as 1/P. The shortest pair may be as near as it likes, so
    # fix scale by the ratio: P = (a, b, b) with a = 2 b means 1 + d_b^2 = 2 (1 + d_a^2).
    b = 0.5 / 4 / 1  # 2 (a + 2 b) = 1 with a = 2 b gives b = 1/8
    p = torch.tensor([[0, 2 * b, b], [2 * b, 0, b], [b, b, 0]], dtype=torch.float64)
    y = polish(p, torch.tensor([[0.0, 0.4], [0.3, -0.5], [1.5, 0.2]], dtype=torch.float64))
    d = squared_distances(y)
    assert kl_divergence(p, y).item() == pytest.approx(0, abs=1e-12)
    assert (1 + d[0, 2]).item() == pytest.approx(2 * (1 + d[0, 1]).item(), rel=1e-4)


def test_a_polished_map_is_at_a_minimum_and_not_higher(seed):
    p = similarities(points(40, 3, seed), 10.0)
    rough = descend(p, principal_start(points(40, 3, seed)), steps=300, exaggerated=0)
    y = polish(p, rough)
    assert gradient(p, y).abs().max() < 1e-7
    assert kl_divergence(p, y) <= kl_divergence(p, rough) + 1e-15
    assert torch.linalg.eigvalsh(hessian(p, y))[0] > -1e-8
    require_minimum(p, y)
    with pytest.raises(UserError, match="not at a minimum"):
        require_minimum(p, y + 0.05 * points(40, 2, seed))


def test_the_start_does_not_depend_on_signs(seed):
    x = points(30, 5, seed)
    start = principal_start(x)
    assert start[:, 0].std().item() == pytest.approx(1e-4)
    np.testing.assert_allclose(principal_start(-x).abs(), start.abs(), atol=1e-16)
    assert principal_start(x[:, :1])[:, 1].abs().max() == 0
