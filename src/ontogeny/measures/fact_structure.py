"""Fact structure: whether a network that knows facts about a ring can infer others, and holds the ring itself."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.average import average
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.shattering import circle_share, ring_correlation
from ontogeny.models.population import Population
from ontogeny.tasks.cyclic_facts import CyclicFacts, FactTable

FIRST, LAST = "blocks.0.hook_out", "blocks.*.hook_out"


def facts_of(at: Checkpoint) -> tuple[CyclicFacts, FactTable]:
    """The task and world of a checkpoint.

    Raises: `UserError` for another task.
    """
    if not isinstance(at.task, CyclicFacts):
        raise UserError(f"this measure asks for facts on a ring, got {at.task!r}: train on CyclicFacts")
    return at.task, at.world


def read_facts(
    population: Population, questions: Int[Tensor, "member question position"], relations: int
) -> tuple[Int[Tensor, "member question"], Float[Tensor, "member subject width"]]:
    """Answers, and the states of subjects: what leaves the last block at the relation, averaged over relations.

    `questions` are whole tables, a row for every subject and in it one for every relation.
    """
    with torch.no_grad():
        return answers_and_states(*population.record(questions, LAST), relations)


def answers_and_states(
    outputs: Float[Tensor, "member question asked output"], seen: Mapping[str, Tensor], relations: int
) -> tuple[Int[Tensor, "member question"], Float[Tensor, "member subject width"]]:
    """`read_facts` from outputs and what was seen at `LAST` meanwhile; of both the last position counts."""
    states = list(seen.values())[-1][:, :, -1]
    return outputs[:, :, -1].argmax(-1), states.unflatten(1, (-1, relations)).mean(2)


def on_the_ring(states: Float[Tensor, "member entity width"], world: FactTable) -> Float[Tensor, "member place width"]:
    """States of entities in the order of the ring."""
    return states.gather(1, world.entity_at[..., None].expand(states.shape))


def shares_right(right: Bool[Tensor, "member fact"], world: FactTable) -> dict[str, Float[Tensor, "member"]]:
    """Accuracy on trained facts (`train_accuracy`) and on those held out (`held_out_accuracy`)."""
    return {
        "train_accuracy": average(right.double(), ~world.held),
        "held_out_accuracy": average(right.double(), world.held),
    }


class FactStructure(Measure):
    """What a network knows of facts on a ring, and how much its entities lie as they stand there.

    - `train_accuracy` and `held_out_accuracy`, a share: of facts remembered, and of facts that follow from their
      inverse or from the others; NaN where none is held out.
    - `ring_correlation`, of the states at the subject after the first block. These know nothing of the relation yet, so
      what they hold of the ring is in the entity itself. `ring_correlation_answers` is that of the states at the
      relation after the last block, averaged over relations, which a pure look-up table has as well.
    - `circle_share` of the former, the same at whatever frequency.

    Raises: `UserError` for a task other than `CyclicFacts`.
    """

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Asks for every fact once."""
        task, world = facts_of(at)
        facts = torch.arange(task.total, device=world.answers.device)
        questions = task.question(facts).expand(at.members, -1, -1)
        answers, states = read_facts(at.population, questions, task.relations)
        _, seen = at.population.record(questions[:, :: task.relations], FIRST)
        subjects = on_the_ring(seen[FIRST][:, :, 0], world)
        found = shares_right(answers == world.answers, world)
        return {
            **{name: Labelled(value, ("member",), unit="share") for name, value in found.items()},
            "ring_correlation": Labelled(ring_correlation(subjects), ("member",)),
            "ring_correlation_answers": Labelled(ring_correlation(on_the_ring(states, world)), ("member",)),
            "circle_share": Labelled(circle_share(subjects), ("member",), unit="share"),
        }
