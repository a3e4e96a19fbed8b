"""Oracles: factors by hand; lengths and the uniformity of random directions."""

import pytest
import torch

from ontogeny.interventions.overprompting import overprompted, random_pushes
from ontogeny.streams import Streams


def test_factors_by_hand():
    plain = torch.tensor([[0.2, -0.4, 0.3], [1.0, 0.0, -1.0]])
    found = overprompted(plain, slice(0, 2), (1.0, 2.0, 0.0))
    torch.testing.assert_close(
        found,
        torch.tensor(
            [
                [[0.2, -0.4, 0.3], [0.4, -0.8, 0.3], [0.0, 0.0, 0.3]],
                [[1.0, 0.0, -1.0], [2.0, 0.0, -1.0], [0.0, 0.0, -1.0]],
            ]
        ),
    )
    assert torch.equal(found[:, 0], plain)


def test_random_pushes_are_as_long_and_go_anywhere(seed):
    plain = Streams((seed, 7)).normal("plain", (3,))
    prompts = plain[:, None] + torch.tensor([[2.0, 0.0, 0.0]] * 2_000 + [[0.0, 0.0, 0.0]])
    found = random_pushes(Streams((seed, 7)), plain, prompts)
    off = found - plain[:, None]
    assert off[:, :-1].norm(dim=-1).min().item() == pytest.approx(2, rel=1e-4)
    assert off[:, :-1].norm(dim=-1).max().item() == pytest.approx(2, rel=1e-4)
    assert torch.equal(found[:, -1], plain)  # no push, no change
    # Uniform over the sphere: mean 0 and a third of the square along each axis, four deviations.
    assert (off[:, :-1].mean(1).abs() < 4 * 2 / 3**0.5 / 2_000**0.5).all()
    assert (off[:, :-1].square().mean(1) - 4 / 3).abs().max() < 4 * 4 * 0.3 / 2_000**0.5
    alone = random_pushes(Streams((7,)), plain[1:], prompts[1:])
    assert torch.equal(alone, found[1:])
