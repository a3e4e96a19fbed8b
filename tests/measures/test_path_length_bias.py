"""Oracles: networks that are one law asked about another, whose difference of means is known exactly."""

import pytest
import torch
from navigators import look, plain_generate

from ontogeny.measures import path_length_bias
from ontogeny.measures.path_length_bias import PathLengthBias, score_ranks
from ontogeny.tasks.dag_navigation import DAGNavigation, at_pairs, paths_of, pick_pairs
from ontogeny.tasks.random_dag import Layered, Ordered

TASK = DAGNavigation(graph=Ordered(size=16, density=0.25), longest=5)
MEASURE = PathLengthBias(pairs=24, most=12)


@pytest.fixture(autouse=True)
def without_cache(monkeypatch):
    monkeypatch.setattr(path_length_bias, "generate", plain_generate)


@pytest.mark.parametrize("law", ["paths", "steps"])
def test_the_law_itself_has_no_bias(law):
    found = MEASURE(look(TASK.replace(law=law)))
    assert found["length_bias"].values.tolist() == pytest.approx([0, 0], abs=1e-9)
    assert found["valid_mass"].values.tolist() == pytest.approx([1, 1])


def test_uniform_steps_are_shorter_than_uniform_paths_by_the_difference_of_their_means():
    # To the power 0 the law of paths is that of steps: any node that leads on.
    at = look(TASK, power=0.0)
    found = MEASURE(at)["length_bias"].values
    among = at.world.held_out & at.world.reachable & (at.world.paths >= 2) & (at.world.paths <= 12)
    start, goal, there = pick_pairs(at.streams.of("path length bias"), among, 24)
    means = [at_pairs(t.mean_length(at.world), start, goal) for t in (TASK.replace(law="steps"), TASK)]
    for m in range(2):
        expected = float((means[0] - means[1])[m][there[m]].mean())
        assert expected < -0.05
        assert found[m].item() == pytest.approx(expected, abs=1e-9)


def test_faults_lose_mass_and_shorten():
    # At each step .2 of the mass is lost, so that a path of L edges keeps .8^L: shorter ones gain.
    at = look(TASK, blunders=0.2)
    start, goal, real = pick_pairs(at.streams.of("path length bias"), at.world.held_out & at.world.reachable, 24)
    p, edges = score_ranks(at, TASK, start, goal, range(12))
    count = paths_of(at.world, start, goal)[..., None]
    there = (torch.arange(12) < count) & real[..., None]
    torch.testing.assert_close(p[there], (0.8**edges / count)[there])
    assert (p[torch.arange(12) >= count] == 0).all()
    found = MEASURE(at)
    assert (found["length_bias"].values < 0).all()
    assert (found["valid_mass"].values < 0.8).all()


def test_the_end_is_part_of_a_path():
    # .3 of the mass at the goal is on another word: every path of each pair keeps .7, and no length is favoured.
    found = MEASURE(look(TASK, dawdles=0.3))
    assert found["valid_mass"].values.tolist() == pytest.approx([0.7, 0.7])
    assert found["length_bias"].values.tolist() == pytest.approx([0, 0], abs=1e-9)


def test_layered_graphs_have_no_bias_whatever_the_network():
    task = DAGNavigation(graph=Layered(layers=6, width=6, density=0.3), longest=5)
    found = MEASURE(look(task, blunders=0.3, power=3.0))
    assert found["length_bias"].values.tolist() == pytest.approx([0, 0], abs=1e-12)
    assert found["greedy_length_bias"].values.tolist() == [0, 0]


def test_no_pairs_no_value():
    sparse = DAGNavigation(graph=Layered(layers=3, width=3, density=0.0), longest=3)
    assert MEASURE(look(sparse))["length_bias"].values.isnan().all()
