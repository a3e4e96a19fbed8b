"""Oracles: heads that do just one thing, and even attention."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.head_scores import induction_score, previous_token_score

TOKENS = torch.tensor([9, 1, 2, 1, 3, 1])  # 1 stands at 1, 3 and 5
EVEN = torch.ones(6, 6).tril() / torch.arange(1, 7)[:, None]


def pointing(keys):
    pattern = torch.zeros(6, 6)
    pattern[torch.arange(6), torch.tensor(keys)] = 1.0
    return pattern


def test_heads_that_do_one_thing():
    previous = pointing([0, 0, 1, 2, 3, 4])
    # At 3 the token before was followed by position 2; at 5 by 2 and 4. Even attention has 1/4 there, and 2/6.
    induces = pointing([0, 1, 2, 2, 4, 4])
    heads = torch.stack([previous, induces, EVEN])
    assert previous_token_score(heads).tolist() == pytest.approx(
        [1.0, 2 / 5, (1 / 2 + 1 / 3 + 1 / 4 + 1 / 5 + 1 / 6) / 5]
    )
    by_induction = ((1 - 1 / 4) + (1 - 2 / 6)) / 2
    # The first head is at 2 from 3 and at 4 from 5: the token before happens to be the one that followed.
    assert induction_score(heads, TOKENS).tolist() == pytest.approx([by_induction, by_induction, 0.0])
    elsewhere = pointing([0, 0, 0, 0, 0, 0])
    assert induction_score(elsewhere[None], TOKENS).item() == pytest.approx(-(1 / 4 + 2 / 6) / 2)


def test_leading_axes_and_nothing_to_copy():
    pattern = EVEN.expand(2, 3, 4, 6, 6)
    tokens = torch.stack([TOKENS, torch.arange(6), TOKENS]).expand(2, 3, 6)
    scores = induction_score(pattern, tokens)
    assert scores.shape == (2, 3, 4)
    assert scores[:, 1].isnan().all()
    assert scores[:, [0, 2]].abs().max() < 1e-6
    assert previous_token_score(pattern).shape == (2, 3, 4)


def test_one_position_is_refused():
    for score in (previous_token_score, lambda x: induction_score(x, torch.zeros(1, dtype=torch.long))):
        with pytest.raises(UserError, match="two positions"):
            score(torch.ones(1, 1, 1))
