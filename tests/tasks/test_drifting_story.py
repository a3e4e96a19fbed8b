"""Oracles: the posterior by enumeration of outcomes, how often the told outcome follows it, and a martingale."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.drifting_story import DriftingStory
from ontogeny.tasks.story import outcome_weights

TASK = DriftingStory()


def drawn(seed, size):
    streams = Streams((seed, seed + 100))
    world = TASK.world(streams.of("world"))
    return world, TASK.sample(world, streams, size)


def test_words_lean_as_told(seed):
    world, _ = drawn(seed, 1)
    assert world.shape == (2, 4, 4, 3)
    # exp(-0.2), 1, exp(0.2) over their sum, in some order
    weights = [math.exp(-0.2), 1.0, math.exp(0.2)]
    expected = torch.tensor([w / sum(weights) for w in weights], dtype=torch.float64)
    assert world.sort(-1).values.allclose(expected.expand(2, 4, 4, 3))
    assert not torch.equal(world[0], world[1])


def test_the_posterior_is_bayes_rule_word_by_word(seed):
    world, batch = drawn(seed, 20)
    words = batch.inputs[..., 1:-1]
    law = TASK.outcome_law(world, words)
    for member in range(2):
        for story in range(20):
            weights = outcome_weights().tolist()
            for place, token in enumerate(words[member, story].tolist()):
                if token < 12:
                    weights = [w * world[member, token // 3, m, token % 3].item() for m, w in enumerate(weights)]
                expected = [w / sum(weights) for w in weights]
                assert law[member, story, place + 1].tolist() == pytest.approx(expected)
            assert law[member, story, 0].tolist() == pytest.approx(outcome_weights().tolist())


def test_stories_keep_the_rules(seed):
    _, batch = drawn(seed, 5_000)
    words = batch.inputs[..., 1:-1]
    plain = words < 12
    assert ((words >= 36) & (words <= 40))[~plain].all()
    assert (~plain).double().mean().item() == pytest.approx(0.12, abs=0.003)
    state = words // 3
    both = plain[..., 1:] & plain[..., :-1]
    assert ((state[..., 1:] - state[..., :-1]) % 4 == 1)[both].all()
    assert (batch.latents["fork"] == 0).all()


def test_what_is_told_follows_the_posterior(seed):
    world, batch = drawn(seed, 50_000)
    law = TASK.outcome_law(world, batch.inputs[..., 1:-1])
    told = torch.nn.functional.one_hot(batch.latents["outcome"], 4).double()
    for prefix in (0, 8, 16):
        p = law[:, :, prefix]
        assert (told - p).mean((0, 1)).abs().max() < 4 * 0.5 / 100_000**0.5  # a martingale: the mean stays
        # Calibrated: regression of what is told on p has slope 1.
        if prefix:
            away = p - outcome_weights()
            slope = (away * (told - outcome_weights())).sum() / away.square().sum()
            assert slope.item() == pytest.approx(1.0, abs=0.12)


def test_no_word_changes_the_law_by_much(seed):
    world, batch = drawn(seed, 5_000)
    law = TASK.outcome_law(world, batch.inputs[..., 1:-1])
    step = (law[:, :, 1:] - law[:, :, :-1]).abs().sum(-1)
    assert step.max() < 0.21  # likelihood ratios of two outcomes are at most exp(0.4): |tanh(0.1)| * 2 = 0.199
    assert (law[:, :, -1] - law[:, :, 0]).abs().sum(-1).mean() > 0.25


def test_a_mute_story_tells_nothing():
    mute = TASK.replace(mute=1.0)
    world = mute.world(Streams((1,)))
    law = mute.outcome_law(world, mute.sample(world, Streams((1,)), 8).inputs[..., 1:-1])
    assert law.allclose(outcome_weights().expand(law.shape))
    with pytest.raises(UserError, match="mute is a probability"):
        DriftingStory(mute=-0.1)
