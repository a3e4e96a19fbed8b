"""Fact editing: what a rank-one edit of a single fact does to all the others, and to the geometry of their subjects."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.interventions.rank_one_edit import (
    Halfway,
    edited_values,
    halfway,
    key_moment,
    matched_edit,
    readings,
    strengths,
    value_changes,
)
from ontogeny.labelled import Labelled
from ontogeny.measures.average import average
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.fact_structure import LAST, answers_and_states, facts_of, on_the_ring
from ontogeny.measures.shattering import shattering
from ontogeny.models.sites import recording
from ontogeny.streams import Streams
from ontogeny.tasks.cyclic_facts import CyclicFacts, FactTable

EDITS = ("member", "distance", "edit")


@dataclass(frozen=True)
class Chosen:
    """Facts to edit: which, whether they qualify, and their new objects at every distance."""

    fact: Int[Tensor, "member edit"]
    fit: Bool[Tensor, "member edit"]
    targets: Int[Tensor, "member distance edit"]


def choose_edits(
    world: FactTable, streams: Streams, right: Bool[Tensor, "member fact"], distances: tuple[int, ...], edits: int
) -> Chosen:
    """Random facts that are trained and answered rightly, the same for all distances.

    The new object of an edit is its old one moved that far along the ring, at all distances to the same side, drawn at
    random. Where fewer facts qualify, others fill up and are marked unfit.
    """
    fit = right & ~world.held
    order = torch.argsort(streams.uniform("facts", fit.shape[1:]) + 2.0 * ~fit, dim=-1, stable=True)
    fact = order[:, :edits]
    side = 2 * streams.integers("side", (edits,), 2) - 1
    steps = torch.tensor(distances, device=fact.device)[:, None] * side[:, None]
    objects = world.answers.gather(1, fact)[:, None].expand(-1, len(distances), -1)
    return Chosen(fact, fit.gather(1, fact), world.moved(objects.contiguous(), steps))


@dataclass(frozen=True)
class Aftermath:
    """Answers to every fact after each edit, and the states of all subjects."""

    answers: Int[Tensor, "member edit fact"]
    states: Float[Tensor, "member edit entity width"]


class FactEditing(Measure):
    r"""Edits of single facts, each made in the network as it is, and what they leave of everything else.

    `edits` trained facts that the network answers rightly get a new object, at every one of `distances` along the ring
    from the old one; distance 0 is the old one, and tells what editing does that changes nothing. The edit is ROME's
    (`ontogeny.interventions.rank_one_edit`), of the output map of block `layer`, with the key at the relation, where
    subject and relation have met, and the moment of the keys of all facts. By distance and edit:

    - `success`, whether the answer is the new object; NaN for a fact that does not qualify, as is all that follows
    - `shattering` R of the subjects' states (last block, at the relation, averaged over relations), and
      `shattering_others` without the edited subject's distances
    - `recall_fall` and `inference_fall`: accuracy before less that after on the trained facts of other subjects, and on
      their held-out facts
    - `specificity`: accuracy after less that before on all other facts
    - `ripple`: whether the inverse of the new fact is answered with the subject, as it then should be
    - `change_norm`, $\|\delta\|$ of the value's change
    - `shattering_random` and `inference_fall_random`, of a rank-one change as large in a random direction, for the
      others as well

    `recall_profile [member, distance, ring_distance]` is the fall in accuracy on trained facts by how far their subject
    stands from the edited one, over the edits that succeeded; NaN for none. `map_before` and `map_after` show the
    subjects' states, in the order of the ring, on the first two principal axes of those before, around their mean:
    after the first of the edits, of the subject at `map_place`.

    Measured at the training steps `steps` only; an edit needs one of `at`.

    Raises: `UserError` for a task other than `CyclicFacts`, or one with fewer trained facts than `edits`.
    Cost: distances x edits tables of all facts, twice, `at_once` questions at a time.
    """

    distances: tuple[int, ...]
    edits: int
    steps: tuple[int, ...]
    layer: int = 0
    updates: int = 60
    at_once: int = 4_096

    def check(self) -> None:
        """Edits at different distances."""
        if self.edits < 1 or not self.distances or min(self.distances) < 0:
            raise UserError(f"FactEditing: 1 edit or more at distances from 0 on, got {self.edits}, {self.distances}")
        if len(set(self.distances)) < len(self.distances):
            raise UserError(f"FactEditing: a distance stands twice in {self.distances}")

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """All of it; nothing at other steps."""
        if at.step not in self.steps:
            return {}
        task, world = facts_of(at)
        if self.edits > task.examples:
            raise UserError(f"FactEditing: {self.edits} edits of {task.examples} trained facts: lower edits")
        streams = at.streams.of("edits")
        table = task.question(torch.arange(task.total, device=world.answers.device)).expand(at.members, -1, -1)
        half = halfway(at.population, self.layer, table)
        answers, states = _read(half, half.values, task.relations)
        right = answers == world.answers
        chosen = choose_edits(world, streams, right, self.distances, self.edits)
        every = chosen.fact.repeat(1, len(self.distances))
        last = half.keys[:, :, -1]
        own = last.gather(1, chosen.fact[..., None].expand(-1, -1, last.shape[-1]))
        reading = readings(key_moment(last), own).repeat(1, len(self.distances), 1)
        questions = task.question(every)
        change = value_changes(at.population, self.layer, questions, chosen.targets.flatten(1), updates=self.updates)
        after = self._after(half, task.relations, reading, change)
        random = self._after(half, task.relations, *matched_edit(streams, reading, change))
        found = effects(task, world, every, chosen.targets.flatten(1), right, states, after)
        control = effects(task, world, every, chosen.targets.flatten(1), right, states, random)
        found["change_norm"] = change.norm(dim=-1)
        found["shattering_random"] = control["shattering_others"]
        found["inference_fall_random"] = control["inference_fall"]
        fit = chosen.fit.repeat(1, len(self.distances))
        shape = (len(self.distances), self.edits)
        coords = {"distance": self.distances}
        measured = {
            name: Labelled(value.double().where(fit, torch.nan).unflatten(1, shape), EDITS, coords)
            for name, value in found.items()
        }
        return (
            measured
            | self._profile(task, world, every, right, after, fit & found["success"].bool())
            | self._maps(world, every, states, after)
        )

    def _after(self, half: Halfway, relations: int, reading: Tensor, change: Tensor) -> Aftermath:
        """The whole table of facts after every edit, some edits at a time."""
        parts = list(self._some_after(half, relations, reading, change))
        return Aftermath(*(torch.cat(column, 1) for column in zip(*parts, strict=True)))

    def _some_after(
        self, half: Halfway, relations: int, reading: Tensor, change: Tensor
    ) -> Iterator[tuple[Tensor, Tensor]]:
        facts = half.values.shape[1]
        some = max(1, self.at_once // facts)
        for here, delta in zip(reading.split(some, 1), change.split(some, 1), strict=True):
            values = half.values.repeat(1, here.shape[1], 1, 1)
            strength = strengths(half.keys, here).flatten(1, 2)
            values = edited_values(values, strength, delta.repeat_interleave(facts, 1))
            answers, states = _read(half, values, relations)
            yield answers.unflatten(1, (-1, facts)), states.unflatten(1, (-1, facts // relations))

    def _profile(
        self,
        task: CyclicFacts,
        world: FactTable,
        every: Int[Tensor, "member edit"],
        right: Bool[Tensor, "member fact"],
        after: Aftermath,
        counted: Bool[Tensor, "member edit"],
    ) -> dict[str, Labelled]:
        apart = ring_distances(task, world, every)[..., None].expand(*every.shape, task.entities, task.relations)
        among = counted[..., None] & ~world.held[:, None]
        fall = right[:, None].double() - (after.answers == world.answers[:, None]).double()
        shape = (len(self.distances), -1)
        fall = fall.unflatten(1, shape).flatten(2)
        near = [among & (apart.flatten(2) == d) for d in range(task.entities // 2 + 1)]
        rows = [average(fall, here.unflatten(1, shape).flatten(2)) for here in near]
        coords = {"distance": self.distances, "ring_distance": range(len(rows))}
        dims = ("member", "distance", "ring_distance")
        return {"recall_profile": Labelled(torch.stack(rows, -1), dims, coords, unit="share")}

    def _maps(
        self, world: FactTable, every: Int[Tensor, "member edit"], states: Tensor, after: Aftermath
    ) -> dict[str, Labelled]:
        before = on_the_ring(states.double(), world)
        mean = before.mean(1, keepdim=True)
        axes = torch.linalg.svd(before - mean, full_matrices=False).Vh[:, :2].mT
        first = after.states[:, :: self.edits].double()
        moved = [on_the_ring(first[:, d], world) for d in range(len(self.distances))]
        maps = [torch.bmm(points - mean, axes) for points in (before, *moved)]
        place = world.place_of.gather(1, every[:, :1] // world.relations)[:, 0]
        return {
            "map_before": Labelled(maps[0], ("member", "place", "axis")),
            "map_after": Labelled(
                torch.stack(maps[1:], 1), ("member", "distance", "place", "axis"), {"distance": self.distances}
            ),
            "map_place": Labelled(place, ("member",)),
        }


def _read(half: Halfway, values: Tensor, relations: int) -> tuple[Tensor, Tensor]:
    """Answers to all questions in turn, and the states of their subjects, where the layer's MLP writes `values`."""
    with torch.no_grad(), recording(half.network, LAST) as seen:
        outputs = half.outputs(values)
    return answers_and_states(outputs, seen, relations)


def ring_distances(
    task: CyclicFacts, world: FactTable, fact: Int[Tensor, "member edit"]
) -> Int[Tensor, "member edit entity"]:
    """How far every entity stands along the ring from the subjects of facts."""
    place = world.place_of.gather(1, fact // task.relations)
    apart = (world.place_of[:, None] - place[..., None]).remainder(task.entities)
    return torch.minimum(apart, task.entities - apart)


def effects(
    task: CyclicFacts,
    world: FactTable,
    fact: Int[Tensor, "member edit"],
    target: Int[Tensor, "member edit"],
    right: Bool[Tensor, "member fact"],
    states: Float[Tensor, "member entity width"],
    after: Aftermath,
) -> dict[str, Tensor]:
    """What each edit of `fact` to `target` did: see `FactEditing`; `right` and `states` are those before."""
    subject, relation = fact // task.relations, fact % task.relations
    facts = torch.arange(task.total, device=fact.device)
    still = after.answers == world.answers[:, None]
    fall = right[:, None].double() - still.double()
    others = facts // task.relations != subject[..., None]
    held = world.held[:, None]
    inverse = target * task.relations + task.inverse(relation)
    return {
        "success": after.answers.gather(2, fact[..., None])[..., 0] == target,
        "shattering": shattering(states[:, None], after.states),
        "shattering_others": shattering(states[:, None], after.states, subject),
        "recall_fall": average(fall, others & ~held),
        "inference_fall": average(fall, others & held),
        "specificity": -average(fall, facts != fact[..., None]),
        "ripple": after.answers.gather(2, inverse[..., None])[..., 0] == subject,
    }
