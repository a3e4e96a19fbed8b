"""Oracles: automorphisms of a ring, and a null drawn by hand."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.relabelling import above_null, relabelled, relabellings
from ontogeny.streams import Streams
from ontogeny.tasks.graphs import Circulant

RING = Circulant(size=5, jumps=(1,)).draw(Streams((0,)))[0, 0]


def test_no_order_maps_the_graph_onto_itself():
    orders = relabellings(RING, 600)
    assert orders.shape == (600, 5)
    assert torch.equal(orders.sort(-1).values, torch.arange(5).expand(600, -1))
    moved = relabelled(RING, orders)
    assert (moved != RING).any(-1).any(-1).all()
    assert (moved.sum(-1) == 2).all()
    # The ring of 5 has 12 labelled forms: all but its own turn up.
    assert len(torch.unique(moved.flatten(1).int(), dim=0)) == 11


def test_a_graph_without_other_forms_is_refused():
    with pytest.raises(UserError, match="same in nearly any order"):
        relabellings(~torch.eye(5, dtype=torch.bool))


def test_a_value_against_a_null_by_hand():
    score, share = above_null(torch.tensor([5.0, 1.0, torch.nan]), torch.tensor([1.0, 2.0, 3.0]).expand(3, -1))
    assert score[:2].tolist() == [3.0, -1.0]  # mean 2, deviation 1
    assert share[:2].tolist() == [1.0, 0.0]
    assert share[2].isnan()
