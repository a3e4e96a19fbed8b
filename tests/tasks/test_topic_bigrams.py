"""Oracles: rates of the bigrams, doubly stochastic tables, exact copies, and noise where it belongs."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.topic_bigrams import TopicBigrams

TASK = TopicBigrams(topics=3, tokens=8, length=10, copies=0.25)


def drawn(task=TASK, seeds=(3, 4), size=500):
    world = task.world(Streams(seeds).of("world"))
    return world, task.sample(world, Streams(seeds).of("data"), size)


def test_bigrams_are_doubly_stochastic_and_languages_differ(seed):
    world, _ = drawn(seeds=(seed, seed + 1))
    for axis in (-1, -2):
        torch.testing.assert_close(world.bigrams.sum(axis), torch.ones(2, 3, 8, dtype=torch.float64))
    assert not torch.equal(world.bigrams[0], world.bigrams[1])
    # By hand: what the rules of topic 1 say follows token 5.
    expected = torch.full((8,), 0.1 / 8, dtype=torch.float64)
    for rule in range(4):
        expected[world.successors[0, 1, rule, 5]] += 0.9 * world.weights[0, 1, rule]
    torch.testing.assert_close(world.bigrams[0, 1, 5], expected)


def test_weights_are_dirichlet_two():
    world = TopicBigrams(topics=4, tokens=2).world(Streams(tuple(range(500))).of("world"))
    weights = world.weights.flatten(0, 1)
    # Dirichlet(2, 2, 2, 2): mean 1/4, variance (1/4)(3/4) / 9 = 1/48.
    assert (weights.mean(0) - 0.25).abs().max() < 4.5 * (1 / 48 / 2_000) ** 0.5
    assert (weights.var(0) - 1 / 48).abs().max() < 0.004


def test_steps_follow_the_topic(seed):
    world, batch = drawn(seeds=(seed,), size=20_000)
    plain = ~batch.latents["copied"][0]
    for topic in range(3):
        among = plain & (batch.latents["topic"][0] == topic)
        before, after = batch.inputs[0, among].flatten(), batch.targets[0, among].flatten()
        counts = torch.zeros(8, 8, dtype=torch.float64)
        counts.index_put_((before, after), torch.ones(len(before), dtype=torch.float64), accumulate=True)
        times = counts.sum(1, keepdim=True)
        law = world.bigrams[0, topic]
        assert ((counts / times - law).abs() < 4.5 * (law * (1 - law) / times).sqrt()).all()
        # No bag of words tells a topic: every token is as frequent.
        assert (times / times.sum() - 1 / 8).abs().max() < 0.01


def test_copies_are_exact_and_as_many_as_asked(seed):
    _, batch = drawn(seeds=(seed,), size=4_000)
    copied = batch.latents["copied"][0]
    same = (batch.inputs[0, :, 5:] == batch.inputs[0, :, :5]).all(1)
    assert same[copied].all()
    assert same[~copied].double().mean() < 0.02
    assert abs(copied.double().mean() - 0.25) < 4.5 * (0.25 * 0.75 / 4_000) ** 0.5
    assert torch.equal(batch.inputs[..., 1:], batch.targets[..., :-1])


@pytest.mark.parametrize("noise", [1, 2])
def test_noise_is_in_training_only(noise, seed):
    noisy = TASK.replace(noise=noise)
    (world, batch), (_, clean) = drawn(noisy, (seed,)), drawn(TASK, (seed,))
    changed = batch.inputs != clean.inputs
    assert changed[..., 5:].double().mean() > 0.8
    assert changed[..., :5].any() == (noise == 2)
    task, same = noisy.evaluated(world)
    assert task == TASK
    assert same is world
    if noise == 2:
        pairs = batch.inputs[0, :, 0] * 8 + batch.inputs[0, :, 1]
        assert torch.bincount(pairs, minlength=64).max() < 30  # 500 pairs over 64


def test_contexts_take_topics_in_turn_and_copy_nothing(seed):
    world = TASK.world(Streams((seed, seed + 1)).of("world"))
    batch = TASK.contexts(world, Streams((seed, seed + 1)).of("geometry"), 301)
    assert batch.latents["topic"][1, :7].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert not batch.latents["copied"].any()
    alone = TASK.contexts(TASK.world(Streams((seed + 1,)).of("world")), Streams((seed + 1,)).of("geometry"), 301)
    assert torch.equal(alone.inputs, batch.inputs[1:])


def test_a_block_is_its_steps(seed):
    world, _ = drawn(seeds=(seed,))
    streams = Streams((seed,)).of("data")
    block = TASK.sample(world, streams.at(4, 5), 16)
    assert torch.equal(block.inputs[:, 8:], TASK.sample(world, streams.at(5), 8).inputs)


@pytest.mark.parametrize(
    ("fields", "says"),
    [(dict(topics=0), "a topic"), (dict(length=7), "length is even"), (dict(copies=1.0), "below 1")],
)
def test_what_makes_no_language_says_so(fields, says):
    with pytest.raises(UserError, match=says):
        TopicBigrams(**fields)
