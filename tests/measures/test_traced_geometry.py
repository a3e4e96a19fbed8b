"""Oracles: representations planted as A e and (I + A) e, whose fit and energy are known, and controls."""

import pytest
import torch
from walkers import TASK, Mixer, checkpoint, transformers

from ontogeny.measures.dirichlet_energy import dirichlet_energy
from ontogeny.measures.distances import squared_distances
from ontogeny.measures.graph_fit import graph_fit
from ontogeny.measures.hidden_states import hidden_states
from ontogeny.measures.traced_geometry import CONDITIONS, TracedGeometry, renamed, shuffled, smoothed, traced
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.graphs import Circulant

EDGES = Circulant().draw(Streams((0,)))[0, 0]


def walks_of(seed, samples=200):
    return TASK.traces(Circulant(), Streams((seed, seed + 1)), samples)


@pytest.mark.parametrize(("own", "raw_energy"), [(0.0, 1.0), (1.0, 0.6), (-1.0, 11 / 9)])
def test_planted_neighbours_are_found_without_their_names(own, raw_energy, seed):
    walks = walks_of(seed)
    population = Population(Mixer(walks, own))
    hidden = torch.cat([h for _, h in hidden_states(population, walks.inputs)], 2)[:, 1:]
    found = traced(hidden, walks, 40, 12)
    # Names are the same vectors everywhere, nearly orthogonal in 64 dimensions: closed forms to a tenth. What holds its
    # neighbours and not itself, h = (A - I) e, has squared distances of 10, 12, 6 and 8, in the order of the ring.
    pooled = found.bare[:, 0, :, 0]
    assert (graph_fit(pooled, EDGES) > 0.9).all()
    energy = dirichlet_energy(found.raw[:, 0, :, 0], EDGES)
    assert (energy - raw_energy).abs().max() < 0.05
    # Aligned, the same shape is seen through a single draw of 9 vectors: noisier, and as small as the walks are many.
    aligned = found.bare[:, 0, :, 1]
    assert (aligned.sum() / pooled.sum()).item() == pytest.approx(1 / 100, rel=0.5)
    torch.testing.assert_close(aligned, squared_distances(found.means)[:, 0])


@pytest.mark.parametrize("samples", [64, 1_024])
def test_averages_of_nodes_show_the_graph_through_one_draw_however_many_walks(samples):
    """Why the study pools distances: a code of the neighbours alone, h = A e, which they explain without rest."""
    chance = torch.Generator().manual_seed(0)
    names = torch.randn(24, 64, generator=chance, dtype=torch.float64)
    codes = torch.stack([EDGES.double() @ names[torch.randperm(24, generator=chance)[:9]] for _ in range(20 * samples)])
    means = codes.unflatten(0, (20, samples)).mean(1)
    aligned = graph_fit(squared_distances(means), EDGES)
    assert aligned.mean() < 0.65
    assert graph_fit(squared_distances(codes).mean(0), EDGES) > 0.98


def test_controls_lose_the_graph(seed):
    walks = walks_of(seed)
    hidden = torch.cat([h for _, h in hidden_states(Population(Mixer(walks, 0.0)), walks.inputs)], 2)[:, 1:]
    mixed = renamed(walks, Streams((seed, seed + 1)))
    assert torch.equal(mixed.names.gather(2, mixed.nodes), walks.names.gather(2, walks.nodes))
    assert (graph_fit(traced(hidden, mixed, 40, 12).bare[:, 0, :, 0], EDGES) < 0.5).all()
    moved = shuffled(walks, Streams((seed, seed + 1)))
    assert torch.equal(moved.inputs.sort(-1).values, walks.inputs.sort(-1).values)
    assert torch.equal(moved.names.gather(2, moved.nodes), moved.inputs[..., 1:])
    assert (moved.inputs[..., 0] == 12).all()
    assert (moved.inputs != walks.inputs).any()


def test_moving_averages_by_hand():
    x = torch.tensor([8.0, 0.0, 4.0]).view(1, 1, 3, 1)
    found = smoothed(x, (0.5, 0.25))
    assert found.shape == (1, 2, 1, 3, 1)
    assert found[0, 0, 0, :, 0].tolist() == pytest.approx([4.0, 2.0, 3.0])
    assert found[0, 1, 0, :, 0].tolist() == pytest.approx([6.0, 1.5, 3.375])


def test_what_is_measured_alone_and_in_company():
    measure = TracedGeometry(graphs={"one": Circulant()}, times=(12, 40), samples=24)
    together = measure(checkpoint(transformers()))
    alone = measure(checkpoint(transformers((4,)), (4,)))
    assert together["graph_fit"].values.shape == (3, 1, 2, 2, 2, 2)
    assert together["condition_fit"].values.shape == (3, len(CONDITIONS), 1, 2, 2, 2)
    assert together["node_map"].values.shape == (3, 1, 2, 2, 9, 2)
    for name, value in alone.items():
        assert torch.equal(value.values.nan_to_num(9.0), together[name].values[1:2].nan_to_num(9.0)), name
    # The condition as it is, is the last of the times.
    torch.testing.assert_close(together["condition_fit"].values[:, 0, :], together["graph_fit"].values[:, :, 1])
