"""Oracles: counts by hand, and the optimality of counting on walks that are long."""

import pytest
import torch

from ontogeny.streams import Streams
from ontogeny.tasks.graph_walks import GraphTracing
from ontogeny.tasks.graphs import Circulant
from ontogeny.tasks.walk_predictors import visited_before, walked_before

WALK = torch.tensor([0, 1, 0, 2, 0])


def test_counts_by_hand():
    p = walked_before(WALK, 3, smoothing=0.5)
    # Step 0: nothing known. Step 2, at 0 again: one step 0 -> 1. Step 4, at 0: one to 1, one to 2.
    assert p[0].tolist() == pytest.approx([1 / 3] * 3)
    assert p[2].tolist() == pytest.approx([0.5 / 2.5, 1.5 / 2.5, 0.5 / 2.5])
    assert p[4].tolist() == pytest.approx([0.5 / 3.5, 1.5 / 3.5, 1.5 / 3.5])


def test_both_ways_by_hand():
    p = walked_before(WALK, 3, directed=False, smoothing=0.5)
    # Step 1, at 1 for the first time: it came from 0. Step 4, at 0: 0 -> 1, 1 -> 0, 0 -> 2, 2 -> 0.
    assert p[1].tolist() == pytest.approx([1.5 / 2.5, 0.5 / 2.5, 0.5 / 2.5])
    assert p[4].tolist() == pytest.approx([0.5 / 5.5, 2.5 / 5.5, 2.5 / 5.5])


def test_visits_by_hand():
    p = visited_before(WALK, 3, smoothing=0.5)
    assert p[0].tolist() == pytest.approx([1.5 / 2.5, 0.5 / 2.5, 0.5 / 2.5])
    assert p[4].tolist() == pytest.approx([3.5 / 6.5, 1.5 / 6.5, 1.5 / 6.5])


def test_a_long_walk_tells_its_graph(seed):
    walks = GraphTracing(graphs=(Circulant(),), tokens=12, rings=1, length=900).traces(Circulant(), Streams((seed,)), 8)
    p = walked_before(walks.nodes, 9)[:, :, -1]
    at = walks.nodes[..., -1]
    truth = torch.take_along_dim(walks.edges, at[..., None, None], -2)[..., 0, :] / 4
    # About 100 steps out of a node: each share is known to sqrt(.25 * .75 / 100) = .043.
    assert (p - truth).abs().max() < 4.5 * 0.05
    torch.testing.assert_close(p.sum(-1), torch.ones(1, 8, dtype=torch.float64))
