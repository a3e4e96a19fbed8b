"""Oracles: a follower is moved by the step alone, a skipper by the prompt alone."""

import pytest
from reasoners import checkpoint, follower, ignorant, skipper

from ontogeny.measures.invariance import Invariance
from ontogeny.tasks.noisy_arithmetic import NoisyArithmeticChain


def test_what_moves_whom(seed):
    task = NoisyArithmeticChain()
    found = Invariance(prompts=400)(checkpoint(task, follower, skipper, ignorant, seed=seed))
    same = found["invariance_of"].values
    # With a, b non-zero and a prime modulus, every edit of a, of b and of the product changes the answer.
    assert same.tolist() == [[1, 1, 0], [0, 0, 1], [1, 1, 1]]
    surprise = found["cross_entropy_of"].values
    assert surprise[0].tolist() == pytest.approx([0, 0, 30], abs=1e-4)
    assert surprise[1].tolist() == pytest.approx([30, 30, 0], abs=1e-4)
    assert found["invariance_of"].coords["role"] == ("E1.a", "E1.b", "E2.product")


def test_other_roles_can_be_named():
    found = Invariance(prompts=200, roles=("E2.c", "E2.op"))(checkpoint(NoisyArithmeticChain(), follower, skipper))
    # Both oracles read c and op in the prompt (the first place they are written), so E2's copies do not matter.
    assert found["invariance_of"].values.tolist() == [[1, 1], [1, 1]]
