"""Oracles: networks that are the language itself, or know only a part of it, and ranks counted one by one."""

import math

import pytest
import torch
from torch import nn

from ontogeny.errors import UserError
from ontogeny.measures import language_skills
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.language_skills import (
    FreeSentences,
    FreeUnscrambling,
    PairGeneralisation,
    SentenceLoss,
    Unscrambling,
)
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.tasks.typed_language import MOST, TypedLanguage

TASK = TypedLanguage(entities=5, values=8, share=0.25)


class Speaker(nn.Module):
    """Gives what `answers(tokens)` says, `[member, sample, position, output]`."""

    def __init__(self, members, answers):
        super().__init__()
        self.answers, self.nothing = answers, nn.Parameter(torch.zeros(members, 1))

    def forward(self, tokens):
        return self.answers(tokens)


def look(answers, task=TASK, seeds=(1, 2)):
    streams = Streams(seeds)
    return Checkpoint(
        population=Population(Speaker(len(seeds), answers)),
        task=task,
        world=task.world(streams.of("world")),
        streams=streams.of("evaluation"),
        step=0,
    )


def uniform(tokens):
    return torch.zeros(*tokens.shape, TASK.shape.outputs)


def test_a_uniform_network_knows_nothing():
    at = look(uniform)
    found = SentenceLoss(samples=64)(at)
    assert found["free_loss"].values.tolist() == pytest.approx([math.log(TASK.shape.outputs)] * 2)
    # Per word: what a sentence holds over its mean length, and much less than a uniform guess.
    assert found["free_floor"].values.tolist() == pytest.approx([TASK.sentence_nats() / TASK.mean_words()] * 2)
    pairs = PairGeneralisation()(at)
    assert pairs["pairs"].values.tolist() == [0.5, 0.5]
    assert pairs["memory"].values.tolist() == [0.5, 0.5]
    assert pairs["rank_chance"].values.tolist() == pytest.approx([12 / TASK.shape.outputs] * 2)


def value_logits(world, of_class, of_other, of_seen):
    """Answers that give a value its logit by its kind of pair with the entity that was read."""

    def answers(tokens):
        logits = uniform(tokens) - 5.0
        entity = tokens[:, :, 3]
        own = torch.arange(16) // 8 == (entity // 5)[..., None]
        seen = world.seen[torch.arange(len(tokens))[:, None], entity]
        value = torch.where(seen, of_seen, torch.where(own, of_class, of_other))
        logits[:, :, -1, TASK.starts[1] : TASK.starts[1] + 16] = value
        return logits

    return answers


@pytest.mark.parametrize(
    ("logits", "pairs", "memory"),
    [
        ((2.0, 1.0, 3.0), 1, 1),
        ((2.0, 2.0, 3.0), 0.5, 1),  # remembers what it saw and knows no types
        ((2.0, 1.0, 2.0), 1, 0.5),  # knows types and remembers nothing
        ((1.0, 2.0, 0.0), 0, 0),
    ],
)
def test_pairs_and_memory_are_told_apart(logits, pairs, memory):
    world = look(uniform).world
    found = PairGeneralisation()(look(value_logits(world, *(torch.tensor(x) for x in logits))))
    assert found["pairs"].values.tolist() == [pairs] * 2
    assert found["memory"].values.tolist() == [memory] * 2


def test_ranks_are_counted_one_by_one(seed):
    logits = torch.randn(TASK.shape.outputs, generator=torch.Generator().manual_seed(seed))
    at = look(lambda tokens: logits.expand(*tokens.shape, -1))
    found = PairGeneralisation()(at)
    for m in range(2):
        ranks = []
        for entity in range(10):
            for value in range(16):
                if value // 8 == entity // 5 and not at.world.seen[m, entity, value]:
                    ranks.append(int((logits > logits[TASK.starts[1] + value]).sum()))
        assert len(ranks) == 10 * 6
        assert found["rank"].values[m].item() == pytest.approx(sum(ranks) / 60 / 8)
        assert found["rank_share"].values[m].item() == pytest.approx(sum(r < 12 for r in ranks) / 60)


def test_in_a_world_without_types_pairs_of_both_classes_may_be_seen():
    task = TASK.replace(typed=False)
    at = look(uniform, task)
    own = torch.arange(16) // 8 == (torch.arange(10) // 5)[:, None]
    first = task.starts[1]

    def seen_high(tokens):
        logits = uniform(tokens)
        logits[:, :, -1, first : first + 16] = at.world.seen.float()
        return logits

    assert (at.world.seen & ~own).any()
    assert PairGeneralisation()(look(seen_high, task))["pairs"].values.tolist() == [0.5, 0.5]


def writer(task, world, unscramble):
    """A network that continues with whole sentences: fixed ones freely, and the right ones when it unscrambles."""
    eos, out = task.token("eos"), task.token("Out")

    def answers(tokens):
        logits = torch.zeros(*tokens.shape, task.shape.outputs)
        for m in range(tokens.shape[0]):
            for i in range(tokens.shape[1]):
                row = tokens[m, i].tolist()
                if out not in row:
                    continue
                begins = row.index(out)
                words = unscramble(m, row[1:begins])
                for place in range(begins, len(row)):
                    done = place - begins
                    logits[m, i, place, words[done] if done < len(words) else eos] = 50.0
        return logits

    return answers


def test_free_sentences_of_known_kinds(monkeypatch):
    starts, eos = TASK.starts, TASK.token("eos")
    typed = [0, starts[3], starts[1] + 3, eos]
    mixed = [0, starts[3], starts[1] + 9, eos]
    broken = [starts[3], 0, starts[1] + 3, eos]
    written = [typed] * 3 + [mixed] * 1 + [broken] * 4
    words = torch.tensor([row + [eos] * 9 for row in written])[None].expand(2, -1, -1)
    monkeypatch.setattr(language_skills, "generate", lambda *_: words)
    found = FreeSentences(samples=8)(look(uniform))
    assert found["grammar"].values.tolist() == [0.5, 0.5]
    assert found["types"].values.tolist() == [0.75, 0.75]
    worse = words.clone()
    worse[1, :] = words[1, 4]  # nothing is grammatical: types are not asked for
    monkeypatch.setattr(language_skills, "generate", lambda *_: worse)
    found = FreeSentences(samples=8)(look(uniform))
    assert found["grammar"].values.tolist() == [0.5, 0.0]
    assert found["types"].values[1].isnan()


def plain_complete(population, tokens, given, first, choose=None):
    """Reads everything again for every token."""
    filled = tokens.clone()
    for place in range(first, tokens.shape[-1]):
        chosen = population(filled[..., :place])[:, :, -1].argmax(-1)
        filled[..., place] = torch.where(place < given, tokens[..., place], chosen)
    return filled


def test_unscrambling_of_known_networks(monkeypatch):
    monkeypatch.setattr(language_skills, "complete", plain_complete)

    def measure(at):
        return Unscrambling(samples=12)(at) | FreeUnscrambling(samples=12)(at)

    at = look(uniform)
    streams = at.streams.of("unscrambling").of("seen")
    words, length, _ = TASK.sentences(at.world, streams, 12)
    by_words = [
        {tuple(sorted(row[:n].tolist())): row[:n].tolist() for row, n in zip(words[m], length[m], strict=True)}
        for m in range(2)
    ]

    def right(m, shuffled):
        return by_words[m].get(tuple(sorted(shuffled)), [0])

    found = measure(look(writer(TASK, at.world, right)))
    assert found["unscrambled"].values.tolist() == [1, 1]
    assert found["unscrambled_valid"].values.tolist() == [1, 1]
    assert found["word_accuracy"].values[:, 0].tolist() == [1, 1]
    assert (found["word_accuracy"].values[:, 1] < 0.7).all()  # it was not told the answers to these

    def swapped(m, shuffled):
        """The right words with both subjects in the other order, where there are two: valid, and another sentence."""
        answer = list(right(m, shuffled))
        if len(answer) > 2 and TASK.starts[5] <= answer[1] < TASK.starts[6]:
            answer[0], answer[2] = answer[2], answer[0]
        return answer

    two = torch.stack([(TASK.kinds(words[m])[:, 1] == 5).double().mean() for m in range(2)])
    assert (two > 0).any()
    found = measure(look(writer(TASK, at.world, swapped)))
    assert found["unscrambled"].values.tolist() == pytest.approx((1 - two).tolist())
    assert found["unscrambled_valid"].values.tolist() == [1, 1]

    def reversed_(m, shuffled):
        return right(m, shuffled)[::-1]

    found = measure(look(writer(TASK, at.world, reversed_)))
    assert found["unscrambled"].values.tolist() == [0, 0]
    assert found["unscrambled_valid"].values.tolist() == [0, 0]

    def too_long(m, shuffled):
        return [*right(m, shuffled), TASK.starts[5]]

    found = measure(look(writer(TASK, at.world, too_long)))
    assert found["unscrambled"].values.tolist() == [0, 0]  # the end counts
    assert found["word_accuracy"].values[:, 0].tolist() == [1, 1]
    assert found["unscrambled_valid"].values.tolist() == [0, 0]
    assert MOST == 12


def test_another_task_is_refused():
    task = LinearTeacher(strengths=(1.0,), inputs=3, outputs=2)
    population = Population(nn.ParameterList([torch.zeros(2, 3)]))
    at = Checkpoint(population=population, task=task, world=None, streams=Streams((1, 2)), step=0)
    for measure in (FreeSentences(), PairGeneralisation(), Unscrambling(), FreeUnscrambling(), SentenceLoss()):
        with pytest.raises(UserError, match="needs TypedLanguage, got LinearTeacher"):
            measure(at)
