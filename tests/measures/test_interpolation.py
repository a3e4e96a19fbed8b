"""Oracles: features whose rank is built in, NumPy's least squares, and a residual derived by hand."""

import numpy as np
import pytest
import torch

from ontogeny.measures.interpolation import least_squares_residual


def test_by_hand():
    # The only feature is (1, 1): of y = (2, 0) the part (1, 1) is fitted, (1, -1) is left.
    rank, residual = least_squares_residual(
        torch.ones(2, 1, dtype=torch.float64), torch.tensor([2.0, 0.0], dtype=torch.float64)
    )
    assert rank == 1
    assert residual.item() == pytest.approx(0.5**0.5)


@pytest.mark.parametrize("features", [3, 10, 25])
@pytest.mark.parametrize("rank", [2, 10])
def test_equals_numpy(features, rank, seed):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(10, rank)) @ rng.normal(size=(rank, features))
    y = rng.normal(size=10)
    fit = table @ np.linalg.lstsq(table, y, rcond=1e-10)[0]
    found, residual = least_squares_residual(torch.tensor(table), torch.tensor(y))
    assert found == min(rank, features)
    assert residual.item() == pytest.approx(np.linalg.norm(y - fit) / np.linalg.norm(y), abs=1e-10)


def test_degenerate():
    nothing, y = torch.zeros(3, 2, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    rank, residual = least_squares_residual(nothing, y)
    assert (rank.item(), residual.item()) == (0, 1.0)
    assert least_squares_residual(nothing + 1, 0 * y)[1] == 0.0
