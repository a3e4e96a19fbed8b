"""Oracles: a network that is the law of the stories, whose outcome distributions, hazards and noise are known."""

from dataclasses import replace

import pytest
import torch
from narrators import Reread, look

from ontogeny.errors import UserError
from ontogeny.measures.forking_paths import ForkingPaths, alternates, distance
from ontogeny.models import resample
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.drifting_story import DriftingStory
from ontogeny.tasks.forking_story import ForkingStory
from ontogeny.tasks.markov_mixture import MarkovMixture
from ontogeny.tasks.story import outcome_weights

TASK = ForkingStory(length=7, fork=0.2)
SMALL = ForkingPaths(paths=6, steady=3, samples=40, early=2)


@pytest.fixture(autouse=True)
def without_cache(monkeypatch):
    monkeypatch.setattr(resample, "Continuation", Reread)


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resample, "Continuation", Reread)
        return {name: one.values for name, one in SMALL(look(TASK)).items()}


def test_outcomes_along_the_stories_are_the_exact_ones(found):
    assert found["outcome_law"].shape == (2, 2, 6, 8, 4)
    error = (found["outcome_law"][:, 0] - found["exact_law"]).abs().sum(-1)
    # Three words a state: about 100 effective samples, whose L1 error is about 0.12.
    assert error.mean() < 0.1
    assert error.max() < 0.45
    assert (found["start_outcome"] - outcome_weights()).abs().max() < 4 * 0.5 / 400**0.5


def test_the_largest_step_is_at_the_fork(found):
    step = (found["outcome_law"][:, 0, :, 1:] - found["outcome_law"][:, 0, :, :-1]).square().sum(-1).sqrt()
    forked = found["fork_at"] > 0
    assert forked.sum() > 4
    assert torch.equal(step.argmax(-1)[forked] + 1, found["fork_at"][forked].long())


def test_the_hazard_is_the_chance_of_a_fork_until_it_comes(found):
    place = torch.arange(1, 8)
    fork = torch.where(found["fork_at"] > 0, found["fork_at"], 99)[..., None]
    risk = found["hazard"][:, 0, ..., SMALL.eps.index(0.4)]
    # Every fork is far: in L2 from o_U = (.39, .30, .20, .11) to A 0.66, to B 0.78, to C and D more.
    assert risk[place < fork].mean().item() == pytest.approx(0.2, abs=0.03)
    assert risk[place > fork].max() < 0.03  # nothing but a false alarm of noise changes it any more
    # With a threshold of 0.05 only forks to A and B (0.08 and 0.06) count.
    coarse = found["hazard"][:, 1, ..., SMALL.eps.index(0.4)]
    assert coarse[place < fork].mean() < 0.17


def test_kept_mass_by_hand(found):
    # Twelve words, four forks and "." may come first, seven tokens and "." later: nothing is lost. At 0.05 an undecided
    # state keeps its words (0.8 or 0.98 * 0.8 of the mass) and forks to A and B, a basin its words (0.98).
    place = torch.arange(1, 8)
    fork = torch.where(found["fork_at"] > 0, found["fork_at"], 99)[..., None]
    assert found["kept"][:, 0, :, 0].min() > 1 - 1e-9
    # After a "." in the first place any of four states may be next: more than eight tokens.
    inner = (place > 1) & (found["words"][..., :1] != TASK.token("."))
    assert found["kept"][:, 0][inner].min() > 1 - 1e-9
    # First 12 words of 0.98 * 0.8 / 12, A and B of 0.08 and 0.06; the story's own is kept in any case.
    first = found["kept"][:, 1, :, 0]
    words = found["words"][..., 0] < TASK.plain
    assert first[words] == pytest.approx(0.98 * 0.8 + 0.2 * 0.7)
    after = found["kept"][:, 1][place > fork]
    assert ((after - 0.98).abs() < 1e-9).sum() + ((after - 1.0).abs() < 1e-9).sum() == len(after)


def test_as_many_tokens_as_a_story_can_go_on_with():
    assert alternates(ForkingStory(length=3)) == [4 * 3 + 5, 3 + 5, 3 + 5]
    assert alternates(DriftingStory(length=2, undecided=5, words=2)) == [5 * 2 + 5, 2 + 5]


def test_noise_of_a_constant_series(found):
    null = found["null_distance"]
    assert null.shape == (2, 400, 8)
    # E |o - o'|^2 = (1 - sum o^2) (1 / 400 + 1 / n), with n = 160 at the end: 0.715 * 0.00875.
    assert null[..., -1].square().mean().item() == pytest.approx(0.715 * (1 / 400 + 1 / 160), rel=0.2)
    steady = found["steady_distance"]
    assert steady.shape == (2, 3, 8)
    assert steady.mean().item() == pytest.approx(null.mean().item(), rel=0.3)
    forked = distance(found["start_outcome"][:, None], found["outcome_law"][:, 0])[found["fork_at"] > 0][:, -1]
    assert forked.min() > 0.5


def test_before_its_step_only_a_few_stories_are_resampled():
    small = SMALL.replace(since=10, paths=3, early=1, samples=2, least=(0.01,), eps=(0.5,))
    found = {name: one.values for name, one in small(look(TASK, step=0)).items()}
    assert found["outcome_law"][:, :, :1].isfinite().all()
    for name in ("outcome_law", "hazard", "kept"):
        assert found[name].shape[2] == 3
        assert found[name][:, :, 1:].isnan().all()
    assert found["steady_distance"].isnan().all()
    assert found["exact_law"].isfinite().all()


def test_what_it_needs():
    other = replace(look(TASK), task=MarkovMixture(states=3, chains=1, length=4))
    with pytest.raises(UserError, match="needs a Story, got MarkovMixture"):
        ForkingPaths()(other)
    with pytest.raises(UserError, match="samples is 1 or more"):
        ForkingPaths(samples=0)
    with pytest.raises(UserError, match="no more early stories"):
        ForkingPaths(paths=1)


def test_distance_by_hand():
    start = torch.tensor([[[1.0, 0.0]]])
    along = torch.tensor([[[[1.0, 0.0], [0.0, 1.0], [0.4, 0.6]]]])
    assert distance(start, along)[0, 0].tolist() == pytest.approx([0.0, 2**0.5, 0.6 * 2**0.5])


def test_a_drifting_story_has_no_steady_ones(monkeypatch):
    monkeypatch.undo()
    drift = DriftingStory(length=4)
    streams = Streams((1, 2))
    population = _transformer(drift, streams)
    world = drift.world(streams.of("world"))
    at = replace(look(TASK), population=population, task=drift, world=world)
    small = SMALL.replace(paths=2, steady=1, samples=2, early=1)
    found = {name: one.values for name, one in small(at).items()}
    assert found["steady_distance"].isnan().all()
    assert found["outcome_law"].sum(-1).allclose(torch.ones(2, 2, 2, 5, dtype=torch.float64))
    assert (found["fork_at"] == 0).all()


def _transformer(task, streams):
    model = Transformer(layers=1, width=8, heads=2)
    return Population(model.build(task.shape, streams.of("init")))
