"""Oracles: rendered pictures whose colour and radius are known, the additive picture, and refusals by each rule."""

import math

import pytest
import torch

from ontogeny.measures.disc_readout import (
    concept_coordinates,
    concepts_right,
    read_discs,
    seen_radii,
    wanted_coordinates,
)
from ontogeny.streams import Streams
from ontogeny.tasks.coloured_discs import COMBINATIONS, ColouredDiscs, render

SIGNALS = (0.1, 0.3, 0.8)


def means(signal, pixels=12):
    """The mean picture of every combination, float64, and the task."""
    task, one = ColouredDiscs(colour_signal=signal, pixels=pixels), Streams((0,))
    colours, radii = task.colours(one)[0], task.radii(one)[0]
    return task, render(colours, radii, torch.zeros(4, 2, dtype=torch.float64), pixels)


def judged(task, images, signal):
    s = torch.tensor([signal], dtype=images.dtype)
    radii = seen_radii(task, task.radii(Streams((0,))))[0].to(images.dtype)
    reading = read_discs(images, s)
    found = concept_coordinates(reading, s, radii)
    return found, [concepts_right(reading, found, s, w) for w in wanted_coordinates().to(images.dtype)]


def test_areas_and_contrasts_by_hand():
    # One black-and-blue pixel of sixteen: green 0, blue 1 and red 0.3, background 0.9; s = 1 makes the disc's green 0.
    image = torch.full((3, 4, 4), 0.9, dtype=torch.float64)
    image[:, 1, 2] = torch.tensor([0.3, 0.0, 1.0])
    found = read_discs(image, torch.tensor(1.0, dtype=torch.float64))
    assert found.pixels.item() == pytest.approx(1.0)
    assert found.contrast.item() == pytest.approx(0.7)
    assert found.radius.item() == pytest.approx(math.sqrt(1 / math.pi / 4))
    assert found.halo.item() == 0  # it lies 0.35 from the middle, the twelve of the ring 0.79 and farther
    image[0, 0, 0] = 0.3
    assert read_discs(image, torch.tensor(1.0, dtype=torch.float64)).halo.item() == pytest.approx(0.6 / 12)
    again = read_discs(image, torch.tensor(0.2, dtype=torch.float64))
    assert again.pixels.item() == pytest.approx(0.9 / 0.5)


@pytest.mark.parametrize("signal", SIGNALS)
def test_the_background_is_seen_and_not_known(signal):
    # The same discs before other backgrounds, as networks draw them; against 0.9, that of the data, small ones would
    # have more than 1.6 times their area, or less than its 1.6th.
    task, one = ColouredDiscs(colour_signal=signal), Streams((0,))
    colours, radii = task.colours(one)[0], task.radii(one)[0]
    for background in (0.86, 0.94):
        images = render(colours, radii, torch.zeros(4, 2, dtype=torch.float64), 12, background=background)
        found, right = judged(task, images, signal)
        torch.testing.assert_close(found, wanted_coordinates().double(), atol=0.02, rtol=0)
        assert torch.stack(right).tolist() == torch.eye(4, dtype=torch.bool).tolist()
        seen = read_discs(images[3], torch.tensor(signal, dtype=torch.float64)).pixels.item()
        against = (0.9 - images[3, 1]).sum().item() / (0.4 + signal / 2)
        assert not seen / 1.6 < against < 1.6 * seen


@pytest.mark.parametrize("signal", SIGNALS)
def test_drawn_discs_are_read(signal, seed):
    task = ColouredDiscs(colour_signal=signal, radius_spread=0.0)
    for combination in range(4):
        colour, radius, images = task.pictures(Streams((seed,)), torch.full((20,), combination))
        found = read_discs(images[0], torch.tensor([signal]))
        true = (colour[0, :, 2] - colour[0, :, 0]).float()
        # The readout takes every green for the mean one: this disc is so much less deep under the background.
        less = (0.9 - colour[0, :, 1].float()) / (0.4 + signal / 2)
        assert (found.contrast * less - true).abs().max() < 0.07 * signal
        assert (found.radius / less.sqrt() - radius[0].float()).abs().max() < (0.05 if combination % 2 else 0.03)


@pytest.mark.parametrize("signal", SIGNALS)
def test_mean_pictures_are_at_the_corners_and_right(signal):
    task, images = means(signal)
    found, right = judged(task, images, signal)
    # The soft edge of a large disc just reaches the ring and darkens its background: 1.3 % less contrast.
    torch.testing.assert_close(found, wanted_coordinates().double(), atol=0.015, rtol=0)
    assert torch.stack(right).tolist() == torch.eye(4, dtype=torch.bool).tolist()
    seen = seen_radii(task, task.radii(Streams((0,))))[0]
    assert seen.tolist() == pytest.approx([0.657, 0.288], abs=2e-3)  # 0.665 and 0.289 against 0.9


@pytest.mark.parametrize("signal", SIGNALS)
def test_the_true_generator_is_right(signal, seed):
    task = ColouredDiscs(colour_signal=signal)
    for i in range(4):
        images = task.pictures(Streams((seed,)), torch.full((50,), i))[2][0]
        _, right = judged(task, images, signal)
        for j in range(4):
            assert right[j].float().mean().item() == pytest.approx(float(i == j), abs=0.05)


@pytest.mark.parametrize("signal", SIGNALS)
def test_adding_is_not_composing(signal):
    # Blue minus red of the large disc on the small red one: the size is right, the contrast is as of 5.3 small discs
    # less the one that was red (the areas' ratio, 0.665^2 / 0.289^2 = 5.30): z = (2 * 5.30 - 1 + 1) / 2.
    task, images = means(signal)
    added = images[2] + images[1] - images[0]
    found, right = judged(task, added[None], signal)
    assert found[0].tolist() == pytest.approx([5.3, 1.0], abs=0.05)
    assert not right[3]


def stained(image):
    """The first row bluish, the last one as reddish, and green as it was: neither area nor contrast can tell."""
    image = image.clone()
    for row, sign in ((0, 1), (-1, -1)):
        image[0, row] -= 0.3 * sign
        image[2, row] += 0.3 * sign
    return image


def test_what_makes_a_small_blue_disc_wrong():
    task, images = means(0.4)
    dirty = stained(images[3])
    found, right = judged(task, torch.stack([images[3], images[2], images[1], dirty]), 0.4)
    assert right[3].tolist() == [True, False, False, False]
    torch.testing.assert_close(found[3], found[0])
    grey = torch.full_like(dirty, 0.9)
    found, right = judged(task, grey[None], 0.4)
    assert found.isnan().all()
    assert not torch.stack(right).any()


def test_surroundings_count_for_small_discs_only():
    task, images = means(0.4)
    dirty = stained(images[2])
    found, right = judged(task, dirty[None], 0.4)
    assert read_discs(dirty, torch.tensor(0.4, dtype=torch.float64)).halo > 0.1
    assert right[2]
    torch.testing.assert_close(found[0], torch.tensor([1.0, 0.0], dtype=torch.float64), atol=0.015, rtol=0)


def test_combinations_are_numbered_as_the_task_has_them():
    named = [f"{('red', 'blue')[int(c)]} {('large', 'small')[int(z)]}" for c, z in wanted_coordinates()]
    assert tuple(named) == COMBINATIONS
