"""Oracles: patterns read off noiseless signals, offsets on both sides, and a template matcher that is nearly right."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.shifted_patterns import ShiftedPatterns, patterns


def sample(size=600, **fields):
    task = ShiftedPatterns(**fields)
    return task.sample(None, Streams((1, 2)), size)


def test_patterns_are_unlike_each_other():
    found = patterns()
    torch.testing.assert_close(found.norm(dim=-1), torch.full((4,), 5**0.5))
    padded = torch.nn.functional.pad(found, (5, 5))
    alike = [
        float((padded[a].roll(shift) * padded[b]).sum().abs()) / 5
        for a in range(4)
        for b in range(4)
        for shift in range(-4, 5)
        if a != b
    ]
    assert max(alike) < 0.65


def test_signals_hold_their_pattern_where_they_say():
    batch = sample(noise=0.0)
    for x, kind, offset in zip(batch.inputs[0], batch.targets[0], batch.latents["offset"][0], strict=True):
        assert torch.equal(x[offset : offset + 5], patterns()[kind])
        assert x.square().sum().item() == pytest.approx(5.0, rel=1e-5)


def test_offsets():
    assert sample().latents["offset"].unique().tolist() == list(range(6))
    elsewhere, _ = ShiftedPatterns().evaluated(None)
    assert elsewhere.sample(None, Streams((1,)), 600).latents["offset"].unique().tolist() == list(range(6, 12))
    where = sample(asked="where")
    assert where.latents["offset"].unique().tolist() == list(range(12))
    assert torch.equal(where.targets, where.latents["offset"] // 3)


def test_a_matched_filter_is_right_anywhere():
    """The largest response of any pattern at any place: noise 0.3 against a norm of sqrt(5)."""
    batch = sample(elsewhere=True)
    responses = torch.einsum("mswp,kp->mswk", batch.inputs.unfold(2, 5, 1), patterns()).amax(2)
    assert (responses.argmax(-1) == batch.targets).double().mean() > 0.95


def test_alone_and_refused():
    assert torch.equal(ShiftedPatterns().sample(None, Streams((2,)), 600).inputs, sample().inputs[1:])
    with pytest.raises(UserError, match="'which' or 'where'"):
        ShiftedPatterns(asked="when")
