"""Oracles: a reader that follows the rules word by word, frequencies of told outcomes, and laws by hand."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.forking_story import ForkingStory
from ontogeny.tasks.story import MARKS, outcome_weights

TASK = ForkingStory()
STOP = TASK.token(".")


def read(task, words):
    """Follows a story as the rules are told; gives the place of the fork (0: none) and the decision (-1: none)."""
    at, before, found = None, None, (0, -1)
    for place, token in enumerate(words.tolist(), start=1):
        state = token // task.words
        decides = -1
        if before in ("u0", "u2") and token == STOP:
            decides = 0 if before == "u0" else 1
        if task.token("fork A") <= token <= task.token("fork D"):
            decides = token - task.token("fork A")
        if decides >= 0:
            assert found == (0, -1), "a story forks once"
            found, at = (place, decides), task.undecided + decides * task.basin
            before = None
            continue
        if token != STOP:
            assert token < task.plain
            assert at is None or state == at, "states follow each other"
            assert (state < task.undecided) == (found[0] == 0)
            at = state
        if at is not None:
            ring, start = (task.undecided, 0) if found[0] == 0 else (task.basin, task.undecided + found[1] * task.basin)
            at = start + (at - start + 1) % ring
        before = f"u{state}" if token != STOP and state < task.undecided else None
    return found


def test_stories_keep_the_rules(seed):
    batch = TASK.sample(None, Streams((seed, seed + 100)), 300)
    assert batch.inputs.shape == batch.targets.shape == (2, 300, 18)
    assert (batch.inputs[..., 0] == TASK.token("BOS")).all()
    assert (batch.inputs[..., -1] == TASK.token("ANS")).all()
    assert torch.equal(batch.inputs[..., 1:], batch.targets[..., :-1])
    assert torch.equal(batch.targets[..., -1] - TASK.token("A"), batch.latents["outcome"])
    words = batch.inputs[..., 1:-1]
    law = TASK.outcome_law(None, words)
    for m in range(2):
        for story, fork, laws in zip(words[m], batch.latents["fork"][m].tolist(), law[m], strict=True):
            place, decision = read(TASK, story)
            assert place == fork
            assert torch.equal(laws[: place or 17], outcome_weights().expand(place or 17, -1))
            if place:
                assert (laws[place:, decision] == 0.95).all()
                assert laws[place:].sum(-1).allclose(torch.ones(17 - place, dtype=torch.float64))


def test_the_law_before_any_word_by_hand():
    # 0.95 * 0.4 + 0.05 / 3 * 0.6 = 0.39; 0.2967; 0.2033; 0.11
    assert outcome_weights().tolist() == pytest.approx([0.39, 0.89 / 3, 0.61 / 3, 0.11])


def test_told_outcomes_follow_the_law(seed):
    batch = TASK.sample(None, Streams((seed,)), 40_000)
    law, outcome = TASK.outcome_law(None, batch.inputs[..., 1:-1])[0], batch.latents["outcome"][0]
    for prefix in (0, 1, 8, 16):
        for decided in (False, True):
            here = (law[:, prefix].amax(-1) > 0.9) == decided
            count = int(here.sum())
            share = torch.nn.functional.one_hot(outcome[here], 4).double().mean(0) if count else None
            if decided and prefix == 0:
                assert count == 0
            elif decided:  # the decided outcome is told 95 times in 100
                right = law[here, prefix].argmax(-1) == outcome[here]
                assert right.double().mean().item() == pytest.approx(0.95, abs=3 * (0.0475 / count) ** 0.5)
            else:
                tolerance = 4 * (0.24 / count) ** 0.5
                assert (share - outcome_weights()).abs().max() < tolerance


def test_rates(seed):
    words, fork = TASK.tell(Streams((seed,)), 40_000)
    words, fork = words[0], fork[0]
    # At each undecided step with probability 0.12: the first word in 12 of 100, none in 0.88^16 = 0.1293.
    assert (fork == 1).double().mean().item() == pytest.approx(0.12, abs=0.004)
    assert (fork == 0).double().mean().item() == pytest.approx(0.88**16, abs=0.004)
    decided = TASK.decision(words)
    assert ((decided >= 0).sum(-1) == (fork > 0)).all()
    # After a word of u0 a fork is to A (0.4) and "." half the time: 0.12 * 0.4 / 2 = 0.024 of the steps.
    undecided = torch.arange(1, 16)[None] < torch.where(fork > 0, fork, 17)[:, None]
    for state, rate in ((0, 0.024), (2, 0.018), (1, 0.88 * 0.02), (3, 0.88 * 0.02)):
        after = undecided & (words[:, :-1] // 3 == state)
        share = (words[:, 1:] == STOP)[after].double().mean().item()
        assert share == pytest.approx(rate, abs=0.003), state


def test_start_and_forks_can_be_set():
    start = torch.tensor([0, 1, 2, 3])
    words, fork = TASK.replace(fork=0.0, filler=0.0).tell(Streams((1, 2)), 4, start=start)
    assert (fork == 0).all()
    states = (start[:, None] + torch.arange(16)) % 4
    assert torch.equal(words // 3, states.expand(2, -1, -1))
    many = ForkingStory(fork=1.0).tell(Streams((1,)), 50).fork
    assert (many == 1).all()


def test_rates_may_differ_between_members():
    stacked = TASK.replace(fork=torch.tensor([0.06, 0.24], dtype=torch.float64))
    fork = stacked.tell(Streams((1, 1)), 20_000).fork
    assert (fork == 1).double().mean(-1).tolist() == pytest.approx([0.06, 0.24], abs=0.01)
    alone = TASK.replace(fork=0.24).tell(Streams((1,)), 20_000).fork
    assert torch.equal(fork[1:], alone)


def test_words_and_errors():
    assert TASK.shape.vocabulary == 36 + len(MARKS) == 47
    assert [TASK.spell(t) for t in (0, 4, 12, 35, 36, 40, 46)] == ["u0a", "u1b", "A0a", "D1c", "fork A", ".", "ANS"]
    with pytest.raises(UserError, match="no mark 'fork E'"):
        TASK.token("fork E")
    with pytest.raises(UserError, match="4 undecided states"):
        ForkingStory(undecided=3)
    with pytest.raises(UserError, match="probability, got 1.2"):
        ForkingStory(fork=1.2)
