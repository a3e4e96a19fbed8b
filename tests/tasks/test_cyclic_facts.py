"""Oracles: facts counted along the ring by hand, inverses that lead back, and held-out facts that can be inferred."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.cyclic_facts import CyclicFacts


def made(seed, **fields):
    task = CyclicFacts(**{"entities": 12, "reach": 3, **fields})
    streams = Streams((seed, seed + 1))
    world = task.world(streams.of("world"))
    return task, world, task.sample(world, streams.of("data"), task.examples)


def test_facts_by_walking_along_the_ring(seed):
    _, world, batch = made(seed)
    for member in range(2):
        ring = world.entity_at[member].tolist()
        assert sorted(ring) == list(range(12))
        for (x, r), (_, y) in zip(batch.inputs[member].tolist(), batch.targets[member].tolist(), strict=True):
            steps = [1, 2, 3, -1, -2, -3][r - 12]
            assert y == ring[(ring.index(x) + steps) % 12]
    assert not torch.equal(world.entity_at[0], world.entity_at[1])


@pytest.mark.parametrize("facts", ["ring", "shuffled"])
def test_a_full_batch_has_every_trained_fact_once(seed, facts):
    task, world, batch = made(seed, facts=facts)
    assert task.total == 72
    assert task.examples == 63
    for member in range(2):
        seen = batch.latents["fact"][member]
        assert seen.unique().numel() == 63
        assert not world.held[member][seen].any()
        assert world.held[member].sum() == 9
        assert torch.equal(batch.targets[member, :, 1], world.answers[member][seen])
        assert torch.equal(batch.inputs[member], task.question(seen))
    assert batch.weights[0, 0].tolist() == [0.0, 1.0]
    more = task.sample(world, Streams((seed, seed + 1)), 70)
    assert torch.equal(more.inputs[:, 63:], batch.inputs[:, :7]), "then they begin again"


def test_the_inverse_of_what_is_held_out_is_trained(seed):
    task, world, _ = made(seed, held_out=0.5)
    for member in range(2):
        for fact in world.held[member].nonzero()[:, 0]:
            x, r, y = fact // 6, fact % 6, world.answers[member, fact]
            back = y * 6 + task.inverse(r)
            assert world.answers[member, back] == x
            assert not world.held[member, back]


def test_both_sides_of_a_pair_are_held_out_alike():
    # Fair coins: 200 members x 9 facts, 4 standard deviations are 4 x 0.5 / sqrt(1800) = 0.047.
    task = CyclicFacts(entities=12, reach=3)
    held = task.world(Streams(tuple(range(200)))).held.view(200, 12, 6)
    assert held[..., :3].sum().item() / held.sum().item() == pytest.approx(0.5, abs=0.047)
    # And all facts alike: each in 1 of 8 members, 4 standard deviations of 200 are 0.094.
    assert (held.double().mean(0) - 0.125).abs().max() < 0.094


def test_shuffled_relations_are_permutations_of_their_own_with_the_same_facts_held_out(seed):
    _, ring, _ = made(seed)
    _, world, _ = made(seed, facts="shuffled")
    assert torch.equal(world.held, ring.held)
    table = world.answers.view(2, 12, 6)
    assert torch.equal(table.sort(1).values, torch.arange(12)[None, :, None].expand(2, 12, 6))
    agree = (table == ring.answers.view(2, 12, 6)).double().mean()
    assert agree < 0.25, "chance is 1 / 12"


def test_moved_goes_round_the_ring():
    _, world, _ = made(0)
    ring = world.entity_at
    assert torch.equal(world.moved(ring, torch.tensor(5)), ring.roll(-5, 1))
    assert torch.equal(world.moved(ring, torch.tensor(-13)), ring.roll(1, 1))


def test_a_member_alone_is_as_in_company(seed):
    task = CyclicFacts()
    both, alone = task.world(Streams((seed, seed + 1))), task.world(Streams((seed + 1,)))
    for name in ("entity_at", "place_of", "answers", "held", "trained"):
        assert torch.equal(getattr(both, name)[1:], getattr(alone, name))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (dict(entities=8, reach=4), "more than twice the reach"),
        (dict(held_out=0.6), "at most 0.5"),
        (dict(facts="random"), "ring or shuffled, got 'random'"),
    ],
)
def test_what_cannot_work_is_refused(fields, says):
    with pytest.raises(UserError, match=says):
        CyclicFacts(**fields)
