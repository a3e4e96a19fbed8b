"""Oracles: every ending enumerated with plain forward passes, and a member alone as in company."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models import resample as resampling
from ontogeny.models.population import Population
from ontogeny.models.resample import Question, resample, tell_often
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SHAPE = Shape(vocabulary=7, outputs=7, length=4)  # a prompt, two words, the question
QUESTION = Question(ask=4, first=5, options=2)


def grown(members=(3, 4)):
    population = Population(Transformer(layers=2, width=12, heads=2).build(SHAPE, Streams(members).of("init")))
    population.flat += 0.6 * Streams(members).normal("shake", (population.flat.shape[1],))
    return population


def paths(members=(3, 4), count=3):
    prompt = Streams(members).integers("prompt", (count, 1), 7)
    return prompt, Streams(members).integers("paths", (count, 2), 7)


def law(population, *tokens):
    """Of the next token, by the plain forward pass."""
    inputs = torch.stack(torch.broadcast_tensors(*tokens), -1)
    return torch.softmax(population(inputs)[:, :, -1].double(), -1)


def told(population, *tokens):
    """Of the outcome after these tokens and the question."""
    p = law(population, *tokens, torch.tensor(4))[..., 5:]
    return p / p.sum(-1, keepdim=True)


def expected(population, prompt, *words):
    """Of the outcome when the last of two words is still open, by going through all it may be."""
    p = law(population, prompt, *words)
    return sum(p[..., w, None] * told(population, prompt, *words, torch.tensor(w)) for w in range(7))


@torch.no_grad()
def test_outcomes_have_the_enumerated_probabilities(seed):
    population = grown()
    prompt, words = paths()
    start = prompt[..., 0]
    found = resample(population, prompt, words, QUESTION, Streams((seed, seed + 9)), alternates=(7, 7), samples=600)
    assert torch.equal(found.tokens[..., 0], words)
    assert torch.equal(found.tokens.sort(-1).values, torch.arange(7).expand(2, 3, 2, 7))
    share = found.outcome.double().mean(-1)  # of the second option
    tolerance = 4.5 * 0.5 / 600**0.5
    first, second = found.tokens.unbind(2)
    torch.testing.assert_close(
        found.probability[:, :, 0], law(population, start).gather(-1, first), rtol=1e-4, atol=1e-6
    )
    torch.testing.assert_close(
        found.probability[:, :, 1], law(population, start, words[..., 0]).gather(-1, second), rtol=1e-4, atol=1e-6
    )
    for i in range(7):
        one = expected(population, start, first[..., i])[..., 1]
        assert (share[:, :, 0, i] - one).abs().max() < tolerance
        two = told(population, start, words[..., 0], second[..., i])[..., 1]
        assert (share[:, :, 1, i] - two).abs().max() < tolerance
    last = told(population, start, words[..., 0], words[..., 1])[..., 1]
    assert found.final.shape == (2, 3, 2_400)
    assert (found.final.double().mean(-1) - last).abs().max() < tolerance / 2
    # Total probability: what is expected before a token is the mixture of what comes after it.
    before = (found.probability[:, :, 1] * share[:, :, 1]).sum(-1)
    assert (before - expected(population, start, words[..., 0])[..., 1]).abs().max() < tolerance / 2


@torch.no_grad()
def test_endings_of_prompts_of_one_length(seed):
    population = grown()
    prompt, words = paths()
    asked = torch.cat([prompt, words[..., :1]], -1)
    outcome = tell_often(population, asked, 1, 600, QUESTION, Streams((seed, seed + 9)))
    one = expected(population, prompt[..., 0], words[..., 0])[..., 1]
    assert outcome.shape == (2, 3, 600)
    assert (outcome.double().mean(-1) - one).abs().max() < 4.5 * 0.5 / 600**0.5
    cold = tell_often(population, asked, 1, 4, QUESTION, Streams((seed, seed + 9)), 0.0)
    assert (cold == cold[..., :1]).all()


def test_likely_tokens_come_first():
    prompt, words = paths()
    few = resample(grown(), prompt, words, QUESTION, Streams((3, 4)), alternates=(3, 3), samples=2)
    all_ = resample(grown(), prompt, words, QUESTION, Streams((3, 4)), alternates=(7, 7), samples=2)
    assert torch.equal(few.tokens, all_.tokens[..., :3])
    others = all_.probability[..., 1:]
    assert (others[..., 1:] <= others[..., :-1]).all()


def test_places_may_have_different_numbers_of_alternates():
    prompt, words = paths()
    all_ = resample(grown(), prompt, words, QUESTION, Streams((3, 4)), alternates=(5, 5), samples=2)
    some = resample(grown(), prompt, words, QUESTION, Streams((3, 4)), alternates=(5, 2), samples=2)
    for whole, less in zip(all_[:3], some[:3], strict=True):
        assert torch.equal(less[:, :, 0], whole[:, :, 0])
        assert (less[:, :, 1, 2:] == 0).all()
    for whole, less in zip(all_[:2], some[:2], strict=True):
        assert torch.equal(less[:, :, 1, :2], whole[:, :, 1, :2])
    assert (some.probability[:, :, 1, :2] > 0).all()
    with pytest.raises(UserError, match="one number a place of 2, got 1"):
        resample(grown(), prompt, words, QUESTION, Streams((3, 4)), alternates=(5,), samples=2)


def test_a_member_is_the_same_alone_and_in_company(monkeypatch):
    monkeypatch.setattr(resampling, "ROWS", 12)  # two paths at once, then one
    prompt, words = paths()
    every = resample(grown(), prompt, words, QUESTION, Streams((3, 4)), alternates=(3, 3), samples=2)
    one = resample(grown((4,)), *paths((4,)), QUESTION, Streams((4,)), alternates=(3, 3), samples=2)
    for together, alone in zip(every, one, strict=True):
        assert together.shape[:2] == (2, 3)
        assert torch.equal(together[1:], alone)
    assert not torch.equal(every.outcome[0], every.outcome[1])
