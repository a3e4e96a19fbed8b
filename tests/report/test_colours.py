"""Oracles: the contrast formula of WCAG 2 and the colour-vision matrices of Machado et al. (2009), severity 1."""

from itertools import combinations

import numpy as np
import pytest

from ontogeny.report.colours import CATEGORIES, THEMES, category, css, fade, is_colour, level, rgb, scale

BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def linear(token, theme):
    share = np.array(rgb(token, theme)) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def contrast(a, b, theme):
    low, high = sorted(float(linear(token, theme) @ [0.2126, 0.7152, 0.0722]) for token in (a, b))
    return (high + 0.05) / (low + 0.05)


def lab(light):
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ light
    xyz = xyz / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_contrast_is_at_most_21():
    # the surface is white: (1 + .05) / (luminance of ink + .05), and ink is nearly black
    assert 16 < contrast("ink", "surface", "light") < 21
    assert contrast("surface", "surface", "light") == 1


@pytest.mark.parametrize("theme", THEMES)
def test_what_is_drawn_stands_out_from_the_background(theme):
    drawn = [category(i) for i in range(8)] + [level(i, of=6) for i in range(6)] + ["grey", "accent"]
    assert {t: c for t in drawn if (c := contrast(t, "surface", theme)) < 3} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read(theme):
    words = ("ink", "muted", "accent", "good", "bad", "unsure", "void")
    assert {t: c for t in words if (c := contrast(t, "surface", theme)) < 4.5} == {}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("blindness", BLIND)
def test_the_first_six_categories_stay_apart_for_the_colour_blind(theme, blindness):
    seen = [lab(np.clip(BLIND[blindness] @ linear(category(i), theme), 0, 1)) for i in range(6)]
    distance = {(i, j): np.linalg.norm(seen[i] - seen[j]) for i, j in combinations(range(6), 2)}
    assert {pair: d for pair, d in distance.items() if d < 8} == {}  # 2.3 is just noticeable


@pytest.mark.parametrize("theme", THEMES)
def test_scales_grow_away_from_the_background(theme):
    steps = [contrast(token, "surface", theme) for _, token in scale("sequential")]
    assert steps == sorted(steps)


def test_tokens():
    assert css("category-0", "light") == CATEGORIES["light"][0]
    assert css(fade("category-0", 0.25), "light") == "rgba(31,95,168,0.25)"  # 0x1f, 0x5f, 0xa8
    assert level(0, of=1) == "level-0.000"
    assert category(9) == category(1)
    assert not any(is_colour(word) for word in ("blue", "category-99", "level-x", ""))
