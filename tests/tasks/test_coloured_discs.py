"""Oracles: pixels and areas by hand, colours of the paper, shares within their deviations, and each member alone."""

import math

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.parts import stack
from ontogeny.streams import Streams
from ontogeny.tasks.coloured_discs import COMBINATIONS, ColouredDiscs, condition, from_net, render, to_net

ONE = Streams((0,))


def disc(radius, pixels=12, centre=(0.0, 0.0), colour=(0.2, 0.4, 0.6), **how):
    c, r, place = (torch.tensor(v, dtype=torch.float64) for v in (colour, radius, centre))
    return render(c, r, place, pixels, **how)


def test_pixels_by_hand():
    # Four pixels lie at -3/4, -1/4, 1/4, 3/4. The disc's centre is on the second from the left in the first row (x to
    # the right, y down): d = 0 there, 1/2 beside it. At r = 1/2 the mask is 1/2 beside it.
    image = disc(0.5, pixels=4, centre=(-0.25, -0.75))
    assert image.shape == (3, 4, 4)
    beside = [0.5 * c + 0.45 for c in (0.2, 0.4, 0.6)]
    for row, column in ((0, 0), (0, 2), (1, 1)):
        assert image[:, row, column].tolist() == pytest.approx(beside)
    middle = 1 / (1 + math.exp(-0.5 / 0.08))
    assert image[:, 0, 1].tolist() == pytest.approx([middle * c + (1 - middle) * 0.9 for c in (0.2, 0.4, 0.6)])
    assert image[:, 3, 3].tolist() == pytest.approx([0.9] * 3, abs=1e-4)


def test_a_sharp_disc_has_the_area_of_a_disc():
    image = disc(0.6, pixels=200, softness=1e-3)
    share = ((0.9 - image[1]) / 0.5).mean().item()  # of the square's area 4
    assert 4 * share == pytest.approx(math.pi * 0.36, rel=2e-3)


def test_the_papers_colours_and_radii():
    task = ColouredDiscs(colour_signal=0.137)
    assert task.colours(ONE)[0, 0].tolist() == pytest.approx([0.5685, 0.4315, 0.4315])
    assert task.colours(ONE)[0, 3].tolist() == pytest.approx([0.4315, 0.4315, 0.5685])
    assert task.radii(ONE)[0].tolist() == pytest.approx([0.65, 0.25, 0.65, 0.25])
    assert task.conditions(ONE)[0, 1].tolist() == pytest.approx([0.137, -0.137, -0.137, -0.5])
    assert task.shape.features == 4
    assert task.shape.outputs == 432


def test_samples_stay_within_their_combination_and_are_told_truly(seed):
    task = ColouredDiscs(colour_signal=0.4)
    batch = task.sample(None, Streams((seed,)), 600)
    told, which = batch.inputs[0].double(), batch.latents["combination"][0]
    assert which.tolist() == [0, 1, 2] * 200
    off = told - task.conditions(Streams((seed,)))[0].double()[which]
    # Conditions are 2 (v - 1/2): twice s / 8 = 0.05 and twice 0.08; uniform, so that 600 draws come within 5 % of it.
    assert off.abs().amax(0).tolist() == pytest.approx([0.1, 0.1, 0.1, 0.16], rel=0.05)
    assert (off.abs().amax(0) <= torch.tensor([0.1, 0.1, 0.1, 0.16]) + 1e-6).all()
    assert off.std(0).tolist() == pytest.approx([x / 3**0.5 for x in (0.1, 0.1, 0.1, 0.16)], rel=0.15)


def test_a_picture_is_of_what_is_told(seed):
    task = ColouredDiscs(colour_signal=0.6, pixels=24)
    batch = task.sample(None, Streams((seed,)), 30)
    images = from_net(batch.targets)[0]
    # The middle of the disc has its colour, 0.002 being two deviations of the noise and 0.045 the soft edge of the
    # smallest disc (radius 0.17, 0.06 beside the middle: the mask is 0.80 to 0.9 of it).
    middle = images[:, :, 11:13, 11:13].mean((-2, -1))
    large = batch.inputs[0, :, 3] > 0
    true = (batch.inputs[0, :, :3] + 1) / 2
    assert (middle - true)[large].abs().max() < 0.01
    assert images[:, :, 0, 0].mean().item() == pytest.approx(0.9, abs=0.01)
    assert torch.equal(to_net(images), batch.targets[0])
    assert from_net(torch.full((1, 12), 3.0)).unique().tolist() == [2.0]


def test_masked_is_a_share_of_small_red_discs(seed):
    n = 3_000
    batch = ColouredDiscs(masked=0.3).sample(None, Streams((seed,)), n)
    grey = (batch.inputs[0, :, :3] == 0).all(-1)
    small_red = batch.latents["combination"][0] == COMBINATIONS.index("red small")
    assert not grey[~small_red].any()
    assert grey[small_red].float().mean().item() == pytest.approx(0.3, abs=3 * (0.21 / (n / 3)) ** 0.5)
    assert (batch.inputs[0, :, 3] != 0).all()
    assert not (ColouredDiscs().sample(None, Streams((seed,)), 300).inputs[..., :3] == 0).all(-1).any()


def test_only_what_is_shown_is_drawn():
    batch = ColouredDiscs(shown=("blue small", "red large")).sample(None, ONE, 4)
    # Small and blue: a negative radius and red below grey; then large and red.
    assert (batch.inputs[0, :, 3] < 0).tolist() == [True, False, True, False]
    assert (batch.inputs[0, :, 0] < 0).tolist() == [True, False, True, False]
    assert (batch.inputs[0, :, 1] < 0).all()


def test_conditions_by_hand():
    assert condition(torch.tensor([0.5, 0.25, 1.0]), torch.tensor(0.65)).tolist() == pytest.approx([0, -0.5, 1, 0.3])


def test_members_have_their_own_signals_alone_as_in_company():
    apart = [ColouredDiscs(colour_signal=0.1, masked=0.5), ColouredDiscs(colour_signal=0.8), ColouredDiscs()]
    together = stack(apart)
    streams = Streams((3, 4, 5))
    batch = together.sample(None, streams, 31)
    for i, task in enumerate(apart):
        alone = task.sample(None, streams.take([i]), 31)
        assert torch.equal(batch.inputs[i], alone.inputs[0])
        assert torch.equal(batch.targets[i], alone.targets[0])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (dict(pixels=1), "2 pixels or more"),
        (dict(shown=()), "shown names some of"),
        (dict(shown=("green large",)), "green large"),
        (dict(colour_signal=0.0), "colour_signal lies above 0"),
        (dict(size_signal=0.6), "size_signal lies above 0 and at most at 0.5"),
        (dict(masked=1.1), "a share from 0 to 1"),
    ],
)
def test_what_cannot_be_is_refused(wrong, says):
    with pytest.raises(UserError, match=says):
        ColouredDiscs(**wrong)
