"""Oracles: a network that is the identity behind its site, and strength 0."""

import torch
from torch import nn

from ontogeny.interventions.concept_vector import concept_vector
from ontogeny.models.sites import Site, edit


class Through(nn.Module):
    def __init__(self):
        super().__init__()
        self.hook = Site()

    def forward(self, x):
        return self.hook(x)


def test_the_difference_of_means_is_added(seed):
    h = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(seed))
    strengths = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, -2.0, 0.0])
    network = Through()
    with edit(network, {"hook": concept_vector(slice(0, 2), slice(2, 4), strengths)}):
        found = network(h)
    vector = (h[:, 2] + h[:, 3] - h[:, 0] - h[:, 1]) / 2
    torch.testing.assert_close(found[:, 4], h[:, 4] + vector)
    torch.testing.assert_close(found[:, 5], h[:, 5] - 2 * vector)
    untouched = [0, 1, 2, 3, 6]
    assert torch.equal(found[:, untouched], h[:, untouched])
    assert torch.equal(network(h), h)


def test_an_infinite_concept_leaves_strength_0_alone():
    h = torch.ones(1, 3, 2)
    h[:, 1] = torch.inf
    found = concept_vector(slice(0, 1), slice(1, 2), torch.tensor([0.0, 0.0, 0.0]))(h)
    assert torch.equal(found, h)


def test_members_alone_as_in_company(seed):
    h = torch.randn(3, 9, 5, generator=torch.Generator().manual_seed(seed))
    move = concept_vector(slice(0, 3), slice(3, 6), torch.tensor([0.0] * 6 + [0.5, 1.0, 2.0]))
    assert torch.equal(move(h)[1:2], move(h[1:2].clone()))
