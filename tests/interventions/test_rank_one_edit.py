"""Oracles: the edited weights themselves, a Lagrange system solved numerically, and answers that come out as asked."""

import pytest
import torch

from ontogeny.interventions.rank_one_edit import (
    KEYS,
    edited_values,
    halfway,
    key_moment,
    matched_edit,
    rank_one_edit,
    readings,
    strengths,
    value_changes,
)
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SHAPE = Shape(vocabulary=9, outputs=9, length=2)


def grown(seed, members=2):
    streams = Streams(tuple(range(seed, seed + members)))
    population = Population(Transformer(layers=2, width=8, heads=1, mlp=12).build(SHAPE, streams))
    with torch.no_grad():
        population.parameters()["unembed.weight"].mul_(8.0)  # else no state is sure of anything
    return population, streams.integers("tokens", (20, 2), 9)


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_key_gets_its_value_and_the_others_move_as_little_as_they_can(seed):
    keys, delta = normal(30, 5, seed=seed), normal(3, seed=seed + 100)
    moment, key = key_moment(keys), keys[4]
    update = readings(moment, key[None]).mT @ delta[None]
    torch.testing.assert_close(key @ update, delta)
    # min Tr(U' C U) subject to U' k = delta: for each column u_j of U, [2C k; k' 0] [u_j; l_j] = [0; delta_j].
    system = torch.zeros(6, 6, dtype=torch.float64)
    system[:5, :5], system[:5, 5], system[5, :5] = 2 * moment, key, key
    right = torch.cat([torch.zeros(5, 3, dtype=torch.float64), delta[None]])
    torch.testing.assert_close(torch.linalg.solve(system, right)[:5], update)


def test_moment_by_hand():
    keys = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    # Mean outer product diag(3, 1 / 3), of mean diagonal 5 / 3.
    torch.testing.assert_close(key_moment(keys, ridge=0.3), torch.tensor([[3.5, 0.0], [0.0, 5 / 6]]))


@torch.no_grad()
@pytest.mark.parametrize("layer", [0, 1])
def test_edit_is_that_of_the_weights(seed, layer):
    population, tokens = grown(seed)
    before, seen = population.record(tokens, KEYS.format(layer))
    keys = seen[KEYS.format(layer)]
    reading = readings(key_moment(keys[:, :, 1]), keys[:, :3, 1])
    change = Streams((seed, seed + 1)).normal("change", (3, 8))
    strength = strengths(keys, reading)
    torch.testing.assert_close(strength[:, torch.arange(3), torch.arange(3), 1], torch.ones(2, 3), rtol=1e-4, atol=1e-4)
    for e in range(3):
        other = population.take(range(2))
        weight = other.parameters()[f"blocks.{layer}.mlp.output.weight"]
        weight += reading[:, e, :, None] * change[:, e, None, :]
        with population.edit(rank_one_edit(layer, strength[:, e], change[:, e, None].expand(-1, 20, -1))):
            found = population(tokens)
        torch.testing.assert_close(found, other(tokens), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(found, before, atol=1e-2)
    with population.edit(rank_one_edit(layer, strength[:, 0], torch.zeros(2, 20, 8))):
        assert torch.equal(population(tokens), before)
    assert torch.equal(population(tokens), before), "and on leaving it is as it was"


@torch.no_grad()
@pytest.mark.parametrize("layer", [0, 1])
def test_from_halfway_on_as_from_the_start(seed, layer):
    population, tokens = grown(seed)
    half = halfway(population, layer, tokens)
    strength, change = (Streams((seed, seed + 1)).normal(name, (3, 20, size)) for name, size in (("u", 2), ("d", 8)))
    edits = [rank_one_edit(layer, strength[:, e], change[:, e]) for e in range(3)]
    expected = []
    for edit in edits:
        with population.edit(edit):
            expected.append(population(tokens)[:, :, 1:])
    values = edited_values(half.values.repeat(1, 3, 1, 1), strength.flatten(1, 2), change.flatten(1, 2))
    torch.testing.assert_close(half.outputs(values), torch.cat(expected, 1))
    torch.testing.assert_close(half.outputs(half.values), population(tokens)[:, :, 1:])


def chances(population, tokens, targets, change):
    strength = torch.tensor([0.0, 1.0]).expand(tokens.shape)
    with torch.no_grad(), population.edit(rank_one_edit(0, strength, change)):
        return torch.softmax(population(tokens)[:, :, -1], -1).gather(-1, targets[..., None])[..., 0]


def test_changes_bring_the_answer_and_stop_there(seed):
    population, tokens = grown(seed)
    with torch.no_grad():
        population.parameters()["unembed.weight"].mul_(2.0)  # and for some answers twice as sure
    targets = Streams((seed, seed + 1)).integers("targets", (20,), 9)
    before = population.flat.clone()
    change = value_changes(population, 0, tokens, targets, penalty=0.0, updates=120)
    assert torch.equal(population.flat, before)
    found = chances(population, tokens, targets, change)
    assert (found > 0.9).all()
    assert found.min() < 0.95, "not driven on for long"
    # What is right from the start is left alone, bit for bit.
    easy = value_changes(population, 0, tokens, targets, enough=0.0)
    assert (easy == 0).all()


def test_first_step_is_that_of_adam(seed):
    population, tokens = grown(seed)
    targets = torch.zeros(2, 20, dtype=torch.long)
    change = value_changes(population, 0, tokens, targets, updates=1)
    # Adam's first update is the rate times the sign of the slope, whatever its size (1e-8 beside).
    torch.testing.assert_close(change.abs(), torch.full((2, 20, 8), 0.1), rtol=1e-3, atol=0)
    more = value_changes(population, 0, tokens, targets, updates=5)
    assert (chances(population, tokens, targets, more) > chances(population, tokens, targets, 0 * more)).all()


def test_a_penalty_keeps_changes_short(seed):
    population, tokens = grown(seed)
    targets = Streams((seed, seed + 1)).integers("targets", (20,), 9)
    free, held = (value_changes(population, 0, tokens, targets, penalty=p, enough=1.0) for p in (0.0, 1.0))
    assert (held.norm(dim=-1) < 0.5 * free.norm(dim=-1)).all()


def test_a_member_alone_is_as_in_company(seed):
    population, tokens = grown(seed)
    targets = torch.zeros(2, 20, dtype=torch.long)
    both = value_changes(population, 0, tokens, targets, updates=5)
    alone = value_changes(population.take([1]), 0, tokens[1:], targets[1:], updates=5)
    assert torch.equal(both[1:], alone)


def test_control_is_as_large_and_somewhere_else(seed):
    streams = Streams((seed, seed + 1))
    reading, change = streams.normal("a", (50, 40)), streams.normal("b", (50, 30)) * 3
    others = matched_edit(streams.of("control"), reading, change)
    for other, own in zip(others, (reading, change), strict=True):
        torch.testing.assert_close(other.norm(dim=-1), own.norm(dim=-1))
        cosine = torch.cosine_similarity(other, own, -1)
        assert abs(cosine.mean()) < 0.1, "100 cosines of standard deviation 1 / sqrt(30)"
