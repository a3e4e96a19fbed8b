"""Oracles: every step is an edge, stationary and uniform laws within their errors, and names that are fresh."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.graph_walks import GraphTracing
from ontogeny.tasks.graphs import Circulant, Grid, RandomRegular

KING = Grid(rows=3, columns=3, diagonals=True)
TASK = GraphTracing(
    graphs=(Circulant(), KING, RandomRegular(count=5)), shares=(0.5, 0.25, 0.25), tokens=16, length=24, semantic=0.2
)


def drawn(seeds=(3, 4), size=400):
    world = TASK.world(Streams(seeds).of("world"))
    return world, TASK.sample(world, Streams(seeds).of("data"), size)


def test_shapes_and_modes(seed):
    world, batch = drawn((seed, seed + 1))
    assert batch.inputs.shape == batch.targets.shape == (2, 400, TASK.shape.length)
    assert torch.equal(batch.inputs[..., 1:], batch.targets[..., :-1])
    semantic = batch.latents["graph"] == world.edges.shape[1] - 1
    assert torch.equal(batch.inputs[..., 0], 16 + semantic.long())
    assert (batch.weights[..., 0] == 0).all()
    assert (batch.weights[..., 1:] == 1).all()
    assert batch.targets.max() < 16


def test_graphs_are_drawn_by_their_shares(seed):
    _, batch = drawn((seed,), 4_000)
    graph = batch.latents["graph"][0]
    # circulant, king, five random ones, semantic
    for kinds, share in (((0,), 0.4), ((1,), 0.2), (range(2, 7), 0.2), ((2,), 0.04), ((7,), 0.2)):
        rate = torch.isin(graph, torch.tensor(list(kinds))).double().mean()
        assert abs(rate - share) < 4.5 * (share * (1 - share) / 4_000) ** 0.5


def test_semantic_walks_go_round_their_ring(seed):
    world, batch = drawn((seed, seed + 1))
    for m in range(2):
        walks = batch.targets[m, batch.latents["graph"][m] == world.edges.shape[1] - 1]
        apart = (walks[:, 1:] - walks[:, :-1]) % 8
        assert torch.isin(apart, torch.tensor([1, 7])).all()
        assert (walks // 8 == walks[:, :1] // 8).all()


def test_traces_step_along_edges_and_are_named(seed):
    for graph in (KING, RandomRegular(count=4), Grid(rows=5, columns=3, wraps=True)):
        walks = TASK.traces(graph, Streams((seed, seed + 9)), 60)
        assert walks.inputs.shape == (2, 60, 25)
        assert walks.nodes.shape == (2, 60, 24)
        assert (walks.inputs[..., 0] == 16).all()
        assert torch.equal(walks.names.gather(2, walks.nodes), walks.inputs[..., 1:])
        rows = torch.take_along_dim(walks.edges, walks.nodes[..., :-1, None], -2)
        assert torch.take_along_dim(rows, walks.nodes[..., 1:, None], -1).all()


def test_walks_start_anywhere_and_settle_to_the_stationary_law(seed):
    nodes = TASK.traces(KING, Streams((seed,)), 4_000).nodes[0]
    degree = torch.tensor([3, 5, 3, 5, 8, 5, 3, 5, 3.0])
    for place, law in ((0, torch.full((9,), 1 / 9)), (-1, degree / degree.sum())):
        rates = torch.bincount(nodes[:, place], minlength=9) / 4_000
        assert ((rates - law).abs() < 4.5 * (law * (1 - law) / 4_000).sqrt()).all()


def test_names_are_uniform_and_can_be_given(seed):
    walks = TASK.traces(Circulant(), Streams((seed,)), 3_200)
    rates = torch.stack([torch.bincount(walks.names[0, :, node], minlength=16) for node in range(9)]) / 3_200
    assert (rates - 1 / 16).abs().max() < 4.5 * (15 / 16**2 / 3_200) ** 0.5
    given = TASK.traces(Circulant(), Streams((seed,)), 50, names=range(9)).names
    assert torch.equal(given.sort(-1).values, torch.arange(9).expand(1, 50, 9))
    assert given[0, :, 0].unique().numel() > 3


def test_the_mode_can_be_told_against_the_graph(seed):
    told, meant = (TASK.traces(Circulant(), Streams((seed,)), 20, semantic=semantic) for semantic in (False, True))
    assert (told.inputs[..., 0] == 16).all()
    assert (meant.inputs[..., 0] == 17).all()
    assert torch.equal(told.inputs[..., 1:], meant.inputs[..., 1:])


def test_a_member_is_the_same_alone_and_a_block_is_its_steps(seed):
    seeds = (seed, seed + 1, seed + 2)
    world, batch = drawn(seeds, 32)
    lone_world, lone = drawn(seeds[1:2], 32)
    assert torch.equal(world.edges[1:2], lone_world.edges)
    assert torch.equal(batch.inputs[1:2], lone.inputs)
    block = TASK.sample(world, Streams(seeds).of("data").at(4, 5), 32)
    one = TASK.sample(world, Streams(seeds).of("data").at(5), 16)
    assert torch.equal(block.inputs[:, 16:], one.inputs)
    traced = TASK.traces(RandomRegular(count=4), Streams(seeds), 8)
    assert torch.equal(traced.inputs[1:2], TASK.traces(RandomRegular(count=4), Streams(seeds[1:2]), 8).inputs)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (dict(graphs=(Circulant(size=8, jumps=(1,)),)), "bipartite"),
        (dict(graphs=(Circulant(size=8, jumps=(2,)),)), "not connected"),
        (dict(shares=(0.5, 0.5)), "a share a graph"),
        (dict(tokens=8, rings=1), "too few"),
        (dict(tokens=32, rings=5), "do not make 5 rings"),
        (dict(length=1), "length is 2 or more"),
    ],
)
def test_what_does_not_fit_says_so(fields, says):
    with pytest.raises(UserError, match=says):
        GraphTracing(**fields)
