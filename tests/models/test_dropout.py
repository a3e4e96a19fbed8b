"""Oracles: `torch.nn.functional.dropout`'s values and gradient on what is kept, rates, and each member's own stream."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.dropout import dropout
from ontogeny.streams import Streams


def test_kept_numbers_are_those_of_torch():
    """Torch's dropout is x / keep or 0, and its gradient 1 / keep or 0, on its own mask: ours on ours."""
    x = torch.linspace(1, 2, 600).view(2, 300).requires_grad_()
    ours = dropout(x, 0.8, Streams((1, 2)))
    theirs = torch.nn.functional.dropout(x, 0.2)
    torch.testing.assert_close(theirs, torch.where(theirs != 0, x * 1.25, 0.0))  # torch's scale on torch's mask
    kept = ours != 0
    torch.testing.assert_close(ours, torch.where(kept, x * 1.25, 0.0))
    (slope,) = torch.autograd.grad(ours.sum(), x)
    torch.testing.assert_close(slope, torch.where(kept, 1.25, 0.0))


def test_rates_are_each_members_own():
    x = torch.ones(2, 20_000)
    out = dropout(x, torch.tensor([0.5, 0.9]), Streams((1, 2)))
    for row, keep in zip(out, (0.5, 0.9), strict=True):
        deviation = (keep * (1 - keep) / 20_000) ** 0.5
        assert abs((row > 0).double().mean().item() - keep) < 3 * deviation
        assert row.max().item() == pytest.approx(1 / keep)


def test_masks_are_fresh_and_keep_to_members():
    x, streams = torch.ones(3, 40), Streams((1, 2, 3))
    masks = dropout(x, 0.5, streams.at(4))
    assert torch.equal(masks[1:2], dropout(x[1:2], 0.5, Streams((2,)).at(4)))
    assert not torch.equal(masks, dropout(x, 0.5, streams.at(5)))
    assert not torch.equal(masks, dropout(x, 0.5, streams.at(4), "others"))
    assert not torch.equal(masks[0], masks[1])


def test_ends():
    x = torch.linspace(-1, 1, 8).view(2, 4)
    assert torch.equal(dropout(x, 1.0, Streams((1, 2))), x)
    for keep in (0.0, 1.5):
        with pytest.raises(UserError, match="above 0"):
            dropout(x, keep, Streams((1, 2)))
