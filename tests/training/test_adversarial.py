"""Oracles: losses by hand, one update against `torch.optim`, the value of the game, and the law."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.affine_generator import AffineGenerator
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_mean
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape
from ontogeny.training.adversarial import (
    Player,
    adversaries,
    discriminator,
    fit_normal,
    non_saturating_generator,
    wasserstein_critic,
    wasserstein_generator,
)
from ontogeny.training.optimizers import Adam


def data(now, size):
    return 3.0 + now.normal("data", (size, 1))


def test_losses_by_hand():
    real, made = torch.tensor([[[2.0], [4.0]]]), torch.tensor([[[1.0], [0.0]]])
    assert wasserstein_critic(real, made).item() == 0.5 - 3.0
    assert wasserstein_generator(made).item() == -0.5
    # A discriminator that says 1/2 of everything: both of its terms are ln 2, minus the game's value of -ln 4.
    zero = torch.zeros(1, 2, 1)
    assert discriminator(zero, zero).item() == pytest.approx(math.log(4))
    assert non_saturating_generator(zero).item() == pytest.approx(math.log(2))
    # ln(1 + e) for a logit of -1 on data, and for one of 1 on what is made up.
    assert discriminator(zero - 1, zero + 1).item() == pytest.approx(2 * math.log(1 + math.e))


def test_a_player_moves_as_torch_does():
    network = AffineGenerator().build(Shape(features=1, outputs=1), Streams((0, 1)))
    player = Player(Population(network), Adam(lr=0.1))
    single = torch.nn.Parameter(torch.tensor([1.0, 0.0]))
    theirs = torch.optim.Adam([single], lr=0.1)
    z = torch.tensor([[[1.0], [2.0]]]).expand(2, -1, -1)
    for _ in range(5):
        player.descend(member_mean((player.population(z) - 7.0).square()))
        theirs.zero_grad()
        (z[0] * single[0] + single[1] - 7.0).square().mean().backward()
        theirs.step()
    torch.testing.assert_close(player.population.parameters()["scale"][0], single.detach()[:1])
    torch.testing.assert_close(player.population.parameters()["shift"][1], single.detach()[1:])


def test_the_generator_moves_towards_the_data():
    found = adversaries(Streams((0, 1)), data, "wasserstein", steps=300, batch=64, averaged=10)
    assert (found["shift"] > 0.3).all()


@pytest.mark.parametrize("game", ["wasserstein", "non_saturating"])
def test_alone_and_in_company(game):
    together = adversaries(Streams((0, 1, 2)), data, game, steps=12, batch=33, averaged=5)
    alone = adversaries(Streams((1,)), data, game, steps=12, batch=33, averaged=5)
    for name, value in alone.items():
        assert torch.equal(value, together[name][1:2])


def test_refuses_unknown_games():
    with pytest.raises(UserError, match="no game"):
        adversaries(Streams((0,)), data, "least_squares")


def test_a_generator_moves_towards_the_mean_it_is_given():
    found = fit_normal(Streams((1,)), "wasserstein", mean=1.0, steps=200)
    assert 0.3 < found["shift"].values.item() < 1.5
