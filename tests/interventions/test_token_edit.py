"""Oracles: identity at share 0, binomial counts, and uniform replacements that are never the old token."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.interventions.token_edit import TokenEdit, replace_token
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.noisy_arithmetic import NoisyArithmeticChain

TASK = NoisyArithmeticChain(modulus=5)
N = 3_000


def chains(seed):
    streams = Streams(seeds=(seed, seed + 1))
    return TASK.clean(streams, N).inputs, streams.of("edit")


def test_share_0_is_the_identity_and_nothing_is_edited_in_place(seed):
    tokens, streams = chains(seed)
    kept = tokens.clone()
    assert torch.equal(TokenEdit(role="E2.product", share=0.0)(TASK, tokens, streams), tokens)
    TokenEdit(role="E2.product")(TASK, tokens, streams)
    assert torch.equal(tokens, kept)


@pytest.mark.parametrize("role", [role for role in TASK.roles if role != "E3.answer"])  # inputs end before it
def test_only_the_role_is_edited_and_always_to_something_else(role, seed):
    tokens, streams = chains(seed)
    changed = TokenEdit(role=role)(TASK, tokens, streams) != tokens
    place = TASK.position(role)
    assert changed[..., place].all()
    assert changed.sum() == changed[..., place].sum()


def test_replacements_are_uniform_over_the_other_options(seed):
    tokens, streams = chains(seed)
    place = TASK.position("E1.a")
    new = TokenEdit(role="E1.a")(TASK, tokens, streams)[..., place]
    shift = (new - tokens[..., place]) % 5
    share = torch.bincount(shift.flatten(), minlength=5).double() / (2 * N)
    assert share[0] == 0
    assert ((share[1:] - 0.25).abs() < 4 * math.sqrt(0.25 * 0.75 / (2 * N))).all()


def test_the_share_may_differ_between_members(seed):
    tokens, streams = chains(seed)
    edit = stack([TokenEdit(role="E2.product", share=s) for s in (0.0, 0.3)])
    changed = (edit(TASK, tokens, streams) != tokens).any(-1).double().mean(-1)
    assert changed[0] == 0
    assert changed[1].item() == pytest.approx(0.3, abs=4 * math.sqrt(0.3 * 0.7 / N))


def test_what_is_no_option_stays():
    tokens = torch.tensor([[3, 9], [4, 2]])
    edited = replace_token(tokens, 1, range(5), torch.tensor([1, 4]), torch.tensor([True, True]))
    assert edited.tolist() == [[3, 9], [4, 1]]


def test_bad_values_are_refused():
    tokens, streams = chains(0)
    with pytest.raises(UserError, match=r"did you mean 'E2\.product'"):
        TokenEdit(role="E2.products")(TASK, tokens, streams)
    with pytest.raises(UserError, match="probability that a sample is edited, got 2"):
        TokenEdit(role="E1.a", share=2.0)
