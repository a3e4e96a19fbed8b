"""Oracles: cross-entropy by torch, a value by hand, equal scores, and the law."""

import math

import pytest
import torch
import torch.nn.functional as F

from ontogeny.parts import stack
from ontogeny.tasks.contract import Batch
from ontogeny.training.infonce import InfoNCE

NONE = Batch(inputs=torch.zeros(1), targets=torch.zeros(1))


def outputs(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("normalised", [True, False])
def test_equals_two_cross_entropies(normalised, seed):
    z = outputs(seed, 3, 6, 2, 4)
    found = InfoNCE(temperature=0.3, normalised=normalised)(z, NONE)
    for i in range(3):
        one, other = (F.normalize(z[i, :, v], dim=-1) if normalised else z[i, :, v] for v in (0, 1))
        scores, own = one @ other.T / 0.3, torch.arange(6)
        expected = (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2
        torch.testing.assert_close(found[i], expected)


def test_by_hand():
    # Two samples on two axes, views alike: scores 1 and 0 over tau = 1/2 give -ln(e^2 / (e^2 + 1)).
    z = torch.eye(2)[None, :, None].expand(1, 2, 2, 2) * 7.0
    assert InfoNCE(temperature=0.5)(z, NONE).item() == pytest.approx(math.log(1 + math.exp(-2)), rel=1e-5)


def test_scores_that_are_all_alike_cost_the_logarithm_of_the_batch():
    assert InfoNCE()(torch.ones(2, 5, 2, 3), NONE).tolist() == pytest.approx([math.log(5)] * 2)
    assert InfoNCE()(torch.zeros(1, 5, 2, 3), NONE).tolist() == pytest.approx([math.log(5)])


def test_each_member_has_its_temperature_alone_as_in_company(seed):
    apart = [InfoNCE(temperature=t) for t in (0.1, 1.0, 10.0)]
    z = outputs(seed, 3, 33, 2, 5).float().requires_grad_()
    together = stack(apart)(z, NONE)
    (slope,) = torch.autograd.grad(together.sum(), z)
    for i, objective in enumerate(apart):
        mine = z[i : i + 1].detach().requires_grad_()
        alone = objective(mine, NONE)
        assert torch.equal(alone[0], together[i])
        assert torch.equal(torch.autograd.grad(alone.sum(), mine)[0][0], slope[i])
