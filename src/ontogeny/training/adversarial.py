"""Adversarial training: a generator and a critic, or a discriminator, that learn against each other, stacked.

A stacked population of each; both are updated once a step, the critic first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError, nearest
from ontogeny.labelled import Labelled
from ontogeny.models.affine_generator import AffineGenerator
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_mean
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape
from ontogeny.training.binary_cross_entropy import softplus
from ontogeny.training.optimizers import Adam, Optimizer
from ontogeny.training.rmsprop import RMSprop

Outputs = Float[Tensor, "member sample 1"]
Loss = Float[Tensor, "member"]
AHEAD = 50  # steps whose data is drawn at once: random numbers cost less in bulk


def wasserstein_critic(real: Outputs, made: Outputs) -> Loss:
    """`E f(made) - E f(real)`, of a critic f whose slope is bounded (Arjovsky et al., arXiv 1701.07875)."""
    return member_mean(made) - member_mean(real)


def wasserstein_generator(made: Outputs) -> Loss:
    """`-E f(made)`."""
    return -member_mean(made)


def discriminator(real: Outputs, made: Outputs) -> Loss:
    """`-E ln D(real) - E ln(1 - D(made))`, of logits (Goodfellow et al., arXiv 1406.2661)."""
    return member_mean(softplus(-real)) + member_mean(softplus(made))


def non_saturating_generator(made: Outputs) -> Loss:
    """`-E ln D(made)`, of logits."""
    return member_mean(softplus(-made))


@dataclass(frozen=True)
class Game:
    """Losses and optimizers of both sides, and where the critic's weights are clipped."""

    critic: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    for_critic: Optimizer
    for_generator: Optimizer
    clip: float | None = None


GAMES = {
    "wasserstein": Game(wasserstein_critic, wasserstein_generator, RMSprop(lr=1e-3), RMSprop(lr=5e-3), clip=0.05),
    "non_saturating": Game(discriminator, non_saturating_generator, Adam(lr=1e-3), Adam(lr=1e-3)),
}


class Player:
    """A population with its optimizer."""

    def __init__(self, population: Population, optimizer: Optimizer) -> None:
        self.population, self.optimizer = population, optimizer
        self.memory = optimizer.start(population.flat)
        self.everyone = torch.ones(population.members, dtype=torch.bool, device=population.flat.device)
        self.updates = 0

    def descend(self, loss: Float[Tensor, "member"]) -> None:
        """One update of every member."""
        self.updates += 1
        self.population.backward(loss)
        columns = self.optimizer.columns(self.updates, self.population.flat)
        norm = torch.zeros_like(self.population.flat[:, 0])
        with torch.no_grad():
            flat, gradient = self.population.flat, self.population.gradient
            self.optimizer.step(flat, gradient, self.memory, columns, self.everyone, norm)


def adversaries(
    streams: Streams,
    data: Callable[[Streams, int], Float[Tensor, "member sample 1"]],
    game: str,
    *,
    steps: int = 2_000,
    batch: int = 256,
    averaged: int = 500,
) -> dict[str, Float[Tensor, "member"]]:
    """Trains an affine generator against a network 1-32-32-1, and gives `shift` and `scale` of its output.

    Each is averaged over the last `averaged` steps. `game` is one of `GAMES`. `data` draws samples from streams at some
    steps, and may be asked for those of several steps at once.

    Raises: `UserError` for another game.
    """
    if game not in GAMES:
        raise UserError(f"no game {game!r}: {nearest(game, GAMES)}")
    rules, shape = GAMES[game], Shape(features=1, outputs=1)
    critic = Player(Population(MLP(layers=3, width=32).build(shape, streams.of("critic"))), rules.for_critic)
    generator = Player(Population(AffineGenerator().build(shape, streams.of("generator"))), rules.for_generator)
    total = {name: torch.zeros(streams.members, device=streams.device) for name in ("shift", "scale")}
    last = min(averaged, steps)
    for start in range(0, steps, AHEAD):
        now = streams.at(*range(start, start + AHEAD))
        reals, noises = data(now, AHEAD * batch), now.normal("noise", (AHEAD * batch, 1))
        blocks = zip(reals.split(batch, 1), noises.split(batch, 1), strict=True)
        for step, (real, noise) in enumerate(islice(blocks, steps - start), start):
            made = generator.population(noise)
            critic.descend(rules.critic(critic.population(real), critic.population(made.detach())))
            if rules.clip is not None:
                critic.population.flat.clamp_(-rules.clip, rules.clip)
            generator.descend(rules.generator(critic.population(made)))
            if step >= steps - last:
                for name, value in generator.population.parameters().items():
                    total[name] = total[name] + value.detach()[:, 0]
    return {name: value / last for name, value in total.items()}


def fit_normal(streams: Streams, game: str, *, mean: float, steps: int) -> dict[str, Labelled]:
    """`shift` and `scale` of an affine generator trained on N(mean, 1), averaged over the last quarter of the steps.

    Right are `shift` = mean and `scale` = 1 or -1. Raises as `adversaries` does.
    """

    def data(now: Streams, size: int) -> Tensor:
        return mean + now.normal("data", (size, 1))

    found = adversaries(streams, data, game, steps=steps, averaged=max(1, steps // 4))
    return {name: Labelled(value.cpu(), ("member",)) for name, value in found.items()}
