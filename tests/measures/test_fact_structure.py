"""Oracles: entities planted on a polygon, answers that depend on the relation alone, and facts learned to the last."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch
from fact_keepers import TASK, trained

from ontogeny.errors import UserError
from ontogeny.measures.fact_structure import FactStructure
from ontogeny.tasks.cyclic_facts import CyclicFacts
from ontogeny.tasks.token_lookup import TokenLookup


@torch.no_grad()
def planted(seed):
    """Blocks that write nothing; entities on a polygon in the order of the ring; relation r is answered with entity r.

    The final norm takes off a mean, so everything lies in directions whose features sum to 0.
    """
    at = trained.__wrapped__(seed, steps=0)
    parameters, world = at.population.parameters(), at.world
    for name, value in parameters.items():
        if ".output." in name or name.startswith(("positions", "embed", "unembed")):
            value.zero_()
    angle = 2 * np.pi * torch.arange(8) / 8
    for member in range(2):
        parameters["embed.weight"][member, world.entity_at[member], 0] = angle.cos()
        parameters["embed.weight"][member, world.entity_at[member], 1] = angle.sin()
        for r in range(4):
            parameters["embed.weight"][member, 8 + r, 4 + 2 * r : 6 + 2 * r] = torch.tensor([1.0, -1.0])
            parameters["unembed.weight"][member, 4 + 2 * r, r] = 1.0
    return at


def test_a_planted_ring_and_answers_counted_by_hand(seed):
    at = planted(seed)
    found = {name: value.values for name, value in FactStructure()(at).items()}
    arcs = np.array([min(j - i, 8 - j + i) for i in range(8) for j in range(i + 1, 8)])
    chords = scipy.stats.pearsonr(2 * np.sin(np.pi * arcs / 8), arcs).statistic
    torch.testing.assert_close(found["ring_correlation"], torch.full((2,), chords, dtype=torch.float64))
    torch.testing.assert_close(found["circle_share"], torch.ones(2, dtype=torch.float64))
    assert found["ring_correlation_answers"].isnan().all(), "states at the relation know no subject"
    for member in range(2):
        counts = {True: [0, 0], False: [0, 0]}
        for fact in range(TASK.total):
            held = bool(at.world.held[member, fact])
            counts[held][0] += int(at.world.answers[member, fact]) == fact % 4
            counts[held][1] += 1
        assert found["held_out_accuracy"][member] == counts[True][0] / counts[True][1]
        assert found["train_accuracy"][member] == pytest.approx(counts[False][0] / counts[False][1])


def test_learned_facts_are_known_and_none_held_out_is_nan(seed):
    at = trained(seed, steps=60, task=CyclicFacts(entities=8, reach=2, held_out=0.0))
    found = FactStructure()(at)
    assert found["train_accuracy"].values.tolist() == [1.0, 1.0]
    assert found["held_out_accuracy"].values.isnan().all()


def test_other_tasks_are_refused(seed):
    with pytest.raises(UserError, match="train on CyclicFacts"):
        FactStructure()(replace(trained(seed, steps=0), task=TokenLookup()))
