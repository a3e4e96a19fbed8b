"""What a checkpoint keeps for its measures: made once, and anew for whoever or whatever is another."""

import pytest
import torch

from ontogeny.measures.contract import Checkpoint
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.linear_teacher import LinearTeacher

TASK = LinearTeacher(strengths=(1.0,), inputs=3, outputs=2)


def looks(kept, seeds=(1, 2), task=TASK):
    """Checkpoints of one training, with streams of their own each."""
    streams = Streams(seeds)
    world = task.world(streams.of("world"))
    population = Population(MLP(layers=1).build(task.shape, streams.of("init")))
    for step in range(3):
        yield Checkpoint(
            population=population, task=task, world=world, streams=Streams(seeds).of("evaluation"), step=step, kept=kept
        )


def test_later_looks_are_given_what_the_first_one_made():
    kept, made = {}, []
    found = [at.once("mine", lambda at=at: made.append(at.step) or object()) for at in looks(kept)]
    assert made == [0]
    assert found[0] is found[1] is found[2]
    assert [at.once("other's", object) is found[0] for at in looks(kept)] == [False, False, False]


@pytest.mark.parametrize("other", [dict(seeds=(1, 3)), dict(seeds=(1,)), dict(task=TASK.replace(inputs=4)), {}])
def test_others_are_never_given_it_and_nothing_piles_up(other):
    kept = {}
    first = next(looks(kept)).once("mine", object)
    for again in (dict(), other):  # a world made anew is another world, whatever it holds
        second = [at.once("mine", object) for at in looks(kept, **again)]
        assert second[0] is second[2] is not first
    assert len(kept) == 1


def test_a_checkpoint_by_itself_keeps_to_itself():
    at = next(looks({}))
    alone = [Checkpoint(population=at.population, task=TASK, world=None, streams=at.streams, step=0) for _ in range(2)]
    assert alone[0].once("mine", lambda: torch.ones(1)) is not alone[1].once("mine", lambda: torch.ones(1))
