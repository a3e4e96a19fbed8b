"""Oracles: the layout read back, rates, the optimal predictor's closed form, and draws that keep to members."""

import math

import pytest
import torch
from scipy.stats import norm

from ontogeny.errors import UserError
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.in_context_classification import InContextClassification

N = 2_000


def drawn(task, seed, size=N, **options):
    streams = Streams((seed, seed + 1))
    world = task.world(streams.of("world"))
    examples = task.examples(world, streams, size, **options)
    return world, examples, task.ask(examples, streams.integers("query", (size, 1), 2), streams)


def nearest_class(world, items):
    """Class of each item without noise."""
    far = (items[:, :, :, None] - world[:, None, None]).square().sum(-1)
    assert (far.amin(-1) < 1e-10).all()
    return far.argmin(-1)


def test_an_episode_reads_as_drawn(seed):
    task = InContextClassification(noise=0.0)
    world, _, batch = drawn(task, seed)
    assert batch.inputs.shape == (2, N, 14, 16 + 4 + 1)
    items, words = batch.inputs[:, :, ::2, :16], batch.inputs[:, :, 1::2, 16:]
    assert (batch.inputs[:, :, ::2, 16:] == 0).all()
    assert (batch.inputs[:, :, 1::2, :16] == 0).all()
    assert (words.sum(-1) == 1).all()
    token = words.argmax(-1)
    assert (token[..., -1] == 4).all()  # the separator
    assert (token[..., :-1] < 4).all()
    of = nearest_class(world, items)
    assert (of < 8).all()  # none of those held out
    # Three examples of either class, each class with one label, and the query's label is its class's.
    for member in range(2):
        for i in range(40):
            label = dict(zip(of[member, i, :6].tolist(), token[member, i, :6].tolist(), strict=True))
            assert sorted(of[member, i, :6].tolist().count(c) for c in label) == [3, 3]
            assert len(set(label.values())) == 2
            assert batch.targets[member, i, ::2].tolist() == [label[c] for c in of[member, i].tolist()]
            assert batch.latents["label"][member, i].item() == label[of[member, i, 6].item()]
            assert batch.latents["other"][member, i].item() in set(label.values()) - {label[of[member, i, 6].item()]}
    assert torch.equal(batch.targets[..., -1], batch.latents["label"])
    scored = [0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1]
    assert (batch.weights == torch.tensor(scored)).all()


def test_held_out_classes_are_others(seed):
    world, _, batch = drawn(InContextClassification(noise=0.0), seed, held_out=True)
    of = nearest_class(world, batch.inputs[:, :, ::2, :16])
    assert of.min() == 8
    assert of.max() == 15


def test_episodes_of_several_lengths_end_in_zeros(seed):
    task = InContextClassification(shots=(0, 2, 6), noise=0.0)
    _, examples, batch = drawn(task, seed)
    for shots in (0, 2, 6):
        share = (examples.shots == shots).float().mean(1)
        assert (share - 1 / 3).abs().max() < 4 * math.sqrt(2 / 9 / N)
        here = batch.inputs[examples.shots == shots]
        weight = batch.weights[examples.shots == shots]
        assert here.shape[1:] == (14, 21)
        assert (here[:, 2 * shots + 1, -1] == 1).all()
        assert (here[:, : 2 * shots + 1, -1] == 0).all()
        assert (here[:, 2 * shots + 2 :] == 0).all()
        assert (here[:, : 2 * shots + 2].abs().sum(-1) > 0).all()
        assert (weight.sum(1) == 1 + max(0, shots - 2)).all()
        assert (weight[:, 2 * shots + 1] == 1).all()
        which = examples.which[examples.shots == shots][:, :shots]
        assert (which.sum(1) == shots // 2).all()
    assert (batch.latents["separator"] == 2 * examples.shots + 1).all()


def test_labels_classes_and_queries_are_uniform(seed):
    world, examples, batch = drawn(InContextClassification(noise=0.0), seed)
    pairs = examples.labels[..., 0] * 4 + examples.labels[..., 1]
    for member in range(2):
        counts = torch.bincount(pairs[member], minlength=16).view(4, 4)
        assert (counts.diagonal() == 0).all()
        off = counts[~torch.eye(4, dtype=torch.bool)]
        assert (off / N - 1 / 12).abs().max() < 4 * math.sqrt(11 / 144 / N)
    first = nearest_class(world, examples.centres)[..., 0]
    assert (torch.bincount(first[0], minlength=8) / N - 1 / 8).abs().max() < 4 * math.sqrt(7 / 64 / N)
    assert (batch.latents["which"].float().mean(1) - 0.5).abs().max() < 4 * 0.5 / math.sqrt(N)
    # The order of the examples is random: the first one is of either class alike.
    assert (examples.which[..., 0].float().mean(1) - 0.5).abs().max() < 4 * 0.5 / math.sqrt(N)


def test_the_optimal_predictor_has_the_error_of_two_gaussians(seed):
    # Two classes in one episode with many queries: accuracy is Phi(distance / 2 s), s = noise / sqrt(d).
    task = InContextClassification(classes=2, noise=2.0, shots=(2,))
    streams = Streams((seed,))
    examples = task.examples(task.world(streams), streams, 1)
    which = (torch.arange(20_000) % 2)[None, None]
    items = task.ask(examples, which, streams).inputs[:, :, 4, :16][:, None]
    p = task.posterior(examples.centres, items)
    right = ((p < 0.5) == (which == 1)).float().mean().item()
    distance = (examples.centres[0, 0, 0] - examples.centres[0, 0, 1]).norm().item()
    best = norm.cdf(distance / (2 * 2.0 / 4))
    assert right == pytest.approx(best, abs=4 * math.sqrt(best * (1 - best) / 20_000))
    # Its probabilities mean what they say: among queries near 0.7, seven in ten are of the first class.
    near = (p > 0.65) & (p < 0.75)
    assert (which[near] == 0).float().mean().item() == pytest.approx(0.7, abs=4 * 0.46 / math.sqrt(int(near.sum())))
    # The nearest example of each class is no better.
    shown = task.ask(examples, which, streams).inputs[0, :, [0, 2], :16]
    guess = (items[0, 0][:, None] - shown).square().sum(-1).argmin(-1)
    first = examples.which[0, 0, 0].item()
    other = ((guess == 1) ^ (first == 1)).long()
    assert (other == which[0, 0]).float().mean().item() <= right + 4 * 0.5 / math.sqrt(20_000)


def test_posterior_by_hand():
    # Centres 0 and 2 in one dimension, noise 1: log-odds of the first at x = 0.5 is (2.25 - 0.25) / 2 = 1.
    task = InContextClassification(dimensions=1, noise=1.0)
    centres, items = torch.tensor([[[[0.0], [2.0]]]]), torch.tensor([[[[0.5], [1.0]]]])
    expected = [1 / (1 + math.exp(-1)), 0.5]
    assert task.posterior(centres, items)[0, 0].tolist() == pytest.approx(expected)


def test_a_member_draws_the_same_in_company_and_step_by_step():
    tasks = stack([InContextClassification(noise=n) for n in (0.1, 0.3, 0.6)])
    streams = Streams((4, 5, 6))
    together = tasks.sample(tasks.world(streams), streams.at(7, 8), 10)
    one = Streams((5,))
    alone = InContextClassification(noise=0.3)
    for place, step in enumerate((7, 8)):
        batch = alone.sample(alone.world(one), one.at(step), 5)
        here = slice(5 * place, 5 * place + 5)
        assert torch.equal(batch.inputs, together.inputs[1:2, here])
        assert torch.equal(batch.targets, together.targets[1:2, here])


def test_what_cannot_work_is_refused():
    with pytest.raises(UserError, match=r"even numbers, half a class, got \(3,\)"):
        InContextClassification(shots=(3,))
    with pytest.raises(UserError, match="labels is 2 or more, got 1"):
        InContextClassification(labels=1)
