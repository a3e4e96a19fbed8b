"""Oracle: all sequences of a tiny language, summed one by one."""

import itertools

import torch

from ontogeny.streams import Streams
from ontogeny.tasks.topic_bigrams import TopicBigrams
from ontogeny.tasks.topic_predictors import next_token

TINY = TopicBigrams(topics=2, tokens=3, length=4, copies=0.3)


def joint(bigrams, sequence):
    """Probability of a whole sequence: over topics, copying or not."""
    total = 0.0
    for rows in bigrams:
        steps = [float(rows[a, b]) for a, b in itertools.pairwise(sequence)]
        free = steps[0] * steps[1] * steps[2] * steps[3]
        copy = steps[0] * float(sequence[2] == sequence[0] and sequence[3] == sequence[1]) * steps[3]
        total += 0.5 / 3 * (0.7 * free + 0.3 * copy)
    return total


def test_every_prefix_of_a_tiny_language(seed):
    world = TINY.world(Streams((seed,)).of("world"))
    sequences = list(itertools.product(range(3), repeat=5))
    chance = {s: joint(world.bigrams[0], s) for s in sequences}
    assert abs(sum(chance.values()) - 1) < 1e-12
    inputs = torch.tensor([s[:4] for s in sequences])[None]
    mine = next_token(world, inputs, 0.3)[0]
    for row, s in zip(mine, sequences, strict=True):
        for t in range(4):
            told = [sum(p for r, p in chance.items() if r[: t + 2] == (*s[: t + 1], x)) for x in range(3)]
            expected = torch.tensor(told, dtype=torch.float64) / sum(told)
            torch.testing.assert_close(row[t], expected, rtol=1e-9, atol=1e-12)


def test_nothing_does_better_on_average(seed):
    task = TopicBigrams(topics=4, tokens=16, length=32)
    world = task.world(Streams((seed,)).of("world"))
    batch = task.sample(world, Streams((seed,)).of("data"), 400)
    best = next_token(world, batch.inputs, 0.25)
    rivals = {
        "no copies": next_token(world, batch.inputs, 0.0),
        "many copies": next_token(world, batch.inputs, 0.9),
        "one topic": world.bigrams[0].mean(0)[batch.inputs],
    }

    def loss(p):
        return -torch.take_along_dim(p, batch.targets[..., None], -1).log().mean()

    for name, rival in rivals.items():
        assert loss(best) < loss(rival), name
