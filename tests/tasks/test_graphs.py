"""Oracles: networkx's graphs, and the classes of 4-regular graphs on 6 nodes counted by hand."""

import networkx as nx
import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.graphs import Circulant, Grid, RandomRegular, mixes, neighbours_of

THEIRS = {
    "circulant": (Circulant(size=9, jumps=(1, 2)), nx.circulant_graph(9, [1, 2])),
    "ring": (Circulant(size=8, jumps=(1,)), nx.cycle_graph(8)),
    "half": (Circulant(size=6, jumps=(1, 3)), nx.circulant_graph(6, [1, 3])),
    "grid": (Grid(rows=3, columns=4), nx.grid_2d_graph(3, 4)),
    "king": (Grid(rows=3, columns=3, diagonals=True), nx.strong_product(nx.path_graph(3), nx.path_graph(3))),
    "torus": (Grid(rows=5, columns=3, wraps=True), nx.grid_2d_graph(5, 3, periodic=True)),
}


@pytest.mark.parametrize("name", THEIRS)
def test_the_same_graphs_as_networkx(name):
    mine, theirs = THEIRS[name]
    edges = mine.draw(Streams((0, 1)))
    assert edges.shape == (2, 1, mine.nodes, mine.nodes)
    assert torch.equal(edges[0], edges[1])
    expected = nx.to_numpy_array(theirs, nodelist=sorted(theirs)).astype(bool)
    assert (edges[0, 0].numpy() == expected).all()
    assert bool(mixes(edges[0, 0])) == (nx.is_connected(theirs) and not nx.is_bipartite(theirs))


def test_mixing_needs_one_piece():
    two = torch.block_diag(*[Circulant(size=5).draw(Streams((0,)))[0, 0]] * 2)
    assert not mixes(two)
    assert mixes(two[:5, :5])


def test_random_regular_graphs(seed):
    law = RandomRegular(size=9, degree=4, count=30)
    edges = law.draw(Streams((seed, seed + 1, seed + 2)))
    assert (edges.sum(-1) == 4).all()
    assert torch.equal(edges, edges.mT)
    for one in edges[0]:
        graph = nx.from_numpy_array(one.numpy().astype(int))
        assert nx.is_connected(graph)
        assert not nx.is_bipartite(graph)
    assert torch.equal(law.draw(Streams((seed + 1,)))[0], edges[1])
    assert not torch.equal(edges[0], edges[1])


def test_random_graphs_are_uniform(seed):
    # Cubic graphs on 6 nodes: 10 labelled K_{3,3}, which is bipartite and left out, and 60 labelled prisms.
    edges = RandomRegular(size=6, degree=3, count=1_200).draw(Streams((seed,)))[0]
    kinds, times = torch.unique(edges.flatten(1), dim=0, return_counts=True)
    assert len(kinds) == 60
    chi = ((times - 20.0) ** 2 / 20.0).sum()
    assert chi < 59 + 4.5 * (2 * 59) ** 0.5


def test_neighbours_of_a_path():
    edges = torch.zeros(3, 3, dtype=torch.bool)
    edges[0, 1] = edges[1, 0] = edges[1, 2] = edges[2, 1] = True
    neighbours, degree = neighbours_of(edges)
    assert degree.tolist() == [1, 2, 1]
    assert neighbours[1].tolist() == [0, 2]
    assert [neighbours[0, 0], neighbours[2, 0]] == [1, 1]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Circulant(size=9, jumps=(5,)), "from 1 to size // 2"),
        (lambda: Circulant(size=9, jumps=(1, 1)), "different numbers"),
        (lambda: Grid(rows=1, columns=1), "2 nodes or more"),
        (lambda: Grid(rows=2, columns=4, wraps=True), "sides of 3"),
        (lambda: RandomRegular(size=9, degree=3), "size \\* degree is even"),
        (lambda: RandomRegular(size=40, degree=9), "lower it"),
    ],
)
def test_what_cannot_be_drawn_says_so(make, says):
    with pytest.raises(UserError, match=says):
        make()
