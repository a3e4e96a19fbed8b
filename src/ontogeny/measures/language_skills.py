"""Skills on a typed language: grammar, types, the pairs that types allow, and putting words in order."""

import torch
from jaxtyping import Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.auroc import auroc
from ontogeny.measures.average import average
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.divergence import mean_over
from ontogeny.models.generate import complete, generate, sampled
from ontogeny.tasks.typed_language import CLASSES, MOST, TypedLanguage

FEWEST = 0.1  # share of grammatical sentences, below which their types are not asked for
FILLINGS = ("seen", "unseen")


def language_task(at: Checkpoint) -> TypedLanguage:
    """The task of a checkpoint, which has to be a typed language.

    Raises: `UserError` for any other task.
    """
    if not isinstance(at.task, TypedLanguage):
        raise UserError(f"this measure reads typed sentences: it needs TypedLanguage, got {type(at.task).__name__}")
    return at.task


class FreeSentences(Measure):
    """Lets networks write `samples` sentences freely, at temperature 1.

    - `grammar`: share of them that is grammatical, whatever their types.
    - `types`: share *of the grammatical ones* whose entities, values and verbs are all of one class; NaN where less
      than a tenth is grammatical. Types at random give about a third.
    """

    samples: int = 256

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Both at one checkpoint."""
        task, streams = language_task(at), at.streams.of("free sentences")
        prompt = torch.tensor([task.token(word) for word in ("T0", "null", "Out")], device=streams.device)
        prompts = prompt.expand(at.members, self.samples, -1)
        words = generate(at.population, prompts, MOST + 1, sampled(streams))
        grammatical = task.grammatical(words)
        grammar = average(grammatical.double())
        types = average(task.same_class(words).double(), grammatical)
        return {
            "grammar": Labelled(grammar, ("member",), unit="share of sentences"),
            "types": Labelled(types.where(grammar >= FEWEST, torch.nan), ("member",), unit="share of sentences"),
        }


class PairGeneralisation(Measure):
    r"""Which values a network expects of an entity e, after "T0 null Out e is", by three kinds of pairs.

    - `pairs`: P(logit of an *unseen value of e's class* > logit of an unseen value of the other class), mean over
      entities: 0.5 for a network that knows no types of pairs, whatever the number of values, 1 for one that does.
    - `memory`: P(logit of a seen value > logit of an unseen one of the class): 0.5 without, 1 with memory of the pairs.
    - `rank_share`: share of the unseen values of the class among the 1.5 K most expected of all tokens; chance is
      `rank_chance` = 1.5 K over the number of tokens, which grows with K. `rank`: their mean rank over K, from 0.

    Only the first of the two words "is" and "has" is asked with. Cost: one short forward pass over all entities.
    """

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """All four at one checkpoint."""
        task, seen = language_task(at), at.world.seen
        many, per_class = CLASSES * task.entities, task.values
        entity = torch.arange(many, device=seen.device).expand(at.members, -1)
        head = [torch.full_like(entity, task.token(word)) for word in ("T0", "null", "Out")]
        logits = at.population(torch.stack([*head, entity, torch.full_like(entity, task.starts[3])], -1))[:, :, -1]
        first = task.starts[1]
        values = logits[..., first : first + CLASSES * per_class]
        of_class = torch.arange(CLASSES * per_class, device=seen.device) // per_class
        own = (of_class == (torch.arange(many, device=seen.device) // task.entities)[:, None]).expand_as(seen)
        unseen = own & ~seen
        order = logits.sort(-1, descending=True).values
        above = torch.searchsorted((-order).contiguous(), (-values).contiguous()).double()
        ranks = (above / per_class).flatten(1)
        top = (above < 1.5 * per_class).double().flatten(1)
        chance = torch.full_like(ranks[:, 0], 1.5 * per_class / task.shape.outputs)
        return {
            "pairs": Labelled(mean_over(auroc(values, own, ~seen)), ("member",), unit="AUROC"),
            "memory": Labelled(mean_over(auroc(values, seen, own)), ("member",), unit="AUROC"),
            "rank": Labelled(average(ranks, unseen.flatten(1)), ("member",), unit="K"),
            "rank_share": Labelled(average(top, unseen.flatten(1)), ("member",), unit="share"),
            "rank_chance": Labelled(chance, ("member",), unit="share"),
        }


class Unscrambling(Measure):
    """Asks networks for each word of `samples` new sentences that are to be put in order, given the right ones before.

    - `unscrambled`: share whose every word and end is the most probable one, so that it would be written exactly. Words
      that may swap places (two subjects, two objects, two phrases) keep it below 1 for the best network too.
    - `word_accuracy`, by `filling`: share of the words that are right; on sentences with seen pairs, and on such whose
      values are of the right class but never told of the subject.

    Cost: two forward passes over `samples` whole samples.
    """

    samples: int = 128

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Both at one checkpoint."""
        task = language_task(at)
        accuracy, exact = [], {}
        for filling in FILLINGS:
            tokens, _, length = _to_unscramble(at, task, self.samples, filling)
            guess = at.population(tokens[..., :-1]).argmax(-1)
            place = torch.arange(1, tokens.shape[-1], device=tokens.device)
            begins = (length + 2)[..., None]
            ends = begins + length[..., None]
            asked = (place >= begins) & (place < ends)
            right = guess == tokens[..., 1:]
            accuracy.append(average(right.double().flatten(1), asked.flatten(1)))
            exact[filling] = (right | ~(asked | (place == ends))).all(-1)
        return {
            "unscrambled": Labelled(average(exact["seen"].double()), ("member",), unit="share of sentences"),
            "word_accuracy": Labelled(
                torch.stack(accuracy, -1), ("member", "filling"), {"filling": FILLINGS}, unit="share of words"
            ),
        }


class FreeUnscrambling(Measure):
    """Lets networks write the same sentences as `Unscrambling` in order, most probable word by word.

    `unscrambled_valid`: share that has the words of the sentence, in a grammatical order, of one class, be it another
    sentence than the one that was shuffled. Cost: `samples` whole samples generated, several times that of the other.
    """

    samples: int = 128

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """The share at one checkpoint."""
        task = language_task(at)
        tokens, words, length = _to_unscramble(at, task, self.samples, "seen")
        after = torch.full_like(tokens[..., :MOST], task.token("pad"))  # an answer may begin late, and is then cut
        written = torch.cat([complete(at.population, tokens, length + 2, 5), after], -1)
        place = (length + 2)[..., None] + torch.arange(MOST + 1, device=tokens.device)
        answer = written.gather(-1, place)
        same = (task.cut(answer)[..., :MOST].sort(-1).values == words.sort(-1).values).all(-1)
        valid = average((same & task.grammatical(answer) & task.same_class(answer)).double())
        return {"unscrambled_valid": Labelled(valid, ("member",), unit="share of sentences")}


def _to_unscramble(
    at: Checkpoint, task: TypedLanguage, samples: int, filling: str
) -> tuple[Int[Tensor, "member sample position"], Int[Tensor, "member sample 12"], Int[Tensor, "member sample"]]:
    """Whole samples with the words of new sentences shuffled, the sentences, and their lengths."""
    streams = at.streams.of("unscrambling").of(filling)
    words, length, _ = task.sentences(at.world, streams, samples, unseen=filling == "unseen")
    shuffled = task.shuffle(streams, words, length)
    return task.write(words, shuffled, torch.zeros_like(length, dtype=torch.bool)), words, length


class SentenceLoss(Measure):
    """`free_loss`: mean cross-entropy of a word (eos included) of `samples` fixed sentences, freely written, in nats.

    `free_floor` is the least it can be: the entropy of a sentence over its mean number of words.
    """

    samples: int = 512

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """The loss at one checkpoint."""
        task = language_task(at)
        words, length, _ = task.sentences(at.world, at.streams.of("sentence loss"), self.samples)
        free = torch.ones_like(length, dtype=torch.bool)
        tokens = task.write(words, words, free)[..., : MOST + 4]
        law = torch.log_softmax(at.population(tokens[..., :-1])[:, :, 2:], -1)
        nats = -law.gather(-1, tokens[..., 3:, None])[..., 0]
        asked = tokens[..., 3:] != task.token("pad")
        loss = average(nats.flatten(1), asked.flatten(1))
        floor = torch.full_like(loss, task.sentence_nats() / task.mean_words())
        return {
            "free_loss": Labelled(loss, ("member",), unit="nats per word"),
            "free_floor": Labelled(floor, ("member",), unit="nats per word"),
        }
