"""Oracles: autograd on the single network; copies that share nothing."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_sum
from ontogeny.tasks.contract import Shape


@pytest.fixture
def population(streams):
    return Population(MLP(width=6).build(Shape(outputs=2, features=5), streams))


def test_parameters_live_in_one_table(population, normal):
    x = normal(3, 4, 5)
    before = population(x)
    population.flat.mul_(2.0)
    assert all(torch.equal(p, population.parameters()[name]) for name, p in population.network.named_parameters())
    torch.testing.assert_close(population(x), 4.0 * before)  # two layers of relu, biases 0
    assert population.parameters_each == 5 * 6 + 6 + 6 * 2 + 2


def test_backward_fills_the_table_with_each_members_gradient(population, normal):
    x = normal(3, 4, 5)
    population.gradient.fill_(torch.nan)
    loss = member_sum(population(x).square())
    population.backward(loss)
    single = population.member(1)
    single(x[1]).square().sum().backward()
    mine = population._view(population.gradient, "output.weight")[1]
    torch.testing.assert_close(mine, dict(single.named_parameters())["network.output.weight"].grad[0])


def test_a_member_is_an_ordinary_model(population, normal):
    x = normal(4, 5)
    single = population.member(1)
    assert torch.equal(single(x), population(x.expand(3, 4, 5))[1])
    for p in single.parameters():
        p.data.zero_()
    assert (population.flat[1] != 0).any()


def test_some_members_make_a_population(population, normal):
    x = normal(3, 4, 5)
    few = population.take([2, 0])
    assert torch.equal(few.flat, population.flat[[2, 0]])
    assert torch.equal(few(x[[2, 0]]), population(x)[[2, 0]])
    few.flat.zero_()
    assert (population.flat[2] != 0).any()


def test_records_and_edits(population, normal):
    x = normal(3, 4, 5)
    before = population(x)
    with population.edit({"layers.0.hook_post": torch.zeros_like}):
        outputs, seen = population.record(x, "layers.*.hook_p*")
    assert (outputs == 0).all()
    assert set(seen) == {"layers.0.hook_pre", "layers.0.hook_post"}
    assert torch.equal(seen["layers.0.hook_pre"], x @ population.parameters()["layers.0.map.weight"])
    assert torch.equal(population(x), before)


@pytest.mark.parametrize("members", [[3], [], [-1]])
def test_refuses_members_that_are_not_there(population, members):
    with pytest.raises(UserError, match="members 0 to 2"):
        population.take(members)
