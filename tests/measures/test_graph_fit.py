"""Oracles: exact similarities, scikit-learn's regression, and what noise has on average."""

import pytest
import torch
from sklearn.linear_model import LinearRegression

from ontogeny.measures.distances import squared_distances
from ontogeny.measures.graph_fit import centred_gram, graph_fit
from ontogeny.measures.relabelling import relabellings
from ontogeny.streams import Streams
from ontogeny.tasks.graphs import Circulant, Grid


def edges_of(graph):
    return graph.draw(Streams((0,)))[0, 0]


CIRCULANT, KING = edges_of(Circulant()), edges_of(Grid(rows=3, columns=3, diagonals=True))


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_centred_gram_is_that_of_centred_points(seed):
    points = normal(2, 6, 4, seed=seed) + 7
    centred = points - points.mean(-2, keepdim=True)
    torch.testing.assert_close(centred_gram(squared_distances(points)), centred @ centred.mT)


@pytest.mark.parametrize("own", [0.0, 1.0, -0.5])
def test_neighbours_with_or_without_a_share_of_their_own_fit_exactly(own):
    # (A + c) (A + c)^T = A^2 + 2 c A + c^2: off the diagonal A and A^2, and on a circulant centring shifts all.
    points = CIRCULANT.double() + own * torch.eye(9)
    assert graph_fit(squared_distances(points), CIRCULANT).item() == pytest.approx(1.0)


@pytest.mark.parametrize("edges", [CIRCULANT, KING], ids=["circulant", "king"])
def test_the_regression_is_that_of_scikit_learn(edges, seed):
    points = normal(9, 5, seed=seed) + edges.double() @ normal(9, 5, seed=seed + 100)
    apart = squared_distances(points)
    one, other = torch.triu_indices(9, 9, offset=1)
    columns = torch.stack([edges.double(), edges.double() @ edges.double()], -1)[one, other].numpy()
    gram = centred_gram(apart)[one, other].numpy()
    theirs = LinearRegression().fit(columns, gram).score(columns, gram)
    assert graph_fit(apart, edges).item() == pytest.approx(theirs)
    orders = relabellings(edges, 5)
    null = graph_fit(apart, edges, orders)
    for order, mine in zip(orders, null, strict=True):
        moved = edges[order][:, order].double()
        columns = torch.stack([moved, moved @ moved], -1)[one, other].numpy()
        assert mine.item() == pytest.approx(LinearRegression().fit(columns, gram).score(columns, gram))


def test_similarities_drawn_alike_have_two_of_thirty_five(seed):
    # Independent similarities of 36 pairs: two columns explain 2 / 35 of them on average.
    noise = normal(4_000, 9, 9, seed=seed)
    noise = noise.triu(1) + noise.triu(1).mT
    # Distances whose centred Gram is the noise up to what centring takes: compare on graphs of equal degrees.
    fit = graph_fit(noise, CIRCULANT)
    assert 0.02 < fit.mean() < 0.12


def test_leading_axes_and_degenerate_points(seed):
    apart = squared_distances(normal(2, 3, 9, 4, seed=seed))
    together = graph_fit(apart, CIRCULANT, relabellings(CIRCULANT, 7))
    assert together.shape == (2, 3, 7)
    assert torch.equal(graph_fit(apart[1:], CIRCULANT, relabellings(CIRCULANT, 7)), together[1:])
    assert graph_fit(squared_distances(torch.eye(9)), CIRCULANT).isnan()  # all similarities alike
    apart[0, 0] = torch.nan
    assert graph_fit(apart, CIRCULANT).isnan().tolist() == [[True, False, False], [False] * 3]
