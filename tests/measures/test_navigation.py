"""Oracles: networks that are the law of the task, with faults of a known size, and random walks one by one."""

import dataclasses

import networkx as nx
import pytest
import torch
from navigators import Navigator, look, plain_generate

from ontogeny.measures import navigation
from ontogeny.measures.navigation import Navigation, StepMass, blind_stitcher
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.dag_navigation import DAGNavigation
from ontogeny.tasks.random_dag import Layered

TASK = DAGNavigation(graph=Layered(layers=6, width=6, density=0.2), longest=5)


@pytest.fixture(autouse=True)
def without_cache(monkeypatch):
    monkeypatch.setattr(navigation, "generate", plain_generate)


def test_a_network_that_is_the_law_finds_every_path():
    found = Navigation(pairs=40)(look(TASK))
    outcome, direct = found["written"].values, found["direct"].values
    asked = ~outcome.isnan()
    assert (outcome[..., 0][asked[..., 0]] == 1).all()
    assert (direct[~direct.isnan()] == 1).all()
    assert found["written"].coords["length"] == (2, 3, 4, 5)
    assert (found["redrawn"].values < 0.2).all()  # its own graph is of no use there


@pytest.mark.parametrize(("fields", "fault"), [(dict(blunders=0.99), 1), (dict(lost=0.99), 2)])
def test_faults_are_told_apart(fields, fault):
    outcome = Navigation(pairs=40)(look(TASK, **fields))["written"].values
    assert (outcome[..., fault][~outcome[..., fault].isnan()] == 1).all()
    torch.testing.assert_close(outcome.sum(-1).nan_to_num(1.0), torch.ones_like(outcome[..., 0]))


def test_step_masses_of_known_faults():
    # Probability .3 of a word, .2 of END, and the rest on nodes that lead on: edge mass .5, all of it towards the goal.
    found = StepMass(samples=64)(look(TASK, blunders=0.3, lost=0.2))
    torch.testing.assert_close(found["edge_mass"].values, torch.full((2,), 0.5, dtype=torch.float64))
    torch.testing.assert_close(found["goal_mass"].values, torch.ones(2, dtype=torch.float64))


class Edges(Navigator):
    """Knows the edges and no goals: all nodes that an edge leads to are alike."""

    def forward(self, tokens):
        nodes = self.task.graph.nodes
        member = torch.arange(tokens.shape[0])[:, None, None]
        ways = self.world.edges[member, tokens.clamp_max(nodes - 1)].double()
        law = torch.cat([ways, torch.zeros(*tokens.shape, self.task.shape.outputs - nodes, dtype=ways.dtype)], -1)
        return (law + 1e-30).log()


def test_a_network_without_goals_has_the_goal_mass_of_chance():
    at = look(TASK)
    known = dataclasses.replace(at, population=Population(Edges(TASK, at.world)))
    found = StepMass(samples=64)(known)
    torch.testing.assert_close(found["edge_mass"].values, torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(found["goal_mass"].values, found["goal_chance"].values)
    assert (found["goal_chance"].values < 0.95).all()
    # By hand, step by step along the same paths.
    batch = at.batch("step mass", 64)
    share = []
    for row, edges in zip(
        batch.inputs[0].tolist(), (batch.latents["edges"] * batch.latents["stepwise"])[0], strict=True
    ):
        for here in row[2 : 2 + int(edges)]:
            ways = at.world.edges[0, here].nonzero()[:, 0].tolist()
            leading = [v for v in ways if v == row[1] or at.world.reachable[0, v, row[1]]]
            share.append(len(leading) / len(ways))
    assert found["goal_chance"].values[0].item() == pytest.approx(sum(share) / len(share))


def test_step_mass_by_hand():
    task, at = TASK, look(TASK)
    world = at.world
    start, goal = (int(t) for t in (world.reachable[0] & (world.length[0] == 4)).nonzero()[0])
    ways = world.edges[0, start].nonzero()[:, 0].tolist()
    graph = nx.from_numpy_array(world.edges[0].numpy().astype(int), create_using=nx.DiGraph)
    law = torch.arange(1, 37, dtype=torch.float64).expand(2, 1, 1, 36) / 666
    here, goals = torch.full((2, 1, 1), start), torch.full((2, 1, 1), goal)
    edge, towards = navigation.step_mass(law, world, here, goals)
    assert edge[0, 0, 0].item() == pytest.approx(sum(v + 1 for v in ways) / 666)
    leads = [v for v in ways if nx.has_path(graph, v, goal)]
    assert towards[0, 0, 0].item() == pytest.approx(sum(v + 1 for v in leads) / 666)
    assert task.longest == 5


def test_the_blind_stitcher_walks_at_random_until_the_goal_is_near(seed):
    task = TASK.replace(cap=2)
    world = task.world(Streams((seed,)))
    chance = blind_stitcher(task, world)[0]
    graph = nx.from_numpy_array(world.edges[0].numpy().astype(int), create_using=nx.DiGraph)
    level = world.graphs.level[0].tolist()

    def arrives(u, g):
        """By listing every random walk."""
        if level[g] - level[u] <= 2:
            return float(nx.has_path(graph, u, g))
        ways = list(graph.successors(u))
        return sum(arrives(v, g) for v in ways) / len(ways)

    for u, g in (world.gap[0] > 0).nonzero().tolist():
        assert chance[u, g].item() == pytest.approx(arrives(u, g))
    whole = blind_stitcher(task.replace(cap=5), world)
    assert torch.equal(whole[world.gap > 0] > 0, world.reachable[world.gap > 0])
    both = blind_stitcher(task.replace(cap=torch.tensor([2.0, 5.0])), task.world(Streams((seed, seed))))
    assert torch.equal(both[0], chance)
    assert torch.equal(both[1], whole[0])


def test_lengths_without_pairs_have_no_value():
    found = Navigation(pairs=40)(look(TASK.replace(longest=7)))
    assert found["written"].values[:, 4:].isnan().all()
    assert found["direct"].values[:, 4:].isnan().all()
