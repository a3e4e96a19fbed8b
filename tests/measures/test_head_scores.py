"""Oracles: heads that do just one thing, uniform and planted attention, and choices by hand."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.head_scores import (
    attention_before,
    attention_contrast,
    attention_mass,
    heads_above,
    induction_score,
    patterns,
    previous_token_score,
)
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


def uniform(members=2, samples=3, length=6):
    mask = torch.ones(length, length).tril()
    return (mask / mask.sum(-1, keepdim=True)).expand(members, samples, 1, 2, -1, -1)


def test_uniform_attention_pays_alike():
    at = torch.tensor([[5, 3, 1], [2, 2, 4]])
    # 1 / (t + 1): (1/6 + 1/4 + 1/2) / 3 and (1/3 + 1/3 + 1/5) / 3.
    score = attention_before(uniform(), at)
    assert score[:, 0].flatten().tolist() == pytest.approx([11 / 36, 11 / 36, 13 / 45, 13 / 45])
    onto = torch.zeros(2, 3, 6, dtype=torch.bool)
    onto[..., 1:3] = True
    last = torch.full((2, 3), 5)
    torch.testing.assert_close(attention_mass(uniform(), last, onto), torch.full((2, 1, 2), 2 / 6))
    assert attention_contrast(uniform(), last, onto, onto).abs().max() == 0


def test_planted_heads_are_told_apart():
    # Head 0 looks one back, head 1 puts 0.75 on position 1 and 0.25 on position 3, seen from position 5.
    pattern = torch.zeros(1, 4, 1, 2, 6, 6)
    pattern[..., 0, 5, 4] = 1
    pattern[..., 1, 5, 1], pattern[..., 1, 5, 3] = 0.75, 0.25
    last = torch.full((1, 4), 5)
    assert attention_before(pattern, last).tolist() == [[[1.0, 0.0]]]
    same, other = torch.zeros(1, 4, 6, dtype=torch.bool), torch.zeros(1, 4, 6, dtype=torch.bool)
    # In half of the samples position 1 is the one to look at, in the others position 3: 0.5 and -0.5.
    same[:, :2, 1], other[:, :2, 3] = True, True
    same[:, 2:, 3], other[:, 2:, 1] = True, True
    assert attention_contrast(pattern, last, same, other).tolist() == [[[0.0, 0.0]]]
    assert attention_contrast(pattern[:, :2], last[:, :2], same[:, :2], other[:, :2]).tolist() == [[[0.0, 0.5]]]


def test_choices_by_hand():
    score = torch.tensor([[[0.1, 0.5], [0.3, 0.2]], [[0.1, 0.2], [0.05, 0.2]]])
    assert heads_above(score, 0.3, 1).flatten(1).int().tolist() == [[0, 1, 1, 0], [0, 1, 0, 0]]  # a tie: the earlier
    assert heads_above(score, 0.3, 2).flatten(1).int().tolist() == [[0, 1, 1, 0], [0, 1, 0, 1]]
    among = torch.tensor([[[True, False], [False, True]], [[True, True], [True, False]]])
    assert heads_above(score, 0.3, 2, among).flatten(1).int().tolist() == [[1, 0, 0, 1], [1, 1, 0, 0]]
    # None to choose from, or fewer than asked for: no more than there are.
    few = torch.zeros_like(among)
    few[:, 0, 0] = True
    assert heads_above(score, 0.3, 2, few).flatten(1).int().tolist() == [[1, 0, 0, 0]] * 2


def test_patterns_are_those_of_the_network(seed):
    shape = Shape(vocabulary=5, outputs=5, length=7)
    population = Population(Transformer(layers=2, width=8, heads=2).build(shape, Streams((seed, seed + 1))))
    tokens = Streams((seed, seed + 1)).integers("tokens", (3, 7), 5)
    found = patterns(population, tokens)
    assert found.shape == (2, 3, 2, 2, 7, 7)
    _, seen = population.record(tokens, "blocks.1.attn.hook_pattern")
    assert torch.equal(found[:, :, 1], seen["blocks.1.attn.hook_pattern"])
    torch.testing.assert_close(found.sum(-1), torch.ones(found.shape[:-1]))


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
