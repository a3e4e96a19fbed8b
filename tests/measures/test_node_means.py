"""Oracles: means by a loop, and representations planted as a name's vector plus a place's vector."""

import pytest
import torch

from ontogeny.measures.node_means import aligned, node_means, without_names


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_means_by_hand():
    hidden = torch.tensor([[1.0], [2.0], [3.0], [6.0]])
    means, seen = node_means(hidden, torch.tensor([2, 0, 2, 2]), 4)
    assert means[:, 0].tolist() == pytest.approx([2.0, 0.0, 10 / 3, 0.0])
    assert seen.tolist() == [True, False, True, False]


def test_layers_share_the_visits(seed):
    hidden = normal(2, 3, 5, 8, 4, seed=seed)  # member, layer, sample, position, width
    nodes = torch.randint(3, (2, 1, 5, 8), generator=torch.Generator().manual_seed(seed))
    means, _ = node_means(hidden, nodes.expand(-1, 3, -1, -1), 3)
    assert torch.equal(node_means(hidden[:, 1], nodes[:, 0], 3)[0], means[:, 1])


def loop(means, seen, names):
    found = torch.zeros_like(means)
    known = torch.zeros_like(seen)
    samples, nodes = names.shape
    for s in range(samples):
        for i in range(nodes):
            others = [
                means[r, j]
                for r in range(samples)
                for j in range(nodes)
                if r != s and seen[r, j] and names[r, j] == names[s, i]
            ]
            if seen[s, i] and others:
                found[s, i] = means[s, i] - torch.stack(others).mean(0)
                known[s, i] = True
    return found, known


def test_names_are_taken_off_as_in_a_loop(seed):
    generator = torch.Generator().manual_seed(seed)
    names = torch.stack([torch.randperm(6, generator=generator)[:4] for _ in range(2 * 7)]).view(2, 7, 4)
    seen = torch.rand(2, 7, 4, generator=generator) < 0.6
    means = normal(2, 7, 4, 3, seed=seed) * seen[..., None]
    mine, known = without_names(means, seen, names, 6)
    for m in range(2):
        theirs, theirs_known = loop(means[m], seen[m], names[m])
        torch.testing.assert_close(mine[m], theirs)
        assert torch.equal(known[m], theirs_known)


def test_a_planted_place_comes_back(seed):
    # h = name + place: taking names off leaves place less the mean over places that the name had elsewhere.
    samples, nodes, tokens = 3_000, 5, 8
    generator = torch.Generator().manual_seed(seed)
    names = torch.stack([torch.randperm(tokens, generator=generator)[:nodes] for _ in range(samples)])
    name, place = 10 * normal(tokens, 3, seed=seed), normal(nodes, 3, seed=seed + 50)
    means = name[names] + place
    seen = torch.ones(samples, nodes, dtype=torch.bool)
    bare, known = without_names(means, seen, names, tokens)
    found = aligned(bare, known)
    # The other samples' places average to their mean, within a token's share of them: 1 / sqrt(3,000 * 5 / 8) = .023.
    assert (found - (place - place.mean(0))).abs().max() < 4.5 * 0.023 * 2


def test_few_samples_are_no_mean():
    values = torch.tensor([[[1.0], [5.0]], [[3.0], [7.0]]])
    known = torch.tensor([[True, False], [True, True]])
    assert aligned(values, known, least=2)[0].tolist() == [2.0]
    assert aligned(values, known, least=2)[1].isnan()
    assert aligned(values, known, least=1)[1].tolist() == [7.0]
