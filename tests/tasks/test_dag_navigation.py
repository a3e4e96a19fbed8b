"""Oracles: networkx on the same graphs, paths listed one by one, entropies in closed form, a diamond by hand."""

import math

import networkx as nx
import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.dag_navigation import (
    DAGNavigation,
    at_pairs,
    onward,
    paths_of,
    pick_pairs,
)
from ontogeny.tasks.random_dag import Graphs, Layered, Ordered, RandomDAG

LAYERED = DAGNavigation(graph=Layered(layers=6, width=5, density=0.2), longest=6)
ORDERED = DAGNavigation(graph=Ordered(size=18, density=0.25), longest=5)
STEPS = ORDERED.replace(law="steps")
TASKS = {"layered": LAYERED, "ordered": ORDERED, "steps": STEPS}


class Drawn(RandomDAG):
    """The graph 0 -> 1 -> 2 -> 4, 0 -> 3 -> 4, 2 -> 3, and 5 after all of them without any edge but from 0."""

    @property
    def nodes(self):
        return 6

    def draw(self, streams):
        edges = torch.zeros(streams.members, 6, 6, dtype=torch.bool)
        for a, b in ((0, 1), (1, 2), (2, 4), (0, 3), (3, 4), (2, 3), (0, 5)):
            edges[:, a, b] = True
        level = torch.tensor([0, 1, 2, 3, 4, 5]).expand(streams.members, -1)
        return Graphs(edges, level)

    def gap(self, graphs):
        return (graphs.level[:, None] - graphs.level[..., None]).clamp(0, 1)


def as_networkx(world, member):
    return nx.from_numpy_array(world.edges[member].numpy().astype(int), create_using=nx.DiGraph)


def all_paths(task, world, start, goal, count):
    """Every path of every pair by its rank."""
    ranks = torch.arange(count, dtype=torch.float64).expand(*start.shape, count)
    many = [t[..., None].expand(*t.shape, count).flatten(1) for t in (start, goal)]
    return task.nth_path(world, *many, ranks.flatten(1)).unflatten(1, (-1, count))


@pytest.mark.parametrize("task", [LAYERED, ORDERED], ids=["layered", "ordered"])
def test_ranks_list_all_paths_once(task, seed):
    world = task.world(Streams((seed,)))
    start, goal, there = pick_pairs(Streams((seed,)), world.reachable, 60)
    assert there.all()
    most = int(paths_of(world, start, goal).max()) + 1
    listed, graph = all_paths(task, world, start, goal, most), as_networkx(world, 0)
    for i in range(60):
        a, b = int(start[0, i]), int(goal[0, i])
        expected = sorted(p[1:] for p in nx.all_simple_paths(graph, a, b, cutoff=task.longest))
        rows = [[t for t in row if t < task.graph.nodes] for row in listed[0, i].tolist()]
        assert rows[: len(expected)] == expected
        assert all(row == [] for row in rows[len(expected) :])


def test_by_hand():
    task = DAGNavigation(graph=Drawn(), longest=4)
    world = task.world(Streams((1, 2)))
    start, goal = torch.tensor([[0, 1, 2, 4]] * 2), torch.tensor([[4, 3, 4, 5]] * 2)
    # 0 to 4: 0-1-2-4, 0-1-2-3-4, 0-3-4; 1 to 3: 1-2-3; 2 to 4: direct and over 3; nothing leads from 4 to 5.
    assert paths_of(world, start, goal)[1].tolist() == [3, 1, 2, 0]
    assert at_pairs(world.length, start, goal)[0].tolist() == [2, 2, 1, 1]
    assert at_pairs(world.gap, start, goal)[0].tolist() == [1, 1, 1, 1]
    assert torch.equal(onward(world, start, goal, 3)[0, 0], torch.tensor([0, 2, 0, 1, 0, 0], dtype=torch.float64))
    assert torch.equal(onward(world, start, goal, 2)[0, 0], torch.tensor([0, 1, 0, 1, 0, 0], dtype=torch.float64))
    law = task.next_node(world, start, goal, 0)[0, 0].tolist()
    assert law == pytest.approx([0, 2 / 3, 0, 1 / 3, 0, 0])
    assert task.replace(law="steps").next_node(world, start, goal, 0)[0, 0].tolist() == [0, 0.5, 0, 0.5, 0, 0]
    # Lengths 3, 4 and 2 alike; by steps 0-3-4 has 1/2, the others 1/4 each: 2/2 + 3/4 + 4/4.
    assert task.mean_length(world)[0, 0, 4].item() == pytest.approx(3)
    assert task.replace(law="steps").mean_length(world)[0, 0, 4].item() == pytest.approx(2.75)
    assert task.mean_length(world)[0, 4, 5].isnan()
    assert task.replace(law="steps").mean_length(world)[0, 4, 5].isnan()
    end = task.token("END")
    paths = all_paths(task, world, start[:1, :1], goal[:1, :1], 4)[0, 0].tolist()
    assert paths == [[1, 2, 3, 4], [1, 2, 4, end], [3, 4, end, end], [end] * 4]
    # With three edges at most, 0-1-2-3-4 does not fit; with one, the pair (0, 4) is never asked about.
    assert paths_of(task.replace(longest=3).world(Streams((1, 2))), start, goal)[0, 0] == 2
    short = task.replace(longest=1).world(Streams((1, 2)))
    assert at_pairs(short.gap, start, goal)[0].tolist() == [0, 0, 1, 1]
    assert at_pairs(short.reachable, start, goal)[0].tolist() == [False, False, True, False]


def test_samples_are_written_as_drawn_in_the_docstring(seed):
    for task in TASKS.values():
        world = task.world(Streams((seed, seed + 1)))
        batch = task.sample(world, Streams((seed, seed + 1)), 400)
        tokens = torch.cat([batch.inputs, batch.targets[..., -1:]], -1)
        nodes = task.graph.nodes
        assert task.shape.length == batch.inputs.shape[-1] == task.longest + 3
        for m in range(2):
            for i in range(400):
                row = tokens[m, i].tolist()
                weights = [0, *batch.weights[m, i].tolist()]
                word, goal, start, *body = row
                path = bool(world.reachable[m, start, goal])
                assert not world.held_out[m, start, goal]
                assert path == bool(batch.latents["path"][m, i])
                if word == task.token("DIRECT"):
                    assert body == [task.token("PATH" if path else "NOPATH")] + [task.token("END")] * task.longest
                    assert weights == [0, 0, 0, 1] + [0] * task.longest
                    continue
                assert word == task.token("STEP")
                written = [t for t in body if t < nodes]
                assert body == written + [task.token("END")] * (task.longest + 1 - len(written))
                assert all(world.edges[m, a, b] for a, b in zip([start, *written], written, strict=False))
                assert written[-1] == goal
                assert len(written) == batch.latents["edges"][m, i]
                assert weights == [0, 0, 0] + [1] * (len(written) + 1) + [0] * (task.longest - len(written))


def test_formats_answers_gaps_and_paths_have_their_rates(seed):
    world = LAYERED.world(Streams((seed,)))
    n = 40_000
    batch = LAYERED.sample(world, Streams((seed,)), n)
    stepwise, path = batch.latents["stepwise"][0], batch.latents["path"][0]
    start, goal = batch.latents["start"], batch.latents["goal"]
    gap = at_pairs(world.gap, start, goal)[0]
    assert abs(stepwise.double().mean() - 0.5) < 4 * 0.5 / n**0.5
    direct = ~stepwise
    assert abs(path[direct].double().mean() - 0.5) < 4 * 0.5 / (n / 2) ** 0.5
    for among in (stepwise, direct & path):  # every gap alike
        share = torch.bincount(gap[among], minlength=6)[1:] / among.sum()
        assert (share - 0.2).abs().max() < 4 * 0.4 / (n / 4) ** 0.5
    for kind in (path, ~path):  # without a path all gaps occur here too, and pairs of one gap alike
        trained = (world.reachable == bool(path[kind].all()))[0] & ~world.held_out[0] & (world.gap[0] > 0)
        assert set(gap[kind].tolist()) == set(world.gap[0][trained].tolist())
    pairs = (start * 30 + goal)[0][stepwise & (gap == 2)]
    counts = torch.bincount(pairs)[torch.bincount(pairs) > 0].double()
    trained = world.reachable[0] & ~world.held_out[0] & (world.gap[0] == 2)
    assert len(counts) == trained.sum()
    assert ((counts - counts.mean()).square() / counts.mean()).sum() < len(counts) + 5 * (2 * len(counts)) ** 0.5


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_paths_follow_the_law_and_the_law_has_its_entropy(task, seed):
    world = task.world(Streams((seed,)))
    many = (paths_of := world.paths[0]) * ((paths_of >= 3) & (paths_of <= 8))
    pair = int(many.flatten().argmax())
    n = 8_000
    start = torch.full((1, n), pair // task.graph.nodes)
    goal = torch.full((1, n), pair % task.graph.nodes)
    drawn = task.draw_path(world, Streams((seed,)), start, goal)[0]
    count = int(world.paths[0].flatten()[pair])
    listed = all_paths(task, world, start[:, :1], goal[:, :1], count)[0, 0]
    chance = torch.ones(count, dtype=torch.float64)
    for i in range(task.longest):
        # Probability of each path by the chain of the law's next-node predictions.
        at = listed[:, i - 1] if i else start[0, :count]
        law = task.next_node(world, at[None].clamp_max(task.graph.nodes - 1), goal[:, :count], i)[0]
        step = law.gather(-1, listed[:, i : i + 1].clamp_max(task.graph.nodes - 1))[:, 0]
        chance *= step.where(listed[:, i] < task.graph.nodes, 1.0)
    assert chance.sum().item() == pytest.approx(1)
    if task.law == "paths":
        assert torch.allclose(chance, torch.full_like(chance, 1 / count))
        assert -(chance * chance.log()).sum().item() == pytest.approx(math.log(count))
    share = torch.stack([(drawn == row).all(-1).double().mean() for row in listed])
    assert (share - chance).abs().max() < 4.5 * 0.5 / n**0.5
    length = (listed < task.graph.nodes).sum(-1)
    mean = task.mean_length(world)[0].flatten()[pair]
    assert mean.item() == pytest.approx(float((chance * length).sum()))


def test_mean_length_on_layered_graphs_is_the_gap(seed):
    for task in (LAYERED, LAYERED.replace(law="steps")):
        world = task.world(Streams((seed,)))
        mean = task.mean_length(world)
        torch.testing.assert_close(mean[world.reachable], world.gap[world.reachable].double())
        assert mean[(world.gap > 0) & ~world.reachable].isnan().all()
        torch.testing.assert_close(world.length[world.reachable], world.gap[world.reachable])


def test_lengths_are_shortest_paths(seed):
    world = ORDERED.world(Streams((seed,)))
    found = dict(nx.all_pairs_shortest_path_length(as_networkx(world, 0)))
    for a, b in world.reachable[0].nonzero().tolist():
        assert world.length[0, a, b] == found[a][b]


def test_the_split_is_one_for_all_caps_and_keeps_edges(seed):
    seeds = tuple(range(seed, seed + 40))
    task = DAGNavigation(graph=Layered(layers=8, width=8, density=0.15), cap=3)
    world, other = task.world(Streams(seeds)), task.replace(cap=9).world(Streams(seeds))
    assert torch.equal(world.held_out, other.held_out)
    assert torch.equal(world.edges, other.edges)
    assert not world.held_out[world.edges].any()
    for low, high, expected in ((1, 1, 0.0), (2, 4, 0.2), (5, 7, 0.5)):
        for among in (world.reachable, (world.gap > 0) & ~world.reachable):
            here = among & (world.length >= low) & (world.length <= high)
            share = world.held_out[here].double().mean().item()
            assert abs(share - expected) < 4 * 0.5 / float(here.sum()) ** 0.5
    batch = task.sample(world, Streams(seeds), 300)
    assert at_pairs(world.length, batch.latents["start"], batch.latents["goal"]).max() == 3
    caps = task.replace(cap=torch.tensor([2.0, 5.0], dtype=torch.float64)).world(Streams((1, 2)))
    batch = task.sample(caps, Streams((1, 2)), 300)
    assert at_pairs(caps.length, batch.latents["start"], batch.latents["goal"]).amax(-1).tolist() == [2, 5]


def test_reachable_shares_of_the_graphs_used():
    """Shares by gap, from 100 graphs: what the direct question needs is that some pairs of each gap have no path."""
    world = DAGNavigation(graph=Layered(layers=8, width=8, density=0.15)).world(Streams(tuple(range(100))))
    share = [float(world.reachable[world.gap == d].double().mean()) for d in range(1, 8)]
    assert share[0] < share[1] < share[-1] < 0.9
    assert share[0] == pytest.approx(0.22, abs=0.03)


def test_pick_pairs():
    among = torch.zeros(2, 5, 5, dtype=torch.bool)
    among[0, 1, 3] = among[0, 2, 4] = among[1, 0, 1] = True
    start, goal, there = pick_pairs(Streams((1, 2)), among, 4)
    assert there.tolist() == [[True, True, False, False], [True, False, False, False]]
    found = {(a, b) for a, b, t in zip(start[0].tolist(), goal[0].tolist(), there[0].tolist(), strict=True) if t}
    assert found == {(1, 3), (2, 4)}
    assert (start[1, 0], goal[1, 0]) == (0, 1)
    assert len(set((start * 5 + goal)[0].tolist())) == 4


def test_a_member_is_the_same_alone_and_in_company(seed):
    for task in TASKS.values():
        together, alone = Streams((seed, seed + 1, seed + 2)), Streams((seed + 1,))
        a = task.sample(task.world(together), together, 50)
        b = task.sample(task.world(alone), alone, 50)
        assert torch.equal(a.inputs[1:2], b.inputs)
        assert torch.equal(a.weights[1:2], b.weights)
        assert torch.equal(
            task.mean_length(task.world(together))[1:2].nan_to_num(), task.mean_length(task.world(alone)).nan_to_num()
        )


def test_what_cannot_be_asked_says_so():
    with pytest.raises(UserError, match="no law 'path'"):
        DAGNavigation(graph=Ordered(size=4, density=0.5), law="path")
    with pytest.raises(UserError, match="paths of an edge or more"):
        DAGNavigation(graph=Ordered(size=4, density=0.5), longest=0)
    with pytest.raises(UserError, match="no pair with no path"):
        DAGNavigation(graph=Ordered(size=4, density=1.0)).world(Streams((1,)))
    with pytest.raises(UserError, match="no word 'STOP'"):
        ORDERED.token("STOP")
