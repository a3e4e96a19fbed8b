"""Oracles: the identity where no head is chosen, the mean over a hand-made network, counts of other heads."""

import torch

from ontogeny.interventions.head_ablation import HEADS, ablated, mean_outputs, other_heads
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SHAPE = Shape(vocabulary=7, outputs=7, length=6)


def grown(seeds=(0, 1)):
    return Population(Transformer(width=16, heads=4).build(SHAPE, Streams(seeds)))


def tokens(seed, members=2):
    return torch.randint(7, (members, 5, 6), generator=torch.Generator().manual_seed(seed))


def test_chosen_heads_give_their_mean_and_the_others_what_they_gave(seed):
    population, inputs = grown(), tokens(seed)
    means = mean_outputs(population, inputs)
    assert means.shape == (2, 2, 4, 4)
    chosen = torch.zeros(2, 2, 4, dtype=torch.bool)
    chosen[0, 0, 2] = chosen[1, 0, 1] = True
    _, before = population.record(inputs, HEADS)
    with population.edit(ablated(chosen, means)):
        _, after = population.record(inputs, HEADS)
    first = before["blocks.0.attn.hook_z"]
    expected = first.clone()
    for sample in range(5):
        for position in range(6):
            expected[0, sample, position, 2] = first[0, :, :, 2].mean((0, 1))
            expected[1, sample, position, 1] = first[1, :, :, 1].mean((0, 1))
    torch.testing.assert_close(after["blocks.0.attn.hook_z"], expected)


def test_none_chosen_is_the_identity_and_the_network_comes_back(seed):
    population, inputs = grown(), tokens(seed)
    means, none = mean_outputs(population, inputs), torch.zeros(2, 2, 4, dtype=torch.bool)
    before = population(inputs)
    with population.edit(ablated(none, means)):
        assert torch.equal(population(inputs), before)
    with population.edit(ablated(~none, means)):
        assert not torch.allclose(population(inputs), before)
    assert torch.equal(population(inputs), before)


def test_as_many_others_none_of_them_chosen(seed):
    seeds = tuple(range(seed, seed + 50))
    heads = torch.zeros(50, 2, 4, dtype=torch.bool)
    heads[:, 0, :3] = True
    heads[7] = True
    heads[8] = False
    heads[9, 1, :3] = True  # six of eight: two others are left
    others, enough = other_heads(Streams(seeds), heads)
    assert not (others & heads).any()
    assert others.flatten(1).sum(1)[7:10].tolist() == [0, 0, 2]
    usual = torch.tensor([i not in (7, 8, 9) for i in range(50)])
    assert others.flatten(1).sum(1)[usual].tolist() == [3] * 47
    assert enough.tolist() == [i != 7 for i in range(50)]
    # Any of the five others comes as often: 47 * 3 / 5 = 28.2 times, within 4.5 deviations.
    times = others[usual].sum(0)[~heads[0]].double()
    assert (times - 28.2).abs().max() < 4.5 * (47 * 0.6 * 0.4) ** 0.5
    assert torch.equal(other_heads(Streams(seeds[3:4]), heads[3:4])[0], others[3:4])
