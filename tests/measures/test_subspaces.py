"""Oracles: planes at a known angle, SciPy, scikit-learn's components, and random planes on average."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from ontogeny.errors import UserError
from ontogeny.measures.subspaces import canonical_correlation, principal_angle_cosines, principal_directions


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_planes_at_a_known_angle():
    one = torch.eye(4, dtype=torch.float64)[:, :2]
    turned = torch.zeros(4, 2, dtype=torch.float64)
    turned[0, 0] = 1.0
    turned[1, 1], turned[2, 1] = math.cos(0.3), math.sin(0.3)
    assert principal_angle_cosines(one, turned).tolist() == pytest.approx([1.0, math.cos(0.3)])
    assert canonical_correlation(one, turned).item() == pytest.approx((1 + math.cos(0.3) ** 2) / 2)
    assert principal_angle_cosines(one, torch.eye(4, dtype=torch.float64)[:, 2:]).tolist() == [0, 0]


def test_angles_are_those_of_scipy(seed):
    one, other = (torch.linalg.qr(normal(3, 10, k, seed=seed + k)).Q for k in (3, 5))
    mine = principal_angle_cosines(one, other)
    assert mine.shape == (3, 3)
    for i in range(3):
        theirs = np.cos(subspace_angles(one[i].numpy(), other[i].numpy()))[::-1]
        np.testing.assert_allclose(mine[i], theirs, atol=1e-10)


def test_random_planes_share_two_of_their_dimensions(seed):
    # E ||U^T q||^2 = 2 / 20 for each direction q of the other.
    one, other = (torch.linalg.qr(normal(3_000, 20, 2, seed=seed + k)).Q for k in (0, 50))
    shared = canonical_correlation(one, other)
    assert abs(shared.mean() - 0.1) < 4.5 * shared.std() / 3_000**0.5


def test_directions_are_those_of_scikit_learn(seed):
    points = normal(40, 6, seed=seed) * torch.tensor([5.0, 4, 3, 2, 1, 0.5]) + 9.0
    theirs = torch.tensor(PCA(4).fit(points.numpy()).components_.T)
    mine = principal_directions(points, 3, first=1)
    torch.testing.assert_close((mine * theirs[:, 1:]).sum(0).abs(), torch.ones(3, dtype=torch.float64))
    # Not centred, the first direction is the mean's.
    first = principal_directions(points, 1, centre=False)[:, 0]
    assert abs(first @ torch.nn.functional.normalize(points.mean(0), dim=0)) > 0.95


def test_a_nan_stays_in_its_own_and_too_many_are_refused(seed):
    points = normal(2, 9, 5, seed=seed)
    points[0, 0, 0] = torch.nan
    directions = principal_directions(points, 2)
    assert directions.isnan().all(-1).all(-1).tolist() == [True, False]
    assert principal_angle_cosines(directions, directions).isnan().all(-1).tolist() == [True, False]
    with pytest.raises(UserError, match="no 6 directions"):
        principal_directions(points, 3, first=3)
