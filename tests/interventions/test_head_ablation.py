"""Oracles: networks whose heads write nothing by construction, means by hand, and controls that match."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.interventions.head_ablation import ablated, matched_heads, mean_writes
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SHAPE = Shape(vocabulary=5, outputs=5, length=6)


def grown(seed):
    streams = Streams((seed, seed + 1, seed + 2))
    population = Population(Transformer(layers=2, width=8, heads=2).build(SHAPE, streams))
    return population, streams.integers("tokens", (4, 6), 5)


def none():
    return torch.zeros(3, 1, 2, 2, dtype=torch.bool)


def without(population, member, layer, head):
    """The same population with one head's rows of the output map set to zero."""
    other = population.take(range(population.members))
    other.parameters()[f"blocks.{layer}.attn.output.weight"][member, 4 * head : 4 * head + 4] = 0
    return other


@torch.no_grad()
def test_zero_is_a_head_without_an_output_map(seed):
    population, tokens = grown(seed)
    heads = none()
    heads[1, 0, 0, 1] = True
    before = population(tokens)
    with population.edit(ablated(population, heads)):
        found = population(tokens)
    torch.testing.assert_close(found, without(population, 1, 0, 1)(tokens))
    assert torch.equal(found[[0, 2]], before[[0, 2]])
    assert not torch.allclose(found[1], before[1], atol=1e-4)
    assert torch.equal(population(tokens), before)  # and on leaving it is as it was


@torch.no_grad()
def test_no_head_is_the_identity(seed):
    population, tokens = grown(seed)
    means = mean_writes(population, tokens)
    before = population(tokens)
    with population.edit(ablated(population, none(), means)):
        assert torch.equal(population(tokens), before)


@torch.no_grad()
def test_the_mean_is_that_of_the_samples_and_changes_nothing_where_all_are_one(seed):
    population, tokens = grown(seed)
    means = mean_writes(population, tokens)
    assert means.shape == (3, 2, 6, 2, 4)
    _, seen = population.record(tokens, "blocks.1.attn.hook_z")
    torch.testing.assert_close(means[:, 1], sum(seen["blocks.1.attn.hook_z"][:, i] for i in range(4)) / 4)
    same = tokens[:, :1].expand(-1, 4, -1)
    with population.edit(ablated(population, ~none(), mean_writes(population, same))):
        torch.testing.assert_close(population(same), population(same))
        replaced = population(same)
    torch.testing.assert_close(replaced, population(same))
    # Shorter inputs get the means of their own positions.
    with population.edit(ablated(population, ~none(), mean_writes(population, same))):
        short = population(same[..., :4])
    torch.testing.assert_close(short, population(same[..., :4]))


@torch.no_grad()
def test_one_mean_for_all_positions(seed):
    population, tokens = grown(seed)
    heads = none()
    heads[2, 0, 0, 1] = True
    with population.edit(ablated(population, heads, mean_writes(population, tokens).mean(2, keepdim=True))):
        _, after = population.record(tokens, "blocks.0.attn.hook_z")
    _, before = population.record(tokens, "blocks.0.attn.hook_z")
    expected = before["blocks.0.attn.hook_z"].clone()
    expected[2, :, :, 1] = expected[2, :, :, 1].mean((0, 1))
    torch.testing.assert_close(after["blocks.0.attn.hook_z"], expected)


@torch.no_grad()
def test_samples_may_lose_heads_of_their_own(seed):
    population, tokens = grown(seed)
    heads = none().expand(-1, 4, -1, -1).clone()
    heads[:, 2, 1, 0] = True
    with population.edit(ablated(population, heads)):
        found = population(tokens)
    every = none()
    every[:, 0, 1, 0] = True
    with population.edit(ablated(population, every)):
        all_ = population(tokens)
    before = population(tokens)
    torch.testing.assert_close(found[:, 2], all_[:, 2])
    torch.testing.assert_close(found[:, [0, 1, 3]], before[:, [0, 1, 3]])


def test_marks_that_do_not_fit_are_refused(seed):
    population, tokens = grown(seed)
    with pytest.raises(UserError, match="more than 1 layers"):
        ablated(population, none()[:, :, :1])
    many = ablated(population, none().repeat(1, 1, 2, 1))
    with pytest.raises(UserError, match="no activation site"), population.edit(many):
        pass
    wide = ablated(population, torch.zeros(3, 1, 2, 3, dtype=torch.bool))
    with pytest.raises(UserError, match="3 heads a layer in a network with 2"), population.edit(wide):
        population(tokens)


def test_controls_are_as_many_and_none_of_the_others(seed):
    chosen = torch.zeros(2, 3, 4, dtype=torch.bool)
    chosen[0, 0, :3], chosen[1, 2, 0] = True, True
    outside = chosen.clone()
    outside[:, 1, 0] = True
    found = matched_heads(Streams((seed, seed + 1)), chosen, outside, 500)
    assert (found.sum((-2, -1)) == torch.tensor([[3], [1]])).all()
    assert not (found & outside[:, None]).any()
    # Each of those that are left is as likely: 3 of 8 and 1 of 10.
    for member, p in ((0, 3 / 8), (1, 1 / 10)):
        share = found[member].double().mean(0)[~outside[member]]
        assert (share - p).abs().max() < 4.5 * (p * (1 - p) / 500) ** 0.5
    # Fewer left than chosen: all that are left.
    crowded = torch.ones(2, 3, 4, dtype=torch.bool)
    crowded[:, 0, 0] = False
    left = matched_heads(Streams((seed, seed + 1)), chosen, crowded, 2)
    assert (left == ~crowded[:, None]).all()
