"""Oracles: masses by hand, and guesses whose mass is known."""

import pytest
import torch

from ontogeny.measures.neighbour_mass import neighbour_mass

PATH = torch.tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=torch.bool)  # 0 - 1 - 2


def test_masses_by_hand():
    nodes = torch.tensor([0, 1, 2])
    p = torch.tensor([[0.1, 0.6, 0.1], [0.5, 0.1, 0.3], [0.2, 0.7, 0.1]], dtype=torch.float64)  # .2 at step 0 elsewhere
    mass = neighbour_mass(p, nodes, PATH)
    assert mass.all.tolist() == pytest.approx([0.6, 0.8, 0.7])
    # At step 1 it came from 0: of the rest .5, .3 lies on node 2. At step 2 only node 1 is next, it came from there.
    assert mass.fresh[1:].tolist() == pytest.approx([0.3 / 0.5, 0.0])
    assert mass.fresh[0].isnan()


def test_going_back_scores_only_without_freshness():
    back = torch.eye(3)[[0, 0, 1]]
    mass = neighbour_mass(back, torch.tensor([0, 1, 2]), PATH)
    assert mass.all[1:].tolist() == [1, 1]
    assert mass.fresh[1:].isnan().all()  # all probability is on the node before


def test_staying_is_no_neighbour():
    # A walk that stays: the node before is not a neighbour, so its mass is taken off below but not above.
    p = torch.tensor([[0.0, 0.0, 0.0], [0.2, 0.4, 0.4]])
    mass = neighbour_mass(p, torch.tensor([0, 0]), PATH)
    assert mass.fresh[1].item() == pytest.approx(0.4 / 0.8)


def test_even_guesses_on_leading_axes(seed):
    generator = torch.Generator().manual_seed(seed)
    nodes = torch.randint(3, (2, 5, 7), generator=generator)
    mass = neighbour_mass(torch.full((2, 5, 7, 3), 1 / 3), nodes, PATH.expand(2, 5, -1, -1))
    assert mass.all.shape == (2, 5, 7)
    torch.testing.assert_close(mass.all, (1 + (nodes == 1).float()) / 3)
