"""Oracles: a network that is the identity behind its site, strength 0, and lengths of random vectors."""

import torch
from torch import nn

from ontogeny.interventions.concept_vector import concept_vector, random_vector
from ontogeny.models.sites import Site, edit
from ontogeny.streams import Streams


class Through(nn.Module):
    def __init__(self):
        super().__init__()
        self.hook = Site()

    def forward(self, x):
        return self.hook(x)


def test_the_difference_of_means_is_added(seed):
    h = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(seed))
    network = Through()
    move = concept_vector(slice(0, 2), slice(2, 4), slice(4, 6), torch.tensor([1.0, -2.0]))
    with edit(network, {"hook": move}):
        found = network(h)
    vector = (h[:, 2] + h[:, 3] - h[:, 0] - h[:, 1]) / 2
    torch.testing.assert_close(found[:, 4], h[:, 4] + vector)
    torch.testing.assert_close(found[:, 5], h[:, 5] - 2 * vector)
    untouched = [0, 1, 2, 3, 6]
    assert torch.equal(found[:, untouched], h[:, untouched])
    assert torch.equal(network(h), h)


def test_an_infinite_concept_leaves_strength_0_alone():
    h = torch.ones(1, 4, 2)
    h[:, 1] = torch.inf
    found = concept_vector(slice(0, 1), slice(1, 2), slice(2, 3), torch.tensor([0.0]))(h)
    assert torch.equal(found, h)


def test_a_random_vector_is_as_long_and_goes_anywhere(seed):
    h = torch.randn(400, 5, 3, generator=torch.Generator().manual_seed(seed))
    move = random_vector(Streams(tuple(range(400))), slice(0, 2), slice(2, 4), slice(4, 5), torch.tensor([-2.0]))
    pushes = move(h) - h
    assert torch.equal(move(h)[:, :4], h[:, :4])
    vector = (h[:, 2] + h[:, 3] - h[:, 0] - h[:, 1]) / 2
    torch.testing.assert_close(pushes[:, 4].norm(dim=-1), 2 * vector.norm(dim=-1))
    # Uniform over the sphere: mean 0, and a third of the square along each axis; four deviations.
    direction = pushes[:, 4] / pushes[:, 4].norm(dim=-1, keepdim=True)
    assert (direction.mean(0).abs() < 4 / 3**0.5 / 400**0.5).all()
    assert ((direction.square().mean(0) - 1 / 3).abs() < 4 * 0.3 / 400**0.5).all()
    # The same direction in another pass.
    torch.testing.assert_close((move(3 * h) - 3 * h)[:, 4], 3 * pushes[:, 4], rtol=1e-4, atol=1e-5)


def test_members_alone_as_in_company(seed):
    h = torch.randn(3, 9, 5, generator=torch.Generator().manual_seed(seed))
    groups = slice(0, 3), slice(3, 6), slice(6, 9), torch.tensor([0.5, 1.0, 2.0])
    move = concept_vector(*groups)
    assert torch.equal(move(h)[1:2], move(h[1:2].clone()))
    whole, alone = (random_vector(Streams(seeds), *groups) for seeds in ((4, 5, 6), (5,)))
    assert torch.equal(whole(h)[1:2], alone(h[1:2].clone()))
