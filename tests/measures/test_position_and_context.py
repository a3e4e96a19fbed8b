"""Oracles: planted tensors whose parts are known, and the untrained network, alone and in company."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.context_decomposition import decompose
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.position_and_context import (
    HiddenGeometry,
    cluster_statistics,
    coherence_statistics,
    position_statistics,
    rotations,
)
from ontogeny.models.population import Population
from ontogeny.models.quiet_embeddings import QuietEmbeddings
from ontogeny.streams import Streams
from ontogeny.tasks.markov_mixture import MarkovMixture
from ontogeny.tasks.topic_bigrams import TopicBigrams

TASK = TopicBigrams(tokens=12, length=16)


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def planted(seed, along=0.0):
    """A circle of 40 positions, contexts in four bunches apart from it, or along its first direction."""
    angle = 2 * math.pi * torch.arange(40, dtype=torch.float64) / 40
    frame = torch.linalg.qr(normal(24, 24, seed=seed)).Q
    bunches = torch.arange(200) % 4
    contexts = 5 * frame[2:6][bunches] + 0.1 * normal(200, 24, seed=seed + 1)
    contexts = (1 - along) * contexts + along * 5 * normal(200, 1, seed=seed + 2) * frame[0]
    h = angle.cos()[:, None] * frame[0] + angle.sin()[:, None] * frame[1] + contexts[:, None]
    return decompose([h[None, None]]), bunches


def test_a_planted_circle_with_contexts_apart(seed):
    parts, bunches = planted(seed)
    orders = torch.stack([torch.randperm(40, generator=torch.Generator().manual_seed(seed + i)) for i in range(5)])
    found = position_statistics(parts, orders)
    assert found["stable_rank"].item() == pytest.approx(2.0, abs=1e-6)
    assert found["low_frequency"] > 0.98
    assert found["low_frequency_permuted"] < 0.45
    turned = rotations(Streams((seed,)), 20, 24)
    torch.testing.assert_close(turned @ turned.mT, torch.eye(24, dtype=torch.float64).expand(1, 20, -1, -1))
    angles = coherence_statistics(parts, turned)
    assert angles["cosine"] < 0.03
    assert 0.1 < angles["cosine_rotated"] < 0.2  # sqrt(2 / (24 pi)) = .16
    assert angles["cosine_rotated"] < angles["cosine_rotated_most"]
    starts = torch.stack([torch.randperm(200, generator=torch.Generator().manual_seed(i))[:4] for i in range(10)])
    others = torch.randperm(200, generator=torch.Generator().manual_seed(99))
    clusters = cluster_statistics(parts.contexts, bunches, starts[None], others[None])
    assert clusters["topics_found"].item() == pytest.approx(1.0)
    assert abs(clusters["topics_found_shuffled"].item()) < 0.05
    assert clusters["contrast"] > 0.5


def test_contexts_along_a_position_are_seen(seed):
    parts, _ = planted(seed, along=1.0)
    angles = coherence_statistics(parts, rotations(Streams((seed,)), 20, 24))
    # |cos| with the first direction, mean over the circle: 2 / pi.
    assert angles["cosine"].item() == pytest.approx(2 / math.pi, abs=0.02)
    assert angles["angle_cosine"] > 0.99


def grown(seeds=(3, 4, 5)):
    streams = Streams(seeds)
    population = Population(QuietEmbeddings(width=16, heads=2).build(TASK.shape, streams.of("init")))
    return Checkpoint(
        population=population, task=TASK, world=TASK.world(streams.of("world")), streams=streams.of("evaluation"),
        step=0,
    )  # fmt: skip


def test_networks_alone_and_in_company():
    measure = HiddenGeometry(contexts=200, orders=3, starts=3)
    together, alone = measure(grown()), measure(grown((4,)))
    for name, value in alone.items():
        assert torch.equal(value.values.nan_to_num(9.0), together[name].values[1:2].nan_to_num(9.0)), name
    shares = sum(together[f"{name}_share"].values for name in ("pos", "context", "residual"))
    torch.testing.assert_close(shares, torch.ones(3, 3, dtype=torch.float64))
    assert together["noise_share"].values[0].item() == pytest.approx(14 / (200 * 15 - 1))
    ratio = together["shuffled_pos_share"].values / together["shuffled_expected"].values
    assert (ratio - 1).abs().max() < 0.6  # chance: 14 positions, and few directions after a block
    assert (together["excess_loss"].values > 0.2).all()  # untrained
    assert together["position_map"].values.shape == (3, 3, 15, 3)


def test_other_tasks_are_refused():
    at = Checkpoint(
        population=grown().population, task=MarkovMixture(states=3, chains=2, length=5), world=None,
        streams=Streams((1,)), step=0,
    )  # fmt: skip
    with pytest.raises(UserError, match="needs TopicBigrams, got MarkovMixture"):
        HiddenGeometry()(at)
