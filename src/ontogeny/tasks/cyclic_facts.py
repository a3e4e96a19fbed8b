"""Cyclic facts: a knowledge graph whose entities stand on a ring, and whose relations are steps along it."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


@dataclass(frozen=True)
class FactTable:
    """All facts of a member. Fact f has the subject `f // relations` and the relation `f % relations`.

    `entity_at` is the ring, an entity a place, and `place_of` its inverse. `answers` are the objects of all facts,
    `held` marks those left out of training, and `trained` are the numbers of the others, in rising order.
    """

    entity_at: Int[Tensor, "member place"]
    place_of: Int[Tensor, "member entity"]
    answers: Int[Tensor, "member fact"]
    held: Bool[Tensor, "member fact"]
    trained: Int[Tensor, "member example"]

    @property
    def entities(self) -> int:
        """Number of entities."""
        return self.entity_at.shape[1]

    @property
    def relations(self) -> int:
        """Number of relations."""
        return self.answers.shape[1] // self.entities

    def moved(self, entity: Int[Tensor, "member *of"], steps: Int[Tensor, "..."]) -> Int[Tensor, "member *of"]:
        """The entities so many places further along the ring; `steps` is broadcast against `entity`."""
        there = self.place_of.gather(1, entity.flatten(1)).view(entity.shape) + steps
        return self.entity_at.gather(1, there.remainder(self.entities).flatten(1)).view(there.shape)


class CyclicFacts(Task):
    r"""Facts "the entity k places after x is y", for k = 1 ... reach and -1 ... -reach; the model answers y.

    Entities stand on a ring in an order drawn once. With the ring ... c a d b ... and the relation "1 before":

        position      0           1
        role       subject    relation
        input         d       1 before
        target        -           a        a function of the two, always the same
        weight        0           1

    Tokens are the entities 0 ... n - 1, then the relations: first those of k = 1 ... reach, then of -1 ... -reach. A
    share `held_out` of all facts is not trained on, drawn at random among the choices in which the inverse of every one
    of them, (y, -k) -> x, is: it can be inferred, and not remembered. Samples are the trained facts in turn, so batch
    and examples of `examples` are full batches.

    With `facts="shuffled"` every relation is a permutation drawn at random instead, with the same facts held out: as
    much to remember and nothing to infer, and the ring is a mere name.

    The optimal predictor knows the facts: loss 0. On shuffled facts that are held out nothing beats
    1 / (n - trained facts of the relation), for a permutation takes no object twice.

    Latent: `fact [member, sample]`.

    Source: Nishi et al., arXiv 2410.17194, with one ring.
    """

    entities: int = 32
    reach: int = 4
    held_out: float = 0.125
    facts: Literal["ring", "shuffled"] = "ring"

    def check(self) -> None:
        """A ring on which all relations differ, and a share that leaves the inverses."""
        if self.reach < 1 or self.entities <= 2 * self.reach:
            raise UserError(
                f"CyclicFacts: {self.entities} entities and a reach of {self.reach}: give more than twice the reach"
            )
        if not 0 <= self.held_out <= 0.5:
            raise UserError(f"CyclicFacts: held_out is at most 0.5, for inverses are trained on: got {self.held_out}")
        if self.facts not in ("ring", "shuffled"):
            raise UserError(f"CyclicFacts: facts are ring or shuffled, got {self.facts!r}")

    @property
    def relations(self) -> int:
        """Number of relations."""
        return 2 * self.reach

    @property
    def total(self) -> int:
        """Number of facts."""
        return self.entities * self.relations

    @property
    def examples(self) -> int:
        """Number of facts that are trained on."""
        return self.total - round(self.held_out * self.total)

    @property
    def shape(self) -> Shape:
        """A token for every entity and relation; two go in, and the answer comes after the second."""
        size = self.entities + self.relations
        return Shape(outputs=size, vocabulary=size, length=2, since=1)

    @property
    def steps(self) -> Int[Tensor, "relation"]:
        """How far along the ring each relation goes."""
        forth = torch.arange(1, self.reach + 1)
        return torch.cat([forth, -forth])

    def inverse(self, relation: Int[Tensor, "*of"]) -> Int[Tensor, "*of"]:
        """The relations that lead back."""
        return (relation + self.reach).remainder(self.relations)

    def question(self, fact: Int[Tensor, "*of"]) -> Int[Tensor, "*of 2"]:
        """The inputs of facts: subject and relation."""
        return torch.stack([fact // self.relations, self.entities + fact % self.relations], -1)

    def world(self, streams: Streams) -> FactTable:
        """The ring of every member, its facts, and which are held out."""
        n = self.entities
        entity_at = streams.permutation("ring", (), n)
        place_of = torch.argsort(entity_at, dim=-1)
        if self.facts == "ring":
            there = place_of[:, :, None] + self.steps.to(place_of.device)
            answers = entity_at.gather(1, there.remainder(n).flatten(1))
        else:
            answers = streams.permutation("objects", (self.relations,), n).mT.flatten(1)
        held = self._held(streams, entity_at, place_of)
        trained = torch.argsort(held.to(torch.uint8), dim=-1, stable=True)[:, : self.examples]
        return FactTable(entity_at, place_of, answers, held, trained)

    def sample(self, world: FactTable, streams: Streams, size: int) -> Batch:
        """`size` trained facts, in turn."""
        turn = torch.arange(size, device=world.trained.device) % self.examples
        fact = world.trained[:, turn]
        inputs, answers = self.question(fact), world.answers.gather(1, fact)
        weights = torch.tensor([0.0, 1.0], device=fact.device).expand(*fact.shape, 2)
        # What follows the subject cannot be known: it has no weight, and the target there is what does follow.
        targets = torch.stack([inputs[..., 1], answers], -1)
        return Batch(inputs=inputs, targets=targets, weights=weights, latents={"fact": fact})

    def _held(self, streams: Streams, entity_at: Tensor, place_of: Tensor) -> Bool[Tensor, "member fact"]:
        """One of each of some pairs of inverses: as going through facts in random order and sparing inverses gives."""
        pairs = self.total // 2  # the p-th: subject p // reach, a step of p % reach + 1, and back
        chosen = streams.permutation("pairs", (), pairs)[:, : self.total - self.examples]
        subject, relation = chosen // self.reach, chosen % self.reach
        place = place_of.gather(1, subject) + relation + 1
        other = entity_at.gather(1, place.remainder(self.entities))
        forth = subject * self.relations + relation
        back = other * self.relations + relation + self.reach
        fact = torch.where(streams.integers("side", tuple(chosen.shape[1:]), 2).bool(), forth, back)
        return torch.zeros(len(chosen), self.total, dtype=torch.bool, device=fact.device).scatter_(1, fact, True)
