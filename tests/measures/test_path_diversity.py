"""Oracles: counts by hand, and networks that are the law, whose diversity is known in closed form."""

import pytest
import torch
from navigators import look, plain_generate

from ontogeny.measures import path_diversity
from ontogeny.measures.path_diversity import PathDiversity, distinct
from ontogeny.tasks.dag_navigation import DAGNavigation, paths_of, pick_pairs
from ontogeny.tasks.random_dag import Layered

TASK = DAGNavigation(graph=Layered(layers=7, width=6, density=0.3), longest=6)


@pytest.fixture(autouse=True)
def without_cache(monkeypatch):
    monkeypatch.setattr(path_diversity, "generate", plain_generate)


def test_distinct_by_hand():
    rows = torch.tensor([[[1, 2], [1, 2], [1, 3], [4, 4]], [[0, 0], [0, 0], [0, 0], [0, 1]]])
    valid = torch.tensor([[True, True, True, False], [False, True, True, True]])
    assert distinct(rows, valid).tolist() == [2, 2]
    assert distinct(rows, valid & False).tolist() == [0, 0]


def test_the_law_has_the_diversity_of_random_draws():
    measure = PathDiversity(temperatures=(0.0, 1.0), samples=16, pairs=60)
    at = look(TASK)
    found = measure(at)
    assert (found["validity"].values == 1).all()
    streams = at.streams.of("path diversity")
    start, goal, there = pick_pairs(streams, at.world.held_out & at.world.reachable, 60)
    count = paths_of(at.world, start, goal)
    # Of N paths each is missed by 16 draws with probability (1 - 1/N)^16; N is below 16 or the count is capped.
    expected = count * (1 - (1 - 1 / count) ** 16) / count.clamp_max(16)
    for m in range(2):
        several = there[m] & (count[m] > 1)
        assert several.sum() > 15
        target = float(expected[m][several].mean())
        assert float(found["law_diversity"].values[m, 0]) == pytest.approx(target, abs=0.06)
        assert float(found["diversity"].values[m, 1, 0]) == pytest.approx(target, abs=0.06)
        greedy = float((1 / count[m].clamp_max(16))[several].mean())  # one path of each pair
        assert float(found["diversity"].values[m, 0, 0]) == pytest.approx(greedy)
        assert found["diversity"].values[m, :, 1].tolist() == [1, 1]


def test_what_is_invalid_is_not_counted():
    found = PathDiversity(temperatures=(0.0, 1.0), samples=8, pairs=40)(look(TASK, blunders=1.0 - 1e-9))
    assert (found["validity"].values[..., :2] == 0).all()
    assert (found["diversity"].values[..., :2] == 0).all()
    assert found["diversity"].coords["paths"] == ("several", "one", "one, found greedily")
    assert found["diversity"].values[..., 2].isnan().all()  # none is found


def test_a_wrong_most_probable_path_is_told_apart():
    # A third of each step's mass is on END, against what leads on: the most probable path of a pair with one way is
    # right, and with temperature other ends are drawn, so that 4 samples may miss it.
    at = look(TASK, lost=1 / 3)
    found = PathDiversity(temperatures=(0.0, 1.0), samples=4, pairs=60)(at)["diversity"].values
    assert found[:, 0, 2].tolist() == [1, 1]
    assert (found[:, 1, 2] < 1).all()
    # With .6 of it on END no path is found greedily, and some are by sampling.
    found = PathDiversity(temperatures=(0.0, 1.0), samples=4, pairs=60)(look(TASK, lost=0.6))["diversity"].values
    assert found[:, 0, 1].tolist() == [0, 0]
    assert (found[:, 1, 1] > 0).all()
    assert found[..., 2].isnan().all()
