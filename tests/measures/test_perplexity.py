"""Oracles: the definition of perplexity, distances chosen by hand, and each row solved anew."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from ontogeny.errors import UserError
from ontogeny.measures.new_neighbours import Neighbourhoods
from ontogeny.measures.perplexity import bandwidths, joint_probabilities, squared_distances, weights


def points(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("perplexity", [2.0, 5.0, 30.0])
def test_entropy_of_each_row_is_the_log_of_the_perplexity(perplexity, seed):
    squared = squared_distances(points(50, 3, seed) * 100)
    p, _ = weights(squared, bandwidths(squared, perplexity))
    np.testing.assert_allclose(np.exp(scipy.stats.entropy(p.numpy(), axis=-1)), perplexity, rtol=1e-10)


def test_two_distances_by_hand():
    # p = (2/3, 1/3) has entropy ln 3 - (2/3) ln 2, and exp(-beta (4 - 1)) = 1/2 gives beta = ln 2 / 3.
    squared = torch.tensor([[math.inf, 1.0, 4.0]], dtype=torch.float64)
    beta = bandwidths(squared, 3 / 2 ** (2 / 3))
    assert beta.item() == pytest.approx(math.log(2) / 3, rel=1e-9)


def test_ties_share_the_probability():
    # Four equally near points cannot be told apart: a perplexity of 2 is out of reach.
    squared = torch.tensor([[1.0, 1.0, 1.0, 1.0, 9.0, 9.0]], dtype=torch.float64)
    p, _ = weights(squared, bandwidths(squared, 2.0))
    np.testing.assert_allclose(p, [[0.25] * 4 + [0, 0]], atol=1e-12)


@pytest.mark.parametrize("perplexity", [0.5, 1.0, 9.0, 20.0])
def test_a_perplexity_out_of_reach_is_refused(perplexity):
    with pytest.raises(UserError, match="between 1 and the number of other points, 9 here"):
        bandwidths(squared_distances(points(10, 2, 0)), perplexity)


@pytest.mark.parametrize(("perplexity", "added"), [(3.0, False), (15.0, False), (3.0, True), (15.0, True)])
def test_a_moved_or_added_point_changes_every_row_as_if_all_were_solved_anew(perplexity, added, seed):
    x = points(40, 3, seed)
    x[3] = x[4] + 1e-3  # two points that are nearly one: the hardest case for an expansion
    moved = torch.tensor([0, 3, 17, 39])
    queries = x[moved] + torch.tensor([0.5, 0.0, 0.0])
    queries[2] = x[4] + 1e-4
    rows = Neighbourhoods(x, perplexity).joint_row(queries, None if added else moved)
    for i, m in enumerate(moved):
        new = torch.cat([x, queries[i : i + 1]]) if added else x.index_copy(0, m[None], queries[i : i + 1])
        squared = squared_distances(new)
        whole = joint_probabilities(squared, bandwidths(squared, perplexity))
        expected = whole[-1, :-1] if added else whole[m]
        np.testing.assert_allclose(rows[i], expected, atol=1e-12)
