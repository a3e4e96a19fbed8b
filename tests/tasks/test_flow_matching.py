"""Oracles: the mixture written out, the posterior mean of two points, which no other predictor beats, and refusals."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.coloured_discs import ColouredDiscs
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.tasks.flow_matching import FlowMatching
from ontogeny.tasks.token_lookup import TokenLookup


class TwoPoints(Task):
    """-1 or 1, each half the time, whatever the condition, which is 3."""

    @property
    def shape(self):
        return Shape(features=1, outputs=1)

    def sample(self, world, streams, size):
        x = streams.integers("sign", (size, 1), 2) * 2.0 - 1.0
        return Batch(inputs=torch.full_like(x, 3.0), targets=x, latents={"sign": x[..., 0]})


def test_the_mixture(seed):
    batch = FlowMatching(task=TwoPoints()).sample(None, Streams((seed,)), 20_000)
    mixed, t, told = batch.inputs.unbind(-1)
    assert (told == 3).all()
    assert torch.equal(batch.latents["sign"], batch.targets[..., 0])
    noise = (mixed - t * batch.targets[..., 0]) / (1 - t)
    # Uniform times, standard normal noise that has nothing to do with target or time: five deviations.
    off = 5 / 20_000**0.5
    assert t.min() >= 0
    assert t.max() < 1
    assert t.mean().item() == pytest.approx(0.5, abs=off * 12**-0.5)
    assert noise.mean().item() == pytest.approx(0, abs=off)
    assert noise.square().mean().item() == pytest.approx(1, abs=off * 2**0.5)
    assert (noise * batch.targets[..., 0]).mean().item() == pytest.approx(0, abs=off)
    assert (noise * (t - 0.5)).mean().item() == pytest.approx(0, abs=off * 12**-0.5)


def test_the_posterior_mean_is_the_best_answer(seed):
    # Given x_t, the odds of 1 against -1 are exp(2 t x_t / (1 - t)^2): the mean is tanh(t x_t / (1 - t)^2).
    batch = FlowMatching(task=TwoPoints()).sample(None, Streams((seed,)), 20_000)
    mixed, t, _ = batch.inputs.double().unbind(-1)
    best = torch.tanh(t * mixed / (1 - t).square())
    error = best - batch.targets[..., 0]
    others = [mixed, torch.sign(mixed), 0.9 * best, torch.zeros_like(best)]
    assert all(error.square().mean() < (o - batch.targets[..., 0]).square().mean() for o in others)
    assert (error * best).mean().abs() < 5 * 20_000**-0.5  # what it misses has nothing to do with what it says


def test_measures_see_the_task_itself():
    discs = ColouredDiscs(pixels=4)
    task = FlowMatching(task=discs)
    assert task.evaluated(None) == (discs, None)
    assert task.shape == Shape(features=48 + 1 + 4, outputs=48)


def test_members_keep_their_own_values_within():
    apart = [FlowMatching(task=ColouredDiscs(pixels=4, colour_signal=s)) for s in (0.1, 0.5)]
    streams = Streams((3, 4))
    together = stack(apart).sample(None, streams, 9)
    for i, task in enumerate(apart):
        assert torch.equal(together.inputs[i], task.sample(None, streams.take([i]), 9).inputs[0])


def test_tokens_are_refused():
    with pytest.raises(UserError, match="features without positions"):
        FlowMatching(task=TokenLookup(vocabulary=4, classes=2))
