"""A formal language whose sentences obey a grammar and whose words obey types: to write it, and to put it in order."""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task

CLASSES = 2
VERBS = 8  # relational verbs of a class
MOST = 12  # words of a sentence
PREPOSITIONS, PLACES, JOINERS = 2, 3, 2  # is, has; on, in, to; and, or
PLACE_SHARES = (0.4, 0.3, 0.3)
SPECIALS = ("T0", "T1", "null", "Out", "eos", "pad")

Kind = Literal["entity", "value", "verb", "preposition", "place", "joiner", "special"]
KINDS: tuple[Kind, ...] = ("entity", "value", "verb", "preposition", "place", "joiner", "special")

SUBJECT, OTHER_SUBJECT, OBJECT, OTHER_OBJECT, VALUE, VERB, PREPOSITION, PLACE, JOINER, NOTHING = range(10)
SLOT_KINDS = (0, 0, 0, 0, 1, 2, 3, 4, 5, 6)  # of the slots above, as an index into KINDS


@dataclass(frozen=True)
class Form:
    """A sentence before its words are chosen."""

    slots: tuple[int, ...]
    probability: float


@functools.cache
def forms() -> tuple[Form, ...]:
    """All forms of a sentence, with probabilities that sum to 1.

    The grammar S -> NP VP; NP -> subject [.8] | NP and NP [.2]; VP -> is value [.4] | verb on objects [.4] | VP and VP
    [.2]; objects -> object [.7] | object and objects [.3], given that there are at most two subjects, two verb phrases,
    two objects in each, and twelve words.
    """
    found = [(subject + phrase, p * q) for subject, p in _subjects() for phrase, q in _phrases()]
    kept = [(slots, p) for slots, p in found if len(slots) <= MOST]
    total = math.fsum(p for _, p in kept)
    return tuple(Form(slots, p / total) for slots, p in kept)


def _subjects() -> Iterator[tuple[tuple[int, ...], float]]:
    yield (SUBJECT,), 0.8
    yield (OTHER_SUBJECT, JOINER, SUBJECT), 0.2 * 0.8 * 0.8  # the last one is the SUBJECT, whose values are told


def _phrases() -> list[tuple[tuple[int, ...], float]]:
    single = [
        ((PREPOSITION, VALUE), 0.4),
        ((VERB, PLACE, OBJECT), 0.4 * 0.7),
        ((VERB, PLACE, OBJECT, JOINER, OTHER_OBJECT), 0.4 * 0.3 * 0.7),
    ]
    double = [((*a, JOINER, *b), 0.2 * p * q) for (a, p), (b, q) in product(single, single)]
    return single + double


@dataclass(frozen=True)
class Supports:
    """Which values are told of each entity: the bipartite graph that the language is about."""

    values: Int[Tensor, "member entity place"]  # an entity's values, as numbers among all values
    seen: Bool[Tensor, "member entity value"]


class TypedLanguage(Task):
    """Sentences about two classes of things, written freely (T0) or put in order again (T1).

    With E entities and K values a class, a sample of each kind (shorter ones are padded):

        free        T0  null            Out  e3 and e7 is v12            eos      v12 is a value of e7, not of e3
        unscramble  T1  v12 e7 is e3 and  Out  e3 and e7 is v12            eos

    The form of a sentence follows `forms`. A sentence is about one class, uniformly: all its entities, values and verbs
    are of that class. A value is told of the last subject, uniformly from the entity's own `share` of its class's
    values; objects, verbs and all else say nothing of pairs. What stands together in a noun phrase differs. The pairs
    of entity and value that are told, the *seen* ones, are drawn once from a member's seed; of the others, those within
    a class are of the right type although they never occur.

    Tokens are the entities (by class), the values (by class), 8 relational verbs a class, is and has, on, in and to,
    and and or, then T0, T1, null, Out, eos, pad, and `unused` tokens that never occur. The loss counts every token
    after the first but pads.

    Where a finding must vanish: `typed=False` draws an entity's values from both classes, `ordered=False` puts the
    words of every sentence in random order.

    Latents: `words [.., 12]` (the sentence, padded), `length`, `free` (bool), `one_class` (int).

    Source: Lubana et al., arXiv 2408.12578, without its adjectives and its third kind of sample.
    """

    entities: int = 32
    values: int = 32
    share: float = 0.25
    free: float = 0.4
    typed: bool = True
    ordered: bool = True
    unused: int = 0

    def check(self) -> None:
        """Sizes that leave something to be told and something to be unseen."""
        if self.entities < 2 or self.values < 2:
            raise UserError(
                f"TypedLanguage needs 2 entities and 2 values or more, got {self.entities} and {self.values}"
            )
        if not 1 <= self.told < self.values:
            raise UserError(
                f"share={self.share} of {self.values} values is {self.told} of them: let it be one or more, not all"
            )
        if not 0.0 <= self.free <= 1.0 or self.unused < 0:
            raise UserError(f"TypedLanguage: free is a probability and unused a count, got {self.free}, {self.unused}")

    @property
    def told(self) -> int:
        """Values that are told of an entity."""
        return round(self.share * self.values)

    @property
    def starts(self) -> tuple[int, ...]:
        """The first token of each of `KINDS`, in order."""
        sizes = (self.entities, self.values, VERBS)
        counts = (*(CLASSES * n for n in sizes), PREPOSITIONS, PLACES, JOINERS)
        return tuple(sum(counts[:i]) for i in range(len(KINDS)))

    @property
    def shape(self) -> Shape:
        """Next-token prediction over words twice as long as a sentence, and four marks."""
        size = self.starts[-1] + len(SPECIALS) + self.unused
        return Shape(outputs=size, vocabulary=size, length=2 * MOST + 2)

    def token(self, word: str) -> int:
        """The token of a mark.

        Raises: `UserError` for an unknown one.
        """
        if word not in SPECIALS:
            raise UserError(f"no mark {word!r}: known: {', '.join(SPECIALS)}")
        return self.starts[-1] + SPECIALS.index(word)

    def world(self, streams: Streams) -> Supports:
        """The pairs that are told."""
        everything, many = CLASSES * self.values, CLASSES * self.entities
        if self.typed:
            of_class = streams.permutation("support", (many,), self.values)[..., : self.told]
            own = torch.arange(many, device=streams.device)[:, None] // self.entities
            values = of_class + own * self.values
        else:
            values = streams.permutation("support", (many,), everything)[..., : self.told]
        seen = torch.zeros(streams.members, many, everything, dtype=torch.bool, device=streams.device)
        return Supports(values, seen.scatter(-1, values, torch.ones_like(values, dtype=torch.bool)))

    def sample(self, world: Supports, streams: Streams, size: int) -> Batch:
        """Fresh samples of both kinds."""
        words, length, one_class = self.sentences(world, streams, size)
        free = streams.bernoulli("free", (size,), self.free)
        shuffled = self.shuffle(streams.of("shuffled"), words, length)
        tokens = self.write(words, shuffled, free)
        weights = (tokens[..., 1:] != self.token("pad")).float()
        latents = {"words": words, "length": length, "free": free, "one_class": one_class}
        return Batch(inputs=tokens[..., :-1], targets=tokens[..., 1:], weights=weights, latents=latents)

    def sentences(
        self, world: Supports, streams: Streams, size: int, *, unseen: bool = False
    ) -> tuple[Int[Tensor, "member sample 12"], Int[Tensor, "member sample"], Int[Tensor, "member sample"]]:
        """Sentences (padded), their lengths and classes; with `unseen` their values are never told of the subject.

        Such a value is uniform among those of the class that are not the last subject's.
        """
        slots = torch.full((len(forms()), MOST), NOTHING, device=streams.device)
        for i, form in enumerate(forms()):
            slots[i, : len(form.slots)] = torch.tensor(form.slots, device=streams.device)
        law = torch.tensor([f.probability for f in forms()], dtype=torch.float64, device=streams.device)
        drawn = streams.words("form", (size,)).double() * 2.0**-32
        slots = slots[torch.searchsorted(law.cumsum(0)[:-1], drawn, right=True)]
        one_class = streams.integers("class", (size,), CLASSES)
        words = self._fill(world, streams, slots, one_class, unseen)
        length = (slots != NOTHING).sum(-1)
        if not self.ordered:
            words = self.shuffle(streams.of("no order"), words, length)
        return words, length, one_class

    def _fill(
        self,
        world: Supports,
        streams: Streams,
        slots: Int[Tensor, "member sample 12"],
        one_class: Int[Tensor, "member sample"],
        unseen: bool,
    ) -> Int[Tensor, "member sample 12"]:
        """A word in every slot."""
        size, starts = slots.shape[1], self.starts
        first, other = self._two(streams, "subject", size)
        subject = first + one_class * self.entities
        # A phrase has its own objects, told apart by where it stands: the second one begins after the first joiner.
        begins = (slots == VERB) | (slots == PREPOSITION)
        second = begins.cumsum(-1) > 1
        objects = [self._two(streams, f"object {i}", size) for i in range(2)]
        member = torch.arange(slots.shape[0], device=slots.device)[:, None]
        if unseen:
            key = streams.uniform("value", (size, 2, CLASSES * self.values))
            allowed = ~world.seen[member, subject][:, :, None]
            of_class = torch.arange(CLASSES * self.values, device=slots.device) // self.values == one_class[..., None]
            value = (key * (allowed & of_class[:, :, None])).argmax(-1)
        else:
            value = world.values[member, subject].gather(-1, streams.integers("value", (size, 2), self.told))
        verb = streams.integers("verb", (size, 2), VERBS) + one_class[..., None] * VERBS
        shares = torch.tensor(PLACE_SHARES, device=slots.device, dtype=torch.float64).cumsum(0)[:-1]
        place = torch.searchsorted(shares, streams.words("place", (size, MOST)).double() * 2.0**-32, right=True)
        offset = one_class * self.entities

        def of_phrase(one: Tensor, two: Tensor) -> Tensor:
            return torch.where(second, two[..., None], one[..., None])

        by_slot = {
            SUBJECT: subject[..., None].expand_as(slots),
            OTHER_SUBJECT: (other + offset)[..., None].expand_as(slots),
            OBJECT: of_phrase(objects[0][0] + offset, objects[1][0] + offset),
            OTHER_OBJECT: of_phrase(objects[0][1] + offset, objects[1][1] + offset),
            VALUE: of_phrase(value[..., 0], value[..., 1]) + starts[1],
            VERB: of_phrase(verb[..., 0], verb[..., 1]) + starts[2],
            PREPOSITION: streams.integers("preposition", (size, MOST), PREPOSITIONS) + starts[3],
            PLACE: place + starts[4],
            JOINER: streams.integers("joiner", (size, MOST), JOINERS) + starts[5],
            NOTHING: torch.full_like(slots, self.token("pad")),
        }
        words = by_slot[NOTHING]
        for slot, filled in by_slot.items():
            words = torch.where(slots == slot, filled, words)
        return words

    def _two(self, streams: Streams, name: str, size: int) -> tuple[Tensor, Tensor]:
        """Two different entities of a class."""
        one = streams.integers(name, (size,), self.entities)
        return one, (one + 1 + streams.integers(f"other {name}", (size,), self.entities - 1)) % self.entities

    def shuffle(
        self, streams: Streams, words: Int[Tensor, "member sample 12"], length: Int[Tensor, "member sample"]
    ) -> Int[Tensor, "member sample 12"]:
        """The words of each sentence in a uniformly random order, pads last."""
        key = streams.uniform("order", words.shape[1:])
        key = key + 2.0 * (torch.arange(MOST, device=words.device) >= length[..., None])
        return words.gather(-1, torch.argsort(key, dim=-1, stable=True))

    def write(
        self,
        words: Int[Tensor, "member sample 12"],
        shuffled: Int[Tensor, "member sample 12"],
        free: Bool[Tensor, "member sample"],
    ) -> Int[Tensor, "member sample position"]:
        """Whole samples, padded."""
        length = (words != self.token("pad")).sum(-1)
        given = torch.where(free, 1, length)
        head = torch.where(free, self.token("T0"), self.token("T1"))
        total = self.shape.length
        assert total is not None
        place = torch.arange(total + 1, device=words.device).expand(*words.shape[:2], -1)
        out, end = (given + 1)[..., None], (given + 2 + length)[..., None]
        prompt = torch.where(free[..., None], self.token("null"), shuffled.gather(-1, (place - 1).clamp(0, MOST - 1)))
        sentence = words.gather(-1, (place - out - 1).clamp(0, MOST - 1))
        tokens = torch.where(place < out, prompt, sentence)
        tokens = torch.where(place == 0, head[..., None], tokens)
        tokens = torch.where(place == out, self.token("Out"), tokens)
        tokens = torch.where(place == end, self.token("eos"), tokens)
        return torch.where(place > end, self.token("pad"), tokens)

    def given(self, batch: Batch) -> Int[Tensor, "member sample"]:
        """Tokens of each sample up to and with Out: what a network is given to continue."""
        return torch.where(batch.latents["free"], 1, batch.latents["length"]) + 2

    def kinds(self, tokens: Int[Tensor, "*any"]) -> Int[Tensor, "*any"]:
        """The kind of every token, as an index into `KINDS`."""
        starts = torch.tensor(self.starts, device=tokens.device)
        return torch.searchsorted(starts, tokens, right=True) - 1

    def grammatical(self, words: Int[Tensor, "*sample place"]) -> Bool[Tensor, "*sample"]:
        """Whether the words before the first eos are a sentence: they have the kinds of one of the `forms`.

        `place` is 13 or more: a sentence of twelve words needs its eos. Types are not asked for.
        """
        cut = self.cut(words)
        ends = (words == self.token("eos")).cumsum(-1) > 0
        kinds = self.kinds(cut).where(ends | (cut < self.starts[-1]), -1)[..., : MOST + 1]  # a mark is no word
        found = torch.zeros(kinds.shape[:-1], dtype=torch.bool, device=kinds.device)
        for sequence in {tuple(SLOT_KINDS[s] for s in form.slots) for form in forms()}:
            wanted = torch.tensor([*sequence, *[KINDS.index("special")] * (MOST + 1 - len(sequence))])
            found = found | (kinds == wanted.to(kinds.device)).all(-1)
        return found & ends[..., MOST]

    def cut(self, words: Int[Tensor, "*sample place"]) -> Int[Tensor, "*sample place"]:
        """The words with pads from the first eos on."""
        return words.where((words == self.token("eos")).cumsum(-1) == 0, self.token("pad"))

    def same_class(self, words: Int[Tensor, "*sample place"]) -> Bool[Tensor, "*sample"]:
        """Whether all entities, values and verbs before the first eos are of one class (so are none at all)."""
        cut = self.cut(words)
        kinds, each = self.kinds(cut), torch.zeros_like(cut)
        for kind, size in enumerate((self.entities, self.values, VERBS)):
            each = torch.where(kinds == kind, (cut - self.starts[kind]) // size, each)
        has_type = kinds < 3
        return ~((has_type & (each == 0)).any(-1) & (has_type & (each == 1)).any(-1))

    def sentence_nats(self) -> float:
        """Entropy of a sentence in nats, given the pairs that are told: what no network can expect better.

        The form, the class, and what fills each slot are drawn independently and can all be read off the words.
        """
        place = -math.fsum(p * math.log(p) for p in PLACE_SHARES)
        nats = {
            SUBJECT: math.log(self.entities),
            OTHER_SUBJECT: math.log(self.entities - 1),
            OBJECT: math.log(self.entities),
            OTHER_OBJECT: math.log(self.entities - 1),
            VALUE: math.log(self.told),
            VERB: math.log(VERBS),
            PREPOSITION: math.log(PREPOSITIONS),
            PLACE: place,
            JOINER: math.log(JOINERS),
        }
        form = math.fsum(f.probability * (sum(nats[s] for s in f.slots) - math.log(f.probability)) for f in forms())
        return math.log(CLASSES) + form

    def mean_words(self) -> float:
        """Mean number of words of a sentence, its eos included."""
        return 1 + math.fsum(form.probability * len(form.slots) for form in forms())
