"""Oracles: a network that is the law of the stories, and distances by hand."""

import pytest
from narrators import Reread, look

from ontogeny.errors import UserError
from ontogeny.measures.stop_effect import StopEffect
from ontogeny.models import resample
from ontogeny.tasks.forking_story import ForkingStory

TASK = ForkingStory(length=8)


@pytest.fixture(autouse=True)
def without_cache(monkeypatch):
    monkeypatch.setattr(resample, "Continuation", Reread)


def test_it_decides_after_two_of_the_states():
    found = StopEffect(prefixes=3, samples=300)(look(TASK))["stop_distance"]
    assert found.values.shape == (2, 4, 3)
    mean = found.values.mean((0, 2))
    # (.95, .017, .017, .017) less (.39, .30, .20, .11) is (.56, -.28, -.19, -.09): 0.66;
    # B: (-.37, .65, -.19, -.09): 0.78
    assert mean[0].item() == pytest.approx(0.66, abs=0.06)
    assert mean[2].item() == pytest.approx(0.78, abs=0.06)
    # Noise of two shares: sqrt(2 * 0.715 / 300) = 0.07
    assert mean[1] < 0.13
    assert mean[3] < 0.13


def test_not_before_its_step_and_not_without_forks():
    assert StopEffect(prefixes=2, samples=2, since=5)(look(TASK))["stop_distance"].values.isnan().all()
    assert not StopEffect(prefixes=2, samples=2, since=5)(look(TASK, step=5))["stop_distance"].values.isnan().any()
    with pytest.raises(UserError, match="4 words or more, got length=3"):
        StopEffect(prefixes=1, samples=1)(look(TASK.replace(length=3)))
    with pytest.raises(UserError, match="a prefix and a sample"):
        StopEffect(prefixes=0)
