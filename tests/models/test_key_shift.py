"""Oracles: keys mixed by hand, the plain transformer at share 0, and the law."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.generate import Continuation
from ontogeny.models.key_shift import KeyShift, KeyShiftTransformer
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_sum
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SHAPE = Shape(vocabulary=7, outputs=7, length=6)
MODEL = KeyShiftTransformer(width=16, heads=2)


def test_keys_by_hand():
    shift = KeyShift(Streams((0, 1)), 2)
    with torch.no_grad():
        shift.weight[1, 1] = torch.log(torch.tensor(3.0))  # a share of 3/4
    k = torch.tensor([4.0, 8.0, 16.0]).view(1, 1, 3, 1, 1).expand(2, 1, 3, 2, 1)
    mixed = shift(k)[:, 0, :, :, 0]
    assert mixed[0, :, 0].tolist() == [2.0, 6.0, 12.0]
    assert mixed[1, :, 1].tolist() == pytest.approx([1.0, 5.0, 10.0])


def test_without_a_share_it_is_the_plain_transformer(below, streams):
    tokens = below(7, 3, 4, 6)
    mine = Population(MODEL.build(SHAPE, streams))
    plain = Population(Transformer(width=16, heads=2, positions="rotary", rotary_base=1_000.0).build(SHAPE, streams))
    for name, value in plain.parameters().items():
        assert torch.equal(value, mine.parameters()[name])
    with mine.edit({"blocks.*.attn.shift.hook_share": torch.zeros_like}):
        assert torch.equal(mine(tokens), plain(tokens))
    assert not torch.allclose(mine(tokens), plain(tokens))


def test_the_token_before_matters_and_none_after(below, streams):
    tokens = below(7, 3, 2, 6)
    population = Population(MODEL.build(SHAPE, streams))
    other = tokens.clone()
    other[..., 4] = (tokens[..., 4] + 1) % 7
    changed = (population(tokens) != population(other)).any(-1)
    assert not changed[..., :4].any()
    assert changed[..., 4:].all()


def test_alone_and_in_company(below, seed):
    tokens, seeds = below(7, 4, 5, 6), tuple(range(seed, seed + 4))

    def outcome(which):
        population = Population(MODEL.build(SHAPE, Streams(seeds[which])))
        population.flat += 0.1 * Streams(seeds[which]).normal("shake", (population.flat.shape[1],))
        outputs = population(tokens[which])
        population.backward(member_sum(outputs.square()))
        return outputs, population.gradient

    for mine, together in zip(outcome(slice(2, 3)), outcome(slice(0, 4)), strict=True):
        assert torch.equal(mine, together[2:3])


def test_generation_is_refused(streams):
    with pytest.raises(UserError, match="mixed with those before"):
        Continuation(Population(MODEL.build(SHAPE, streams)))
