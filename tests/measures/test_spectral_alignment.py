"""Oracles: spectral embeddings, polygons, networkx's Laplacian, and what chance has."""

import math

import networkx as nx
import numpy as np
import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.relabelling import relabellings
from ontogeny.measures.spectral_alignment import ring_alignment, slow_waves, spectral_alignment
from ontogeny.streams import Streams
from ontogeny.tasks.graphs import Circulant, Grid


def edges_of(graph):
    return graph.draw(Streams((0,)))[0, 0]


GRID = edges_of(Grid(rows=3, columns=4))


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def polygon(nodes, times=1):
    angle = 2 * math.pi * times * torch.arange(nodes, dtype=torch.float64) / nodes
    return torch.stack([angle.cos(), angle.sin()], -1)


def test_waves_are_those_of_networkx():
    values, vectors = np.linalg.eigh(nx.laplacian_matrix(nx.grid_2d_graph(3, 4)).toarray())
    mine = slow_waves(GRID, 2).numpy()
    assert mine.shape == (12, 2)
    np.testing.assert_allclose(np.abs((mine * vectors[:, 1:3]).sum(0)), 1)
    # On the ring the waves come in pairs: asked for one, both are given.
    assert slow_waves(edges_of(Circulant(size=8, jumps=(1,))), 1).shape == (8, 2)
    assert values[1] > 1e-9


def test_the_spectral_embedding_is_aligned_in_any_frame(seed):
    frame = torch.linalg.qr(normal(7, 7, seed=seed)).Q[:2]
    points = slow_waves(GRID, 2) * torch.tensor([3.0, 2.0]) @ frame + 5.0
    assert spectral_alignment(points, GRID).item() == pytest.approx(1.0)
    assert spectral_alignment(points, GRID, orders=relabellings(GRID, 20)).max() < 0.9


def test_rings():
    assert ring_alignment(polygon(9)).item() == pytest.approx(1.0)
    assert ring_alignment(polygon(9, times=2)).item() == pytest.approx(0.0, abs=1e-12)  # a star: the next wave
    order = torch.tensor([0, 2, 4, 6, 8, 1, 3, 5, 7])
    assert ring_alignment(polygon(9)[order]).item() == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(UserError, match="four nodes"):
        ring_alignment(polygon(3))


def test_later_components():
    points = torch.cat([10 * polygon(9, times=2), polygon(9)], -1)
    edges = edges_of(Circulant(size=9, jumps=(1,)))
    assert spectral_alignment(points, edges).item() == pytest.approx(0.0, abs=1e-12)
    assert spectral_alignment(points, edges, first=2).item() == pytest.approx(1.0)
    assert spectral_alignment(points, edges, first=1, count=2).item() == pytest.approx(0.5)


def test_chance_and_undefined_points(seed):
    found = spectral_alignment(normal(2_000, 9, 6, seed=seed), edges_of(Circulant()))
    assert abs(found.mean() - 2 / 8) < 4.5 * found.std() / 2_000**0.5
    points = normal(2, 9, 6, seed=seed)
    points[0, 0, 0] = torch.nan
    assert spectral_alignment(points, edges_of(Circulant())).isnan().tolist() == [True, False]
    line = torch.arange(9.0)[:, None] * torch.ones(3)
    assert spectral_alignment(line, edges_of(Circulant())).isnan()  # one component, not two
    with pytest.raises(UserError, match="8 components"):
        spectral_alignment(points, edges_of(Circulant()), first=7)
    with pytest.raises(UserError, match="features have no 2"):
        spectral_alignment(normal(9, 1, seed=seed), edges_of(Circulant()))
