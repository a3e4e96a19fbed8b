"""Oracles: energies in closed form on circulants, rings and the king's grid, and noise, whose energy is 1."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.dirichlet_energy import dirichlet_energy
from ontogeny.measures.distances import squared_distances
from ontogeny.measures.relabelling import above_null, relabellings
from ontogeny.streams import Streams
from ontogeny.tasks.graphs import Circulant, Grid


def edges_of(graph):
    return graph.draw(Streams((0,)))[0, 0]


KING = Grid(rows=3, columns=3, diagonals=True)
RING = Circulant(size=16, jumps=(1,))


@pytest.mark.parametrize(
    ("graph", "own", "energy"),
    [
        # Orthonormal names, h = A e: squared distances 4, 6, 4, 6 at ring distances 1 to 4 of C9(1, 2): mean 5.
        (Circulant(), 0, 1.0),
        # h = (I + A) e: 2, 4, 6, 8, so 3 over 5.
        (Circulant(), 1, 0.6),
        (Circulant(size=12), 0, 0.859),
        (Circulant(size=12), 1, 0.471),
        (Circulant(size=16), 0, 0.781),
        (KING, 0, 1.170),
        (KING, 1, 0.758),
        # The ring of 16: neighbours of neighbours share a neighbour, so 4, 2, 4...: mean (14 * 4 - 2 * 2 + ...) / 15.
        (RING, 0, 4 / (56 / 15)),
        (RING, 1, 2 / 5.2),
    ],
)
def test_what_holds_its_neighbours(graph, own, energy):
    edges = edges_of(graph)
    points = edges.double() + own * torch.eye(graph.nodes)
    assert dirichlet_energy(squared_distances(points), edges).item() == pytest.approx(energy, abs=6e-4)


def test_a_regular_polygon_has_the_least_energy():
    angle = 2 * math.pi * torch.arange(16, dtype=torch.float64) / 16
    points = torch.stack([angle.cos(), angle.sin()], -1)
    edges = edges_of(RING)
    energy = dirichlet_energy(squared_distances(points), edges)
    assert energy.item() == pytest.approx((1 - math.cos(2 * math.pi / 16)) * 15 / 16)
    null = dirichlet_energy(squared_distances(points), edges, relabellings(edges))
    assert null.shape == (1_000,)
    score, share = above_null(energy, null)
    assert score < -3
    assert share == 0


def test_noise_has_an_energy_of_one(seed):
    points = torch.randn(2_000, 9, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    apart, edges = squared_distances(points), edges_of(Circulant())
    energy = dirichlet_energy(apart, edges)
    assert abs(energy.mean() - 1) < 4.5 * energy.std() / 2_000**0.5
    null = dirichlet_energy(apart[:3], edges, relabellings(edges))
    assert null.shape == (3, 1_000)
    # Relabelled means are those over pairs: 1, within the spread of 1,000 draws.
    assert ((null.mean(-1) - 1).abs() < 4.5 * null.std(-1) / 1_000**0.5).all()


def test_degenerate_points_are_undefined_and_no_edges_refused():
    edges = edges_of(Circulant())
    assert dirichlet_energy(torch.zeros(9, 9), edges).isnan()
    apart = squared_distances(torch.eye(9)[None].repeat(2, 1, 1))
    apart[0, 0, 1] = torch.nan
    assert dirichlet_energy(apart, edges).isnan().tolist() == [True, False]
    with pytest.raises(UserError, match="no"):
        dirichlet_energy(apart, edges & False)
