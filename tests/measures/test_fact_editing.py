"""Oracles: falls counted by hand, facts that qualify, and edits made one by one in the weights themselves."""

import pytest
import torch
from fact_keepers import TASK, trained

from ontogeny.errors import UserError
from ontogeny.interventions.rank_one_edit import KEYS, key_moment, readings, value_changes
from ontogeny.measures.fact_editing import Aftermath, FactEditing, choose_edits, effects, ring_distances
from ontogeny.measures.fact_structure import read_facts
from ontogeny.streams import Streams
from ontogeny.tasks.cyclic_facts import CyclicFacts, FactTable


def five():
    """The ring 0 1 2 3 4 with steps of one; (0, +1) and (2, +1) held out. Facts: 2 x is (x, +1), 2 x + 1 is (x, -1)."""
    task, ring = CyclicFacts(entities=5, reach=1, held_out=0.2), torch.arange(5)
    answers = torch.stack([(ring + 1) % 5, (ring - 1) % 5], -1).flatten()[None]
    held = torch.zeros(1, 10, dtype=torch.bool)
    held[0, [0, 4]] = True
    trained_ = torch.tensor([[1, 2, 3, 5, 6, 7, 8, 9]])
    return task, FactTable(ring[None], ring[None], answers, held, trained_)


def test_effects_counted_by_hand():
    task, world = five()
    right = torch.ones(1, 10, dtype=torch.bool)
    right[0, 9] = False
    after = world.answers[:, None].clone()
    after[0, 0, 2] = 4  # (1, +1) is now 4: the edit
    after[0, 0, 9] = 1  # and (4, -1) is 1, as follows from it
    after[0, 0, 3] = 2  # lost: the subject's other fact,
    after[0, 0, [4, 7]] = 0  # a held-out one of subject 2, and a trained one of 3
    states = torch.tensor([[0.0, 0], [1, 0], [2, 1], [3, 3], [4, 7]])[None]
    moved = states[:, None].clone()
    moved[0, 0, 1] += 5
    found = effects(task, world, torch.tensor([[2]]), torch.tensor([[4]]), right, states, Aftermath(after, moved))
    assert found["success"].item()
    assert found["ripple"].item()
    # Trained facts of subjects but 1: 1, 5, 6, 7, 8, 9. Right before: all but 9. After: not 7 either.
    assert found["recall_fall"].item() == pytest.approx(1 / 6)
    assert found["inference_fall"].item() == pytest.approx(1 / 2)
    assert found["specificity"].item() == pytest.approx(-3 / 9)
    assert found["shattering_others"].item() == 0.0
    assert found["shattering"].item() > 0.5
    failed = effects(task, world, torch.tensor([[2]]), torch.tensor([[0]]), right, states, Aftermath(after, moved))
    assert not failed["success"].item()
    # Of two held-out facts the lost one is of subject 2: an edit of (2, -1) leaves it out; that of 0 is still right.
    own = effects(task, world, torch.tensor([[5]]), torch.tensor([[0]]), right, states, Aftermath(after, moved))
    assert own["inference_fall"].item() == 0.0


def test_ring_distances_by_hand():
    task, world = five()
    assert ring_distances(task, world, torch.tensor([[2, 9]])).tolist() == [[[1, 0, 1, 2, 2], [1, 2, 2, 1, 0]]]


def test_edits_are_of_facts_that_are_trained_and_known(seed):
    task = CyclicFacts(entities=12, reach=3)
    streams = Streams((seed, seed + 1))
    world = task.world(streams)
    right = torch.ones(2, 72, dtype=torch.bool)
    right[1, :60] = False
    chosen = choose_edits(world, streams.of("edits"), right, (0, 1, 4, 6), 20)
    assert chosen.fit[0].all()
    for member in range(2):
        facts = chosen.fact[member]
        assert facts.unique().numel() == 20
        fit = ~world.held[member, facts] & right[member, facts]
        assert torch.equal(chosen.fit[member], fit)
        place = world.place_of[member]
        old = place[world.answers[member, facts]]
        apart = (place[chosen.targets[member]] - old).remainder(12)
        assert (apart[0] == 0).all()
        assert set(apart[1].tolist()) == {1, 11}, "to either side"
        assert torch.equal(apart[2], (4 * apart[1]).remainder(12)), "the same one at every distance"
        assert (apart[3] == 6).all()
    # The second member knows 12 facts at most.
    assert chosen.fit[1].sum() == (~world.held[1, 60:]).sum()
    assert chosen.fit[1].long().diff().max() <= 0, "those that qualify come first"


@torch.no_grad()
def test_edits_are_those_made_in_the_weights(seed):
    at = trained(seed, steps=60)
    before = at.population.flat.clone()
    found = {k: v.values for k, v in FactEditing(distances=(0, 1, 3), edits=4, steps=(60,))(at).items()}
    assert torch.equal(at.population.flat, before)
    table = TASK.question(torch.arange(TASK.total)).expand(2, -1, -1)
    old, states = read_facts(at.population, table, 4)
    _, seen = at.population.record(table, KEYS.format(0))
    keys = seen[KEYS.format(0)][:, :, 1]
    chosen = choose_edits(at.world, at.streams.of("edits"), old == at.world.answers, (0, 1, 3), 4)
    assert chosen.fit.all(), "60 updates suffice"
    reading = readings(key_moment(keys), keys.gather(1, chosen.fact[..., None].expand(-1, -1, 64)))
    for d in range(3):
        change = value_changes(at.population, 0, TASK.question(chosen.fact), chosen.targets[:, d])
        torch.testing.assert_close(found["change_norm"][:, d], change.norm(dim=-1).double(), rtol=1e-3, atol=1e-4)
        for e in range(4):
            other = at.population.take([0, 1])
            weight = other.parameters()["blocks.0.mlp.output.weight"]
            weight += reading[:, e, :, None] * change[:, e, None, :]
            new, moved = read_facts(other, table, 4)
            for m in range(2):
                fact = int(chosen.fact[m, e])
                assert found["success"][m, d, e] == (new[m, fact] == chosen.targets[m, d, e])
                kept = [f for f in range(32) if not at.world.held[m, f] and f // 4 != fact // 4]
                truth = at.world.answers[m, kept]
                fall = (old[m, kept] == truth).double().mean() - (new[m, kept] == truth).double().mean()
                assert found["recall_fall"][m, d, e].item() == pytest.approx(fall.item(), abs=1e-9)
                rest = [x for x in range(8) if x != fact // 4]
                one, two = (torch.cdist(h[m, rest].double(), h[m, rest].double()) for h in (states, moved))
                expected = ((two - one).norm() / one.norm()).item()
                assert found["shattering_others"][m, d, e].item() == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert found["success"][:, 0].all()
    assert found["success"].mean() > 0.8


def test_profile_and_map_by_hand(seed):
    at = trained(seed, steps=60)
    measure = FactEditing(distances=(3,), edits=1, steps=(60,))
    found = {k: v.values for k, v in measure(at).items()}
    for m in range(2):
        # One edit: its fall is the mean of the profile, each distance weighted by its trained facts.
        place = int(found["map_place"][m])
        weights = torch.zeros(5, dtype=torch.float64)
        for fact in (~at.world.held[m]).nonzero()[:, 0].tolist():
            apart = abs(int(at.world.place_of[m, fact // 4]) - place)
            weights[min(apart, 8 - apart)] += 1
        assert found["success"][m, 0, 0] == 1
        mean = (found["recall_profile"][m, 0, 1:] * weights[1:]).sum() / weights[1:].sum()
        assert mean.item() == pytest.approx(found["recall_fall"][m, 0, 0].item(), abs=1e-9)
    assert found["map_before"].mean(1).abs().max() < 1e-6, "around the mean"
    assert found["map_after"].shape == (2, 1, 8, 2)


def test_other_steps_measure_nothing_and_a_member_alone_is_as_in_company(seed):
    at = trained(seed, steps=20)
    measure = FactEditing(distances=(0, 1), edits=3, steps=(20,), updates=5)
    assert measure.replace(steps=(19, 21))(at) == {}
    both, alone = measure(at), measure(trained(seed + 1, steps=20, members=1))
    for name, value in both.items():
        torch.testing.assert_close(alone[name].values, value.values[1:], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    ("fields", "says"),
    [(dict(edits=0), "1 edit or more"), (dict(distances=(1, 1)), "twice"), (dict(distances=(-1,)), "from 0 on")],
)
def test_what_cannot_work_is_refused(fields, says):
    with pytest.raises(UserError, match=says):
        FactEditing(**{"distances": (1,), "edits": 2, "steps": (1,), **fields})


def test_more_edits_than_facts_are_refused(seed):
    with pytest.raises(UserError, match="lower edits"):
        FactEditing(distances=(1,), edits=29, steps=(0,))(trained(seed, steps=0))
