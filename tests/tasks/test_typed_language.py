"""Oracles: a regular expression over kinds, a chart of the grammar itself, rates, and probabilities by hand."""

import functools
import math
import re

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.typed_language import CLASSES, KINDS, MOST, SLOT_KINDS, TypedLanguage, forms

TASK = TypedLanguage(entities=6, values=8, share=0.25)
LETTERS = "EVRDPCX"  # of KINDS
PHRASE = "(DV|RPE(CE)?)"
SENTENCE = re.compile(f"E(CE)?{PHRASE}(C{PHRASE})?")


def letters(task, words):
    """Kinds as letters, up to the end."""
    end = {task.token("eos"), task.token("pad")}
    return "".join(LETTERS[k] for w, k in zip(words.tolist(), task.kinds(words).tolist(), strict=True) if w not in end)


def drawn(task=TASK, seeds=(1, 2), size=2_000, **how):
    streams = Streams(seeds)
    world = task.world(streams)
    return world, *task.sentences(world, streams, size, **how)


def inside(tree):
    """Probability of a string of kinds under the grammar, by the inside algorithm over all its ways to be split."""

    @functools.cache
    def of(symbol, string):
        rules = {
            "S": [(1.0, ("N", "F"))],
            "N": [(0.8, ("E",)), (0.2, ("N", "C", "N"))],
            "F": [(0.4, ("D", "V")), (0.4, ("R", "P", "O")), (0.2, ("F", "C", "F"))],
            "O": [(0.7, ("E",)), (0.3, ("E", "C", "O"))],
        }
        if symbol not in rules:
            return float(string == symbol)
        return sum(p * split(rest, string) for p, rest in rules[symbol])

    @functools.cache
    def split(symbols, string):
        if len(symbols) == 1:
            return of(symbols[0], string)
        cuts = range(1, len(string) - len(symbols) + 2)
        return sum(
            of(symbols[0], string[:i]) * split(symbols[1:], string[i:]) for i in cuts if of(symbols[0], string[:i])
        )

    return of("S", tree)


def test_forms_have_the_probabilities_of_the_grammar():
    """Each form's share is its inside probability over that of all: nothing else was cut away or counted twice."""
    strings = ["".join(LETTERS[SLOT_KINDS[s]] for s in form.slots) for form in forms()]
    assert len(set(strings)) == len(strings)
    assert all(SENTENCE.fullmatch(s) and len(s) <= MOST for s in strings)
    # 2 noun phrases times 3 + 9 verb phrases, less those of 13 and 14 words: 1 + 11, 3 + 11 and no more.
    lengths = sorted(a + b for a in (1, 3) for b in [2, 3, 5, *(x + 1 + y for x in (2, 3, 5) for y in (2, 3, 5))])
    assert [n for n in lengths if n <= MOST] == sorted(map(len, strings))
    probability = [inside(s) for s in strings]
    for form, p in zip(forms(), probability, strict=True):
        assert form.probability == pytest.approx(p / math.fsum(probability))
    assert math.fsum(form.probability for form in forms()) == pytest.approx(1)


def test_a_form_by_hand():
    # "e is v": .8 * .4 against all of them. Without the limit of twelve words noun phrases weigh .8 + .128, a single
    # phrase .4 + .4 (.7 + .21) = .764, two of them .2 * .764^2 = .11674; too long: 3 + 11 words.
    whole = 0.928 * (0.764 + 0.2 * 0.764**2)
    too_long = 0.128 * 0.2 * (0.4 * 0.21) ** 2
    shortest = next(form for form in forms() if len(form.slots) == 3)
    assert shortest.probability == pytest.approx(0.8 * 0.4 / (whole - too_long))


def test_sentences_obey_grammar_types_and_supports():
    world, words, length, one_class = drawn()
    task = TASK
    for m in range(2):
        for i in range(400):
            row = words[m, i, : length[m, i]].tolist()
            text = letters(task, words[m, i])
            assert SENTENCE.fullmatch(text)
            assert len(text) == length[m, i]
            assert (words[m, i, length[m, i] :] == task.token("pad")).all()
            sizes = dict(E=6, V=8, R=8)
            for word, kind in zip(row, text, strict=True):
                if kind in sizes:
                    start = task.starts["EVR".index(kind)]
                    assert (word - start) // sizes[kind] == one_class[m, i]
            subjects = re.match("E(CE)?", text).end()
            last = row[subjects - 1]
            assert subjects == 1 or row[0] != last
            for place, kind in enumerate(text):
                if kind == "V":
                    assert world.seen[m, last, row[place] - task.starts[1]]
            for match in re.finditer("PECE", text):
                assert row[match.start() + 1] != row[match.start() + 3]


def test_rates_of_forms_words_and_values():
    _, words, length, one_class = drawn(size=20_000)
    n = 40_000
    assert abs(one_class.double().mean() - 0.5) < 4 * 0.5 / n**0.5
    mean = sum(f.probability * len(f.slots) for f in forms())
    deviation = math.sqrt(sum(f.probability * len(f.slots) ** 2 for f in forms()) - mean**2)
    assert abs(length.double().mean() - mean) < 4 * deviation / n**0.5
    assert TASK.mean_words() == pytest.approx(mean + 1)
    kinds = TASK.kinds(words)
    for kind, count, shares in (("preposition", 2, [0.5] * 2), ("place", 3, [0.4, 0.3, 0.3]), ("joiner", 2, [0.5] * 2)):
        chosen = words[kinds == KINDS.index(kind)] - TASK.starts[KINDS.index(kind)]
        found = torch.bincount(chosen, minlength=count) / len(chosen)
        assert (found - torch.tensor(shares)).abs().max() < 4 * 0.5 / len(chosen) ** 0.5
    verbs = words[0][kinds[0] == 2] - TASK.starts[2]
    counts = torch.bincount(verbs, minlength=16).double()
    assert (counts / len(verbs) - 1 / 16).abs().max() < 4 * (1 / 16 / len(verbs)) ** 0.5
    # Short sentences "e is v": all entities alike, and the values of an entity alike.
    short = words[0][length[0] == 3][:, [0, 2]]
    pairs = torch.bincount(short[:, 0] * 16 + short[:, 1] - TASK.starts[1], minlength=12 * 16).double()
    assert (pairs > 0).sum() == 12 * 2
    told = pairs[pairs > 0] / len(short)
    assert (told - 1 / 24).abs().max() < 4.5 * (1 / 24 / len(short)) ** 0.5


def test_second_phrases_have_words_of_their_own():
    _, words, _, _ = drawn(seeds=(1,), size=6_000)
    text = [letters(TASK, row) for row in words[0]]
    both = [row for row, t in zip(words[0].tolist(), text, strict=True) if t == "ERPECRPE"]
    same_object = sum(row[3] == row[7] for row in both) / len(both)
    same_verb = sum(row[1] == row[5] for row in both) / len(both)
    assert abs(same_object - 1 / 6) < 4 * 0.4 / len(both) ** 0.5
    assert abs(same_verb - 1 / 8) < 4 * 0.4 / len(both) ** 0.5


def test_unseen_values_are_of_the_class_and_never_told():
    world, words, _, one_class = drawn(unseen=True)
    kinds = TASK.kinds(words)
    found = set()
    for i in range(2_000):
        row, text = words[0, i].tolist(), letters(TASK, words[0, i])
        last = row[re.match("E(CE)?", text).end() - 1]
        for place in (kinds[0, i] == 1).nonzero()[:, 0].tolist():
            value = row[place] - TASK.starts[1]
            assert value // 8 == one_class[0, i] == last // 6
            assert not world.seen[0, last, value]
            found.add((last, value))
    assert len(found) == 12 * 6


def test_supports(seed):
    for typed in (True, False):
        task = TASK.replace(typed=typed, share=0.25)
        world = task.world(Streams(tuple(range(seed, seed + 300))))
        assert task.told == 2
        assert (world.seen.sum(-1) == 2).all()
        assert torch.equal(world.seen.nonzero()[:, 2].view(300, 12, 2), world.values.sort(-1).values)
        own = torch.arange(16) // 8 == (torch.arange(12) // 6)[:, None]
        across = world.seen[:, ~own].double().mean()
        assert (across == 0) == typed
        if not typed:
            assert abs(across - 2 / 16) < 4 * 0.33 / (300 * 96) ** 0.5


def test_samples_are_written_as_drawn_in_the_docstring():
    streams = Streams((3, 4))
    batch = TASK.sample(TASK.world(streams), streams, 500)
    tokens = torch.cat([batch.inputs, batch.targets[..., -1:]], -1)
    t0, t1, null, out, eos, pad = (TASK.token(w) for w in ("T0", "T1", "null", "Out", "eos", "pad"))
    assert TASK.shape.length == batch.inputs.shape[-1] == 26
    for i in range(500):
        words = batch.latents["words"][1, i, : batch.latents["length"][1, i]].tolist()
        row = tokens[1, i].tolist()
        if batch.latents["free"][1, i]:
            expected = [t0, null, out, *words, eos]
        else:
            shuffled = row[1 : 1 + len(words)]
            assert sorted(shuffled) == sorted(words)
            expected = [t1, *shuffled, out, *words, eos]
        assert row == expected + [pad] * (27 - len(expected))
        assert batch.weights[1, i].tolist() == [1.0] * (len(expected) - 1) + [0.0] * (27 - len(expected))
        assert TASK.given(batch)[1, i] == expected.index(out) + 1
    share = batch.latents["free"].double().mean()
    assert abs(share - 0.4) < 4 * 0.5 / 1_000**0.5


def test_shuffles_are_uniform():
    words = torch.tensor([5, 6, 7, *[TASK.token("pad")] * 9]).expand(1, 12_000, -1)
    mixed = TASK.shuffle(Streams((1,)), words, torch.full((1, 12_000), 3))[0]
    assert (mixed[:, 3:] == TASK.token("pad")).all()
    code = (mixed[:, :3] * torch.tensor([100, 10, 1])).sum(-1)
    counts = torch.unique(code, return_counts=True)[1]
    assert len(counts) == 6
    assert (counts / 12_000 - 1 / 6).abs().max() < 4 * (1 / 6 / 12_000) ** 0.5


def test_grammar_is_judged_as_by_the_regular_expression(seed):
    """On sentences with words replaced at random, most of them wrong."""
    _, words, length, _ = drawn(seeds=(seed,), size=1_200)
    generator = torch.Generator().manual_seed(seed)
    eos = TASK.token("eos")
    ended = torch.cat([words, words[..., :1]], -1)
    ended.scatter_(-1, length[..., None], eos)
    assert TASK.grammatical(ended).all()
    assert TASK.same_class(ended).all()
    strange = torch.randint(TASK.shape.outputs, ended.shape, generator=generator)
    mixed = torch.where(torch.rand(ended.shape, generator=generator) < 0.12, strange, ended)
    judged = TASK.grammatical(mixed)[0]
    for row, verdict in zip(mixed[0], judged.tolist(), strict=True):
        words = row.tolist()
        cut = words.index(eos) if eos in words else None
        marked = cut is None or any(TASK.kinds(row)[i] == 6 for i in range(cut))
        text = "" if marked else letters(TASK, row[:cut])
        assert verdict == bool(text and SENTENCE.fullmatch(text))
    assert 0.2 < judged.double().mean() < 0.8


def test_marks_are_no_words():
    task = TASK.replace(unused=3)
    eos, starts, last = task.token("eos"), task.starts, task.shape.outputs - 1
    sentence, rest = [0, starts[3], starts[1]], [eos] * 13
    rows = [
        [*sentence, *extra, *rest][:13] for extra in ([], [task.token("Out")], [task.token("pad")], [last], [eos, 3])
    ]
    rows += [[*sentence, *[task.token("pad")] * 10]]  # never ends
    assert task.grammatical(torch.tensor(rows)).tolist() == [True, False, False, False, True, False]


def test_classes_of_mixed_sentences():
    eos, starts = TASK.token("eos"), TASK.starts
    one = [0, starts[3], starts[1] + 3, eos, 7]  # class 0, and a word of class 1 after the end
    mixed_value = [0, starts[3], starts[1] + 8, eos, 0]
    mixed_verb = [6, starts[2], starts[4], 7, eos]
    nothing = [starts[3], eos, 0, 6, 7]
    found = TASK.same_class(torch.tensor([one, mixed_value, mixed_verb, nothing]))
    assert found.tolist() == [True, False, False, True]


def test_entropy_is_the_mean_surprise_of_sentences():
    """The exact probability of each drawn sentence, rule by rule, averages to minus the entropy."""
    _, words, length, _ = drawn(seeds=(1,), size=2_500)
    by_kinds = {"".join(LETTERS[SLOT_KINDS[s]] for s in form.slots): form for form in forms()}
    surprise = []
    for row, n in zip(words[0], length[0].tolist(), strict=True):
        text = letters(TASK, row)
        p = by_kinds[text].probability / CLASSES
        p /= 6 if text[1] != "C" else 30
        for match in re.finditer("DV|RPE(CE)?", text):
            part = match.group()
            p /= 2 * 2 if part == "DV" else 8 * (30 if "C" in part else 6)
        places = [w - TASK.starts[4] for w, t in zip(row[:n].tolist(), text, strict=True) if t == "P"]
        for place in places:
            p *= (0.4, 0.3, 0.3)[place]
        p /= 2 ** text.count("C")
        surprise.append(-math.log(p))
    mean, deviation = torch.tensor(surprise).mean(), torch.tensor(surprise).std()
    assert abs(mean - TASK.sentence_nats()) < 4 * deviation / 50


def test_controls():
    scrambled = TASK.replace(ordered=False)
    _, words, length, _ = drawn(scrambled)
    _, plain, _, _ = drawn()
    assert torch.equal(words.sort(-1).values, plain.sort(-1).values)
    ended = torch.cat([words, words[..., :1]], -1).scatter(-1, length[..., None], TASK.token("eos"))
    assert scrambled.grammatical(ended).double().mean() < 0.1
    assert TASK.replace(unused=5).shape.outputs == TASK.shape.outputs + 5
    assert TypedLanguage().shape.outputs == 157
    assert TypedLanguage(values=256).shape.outputs == 605


def test_a_member_is_the_same_alone_and_in_company(seed):
    for unseen in (False, True):
        together, alone = Streams((seed, seed + 1, seed + 2)), Streams((seed + 1,))
        a = TASK.sentences(TASK.world(together), together, 60, unseen=unseen)
        b = TASK.sentences(TASK.world(alone), alone, 60, unseen=unseen)
        assert all(torch.equal(x[1:2], y) for x, y in zip(a, b, strict=True))


def test_what_cannot_be_told_says_so():
    with pytest.raises(UserError, match="let it be one or more, not all"):
        TypedLanguage(share=1.0)
    with pytest.raises(UserError, match="0 of them"):
        TypedLanguage(values=8, share=0.01)
    with pytest.raises(UserError, match="2 entities"):
        TypedLanguage(entities=1)
    with pytest.raises(UserError, match="free is a probability"):
        TypedLanguage(free=1.5)
    with pytest.raises(UserError, match="no mark 'T2'"):
        TASK.token("T2")
