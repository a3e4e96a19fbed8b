"""Oracles: networkx on the same graphs, rates of edges, and a graph drawn by hand."""

import networkx as nx
import numpy as np
import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.random_dag import Layered, Ordered, count_paths, reaches

LAWS = {"layered": Layered(layers=5, width=4, density=0.3), "ordered": Ordered(size=12, density=0.3)}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_paths_and_reach_are_those_of_networkx(law, seed):
    graphs = law.draw(Streams((seed, seed + 1)))
    counts, closed = count_paths(graphs.edges, 6), reaches(graphs.edges)
    for m in range(2):
        graph = nx.from_numpy_array(graphs.edges[m].numpy().astype(int), create_using=nx.DiGraph)
        assert nx.is_directed_acyclic_graph(graph)
        for a in range(law.nodes):
            below = nx.descendants(graph, a) | {a}
            assert set(closed[m, a].nonzero()[:, 0].tolist()) == below
            for b in set(range(law.nodes)) - {a}:
                for most in (1, 3, 6):
                    found = list(nx.all_simple_paths(graph, a, b, cutoff=most))
                    assert counts[m, most, a, b] == len(found)
    assert torch.equal(counts[:, 0], torch.eye(law.nodes, dtype=torch.float64).expand(2, -1, -1))


def test_layered_graphs(seed):
    law = Layered(layers=6, width=5, density=0.15)
    graphs = law.draw(Streams(tuple(range(seed, seed + 200))))
    gap = law.gap(graphs)
    assert (gap[graphs.edges] == 1).all()
    assert torch.bincount(graphs.level[0]).tolist() == [5] * 6
    inner_out = graphs.edges.any(-1) | (graphs.level == 5)
    inner_in = graphs.edges.any(-2) | (graphs.level == 0)
    assert inner_out.all()
    assert inner_in.all()
    # Edges of the first draw, and then one for a node without any: P(none out) = .85^5, and then P(none in), which the
    # first patch has already made rarer: between 0 and .85^5.
    rate = float(graphs.edges.sum() / (gap == 1).sum())
    none = 0.85**5
    assert 0.15 + none / 5 - 0.01 < rate < 0.15 + 2 * none / 5 + 0.01


def test_names_say_nothing_about_places(seed):
    graphs = Layered(layers=4, width=4, density=0.3).draw(Streams(tuple(range(400))))
    level = graphs.level.float()
    expected, deviation = 1.5, np.sqrt(1.25 / 400)
    assert (level.mean(0) - expected).abs().max() < 4.5 * deviation


def test_ordered_graphs(seed):
    law = Ordered(size=20, density=0.12)
    graphs = law.draw(Streams(tuple(range(seed, seed + 100))))
    gap = law.gap(graphs)
    assert (gap[graphs.edges] == 1).all()
    assert gap.max() == 1
    assert (gap.sum((-2, -1)) == 190).all()
    rate = float(graphs.edges.sum() / gap.sum())
    assert abs(rate - 0.12) < 4 * np.sqrt(0.12 * 0.88 / 19_000)


def test_a_member_has_its_own_graph_alone_and_in_company(seed):
    for law in LAWS.values():
        together, alone = law.draw(Streams((seed, seed + 7, seed + 9))), law.draw(Streams((seed + 7,)))
        assert torch.equal(together.edges[1:2], alone.edges)
        assert torch.equal(together.level[1:2], alone.level)
        assert not torch.equal(together.edges[0], together.edges[2])


def test_counts_by_hand():
    edges = torch.zeros(1, 4, 4, dtype=torch.bool)
    for a, b in ((0, 1), (1, 2), (0, 2), (2, 3), (1, 3)):
        edges[0, a, b] = True
    counts = count_paths(edges, 3)
    # 0 -> 3: not directly; 0-1-3 and 0-2-3 with two edges; 0-1-2-3 with three.
    assert counts[0, :, 0, 3].tolist() == [0, 0, 2, 3]
    assert reaches(edges)[0, 3].tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        (Layered, dict(layers=1, width=3, density=0.5), "2 layers of a node or more"),
        (Layered, dict(layers=3, width=3, density=1.5), "0 to 1"),
        (Ordered, dict(size=1, density=0.5), "2 nodes or more"),
        (Ordered, dict(size=4, density=-0.1), "0 to 1"),
    ],
)
def test_what_cannot_be_drawn_says_so(kind, fields, says):
    with pytest.raises(UserError, match=says):
        kind(**fields)
