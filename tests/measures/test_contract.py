"""What a checkpoint keeps for its measures: made once, and anew for whoever or whatever is another."""

from dataclasses import replace

import pytest
import torch

from ontogeny import seeds
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.training.experiment import Training
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import SGD
from ontogeny.training.steps import every

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


def test_other_streams_or_another_task_alone_make_it_anew():
    at = next(looks({}))
    for other in (dict(streams=at.streams.of("other")), dict(task=TASK.replace()), dict(world=None)):
        first, changed = at.once("mine", object), replace(at, **other)
        assert changed.once("mine", object) is changed.once("mine", object) is not first


class Secret(Measure):
    """Gives what was made for its members: their seeds, and the step at which it was."""

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        made = at.once(self, lambda: torch.tensor([[seed, at.step] for seed in at.streams.seeds]))
        return {"made": Labelled(made, ("member", "number"))}


def test_a_cohort_keeps_for_its_own_members_from_look_to_look():
    training = Training(
        factors=seeds(4),
        task=TASK,
        model=MLP(layers=1),
        objective=SquaredError(),
        optimizer=SGD(lr=0.1),
        batch=2,
        steps=4,
        measures=(Secret(),),
        at=every(2),
    )
    rows = training.factors.rows()
    cohorts = [training.open(rows[i : i + 2], torch.device("cpu")) for i in (0, 2)]  # of one measure
    for records in zip(*(cohort.records() for cohort in cohorts), strict=True):
        for mine, record in zip((rows[:2], rows[2:]), records, strict=True):
            if record.step is not None:
                assert record.values["made"].values.tolist() == [[row["seed"], 0] for row in mine]


def test_a_checkpoint_by_itself_keeps_to_itself():
    at = next(looks({}))
    alone = [Checkpoint(population=at.population, task=TASK, world=None, streams=at.streams, step=0) for _ in range(2)]
    assert alone[0].once("mine", lambda: torch.ones(1)) is not alone[1].once("mine", lambda: torch.ones(1))
