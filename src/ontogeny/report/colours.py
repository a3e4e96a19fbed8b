"""Colours by role: a figure names what a colour means, and each theme says how that looks.

A colour is written as a token, such as `category-0`, `level-0.500` or `grey`, with an optional opacity behind a slash
(`grey/0.2`). Tokens are resolved by `colour` for one theme, so that one figure serves a light page, a dark one and
paper. Categories and levels have a contrast of at least 3 against the surface, text of at least 4.5, and the first
six categories stay apart under simulated protanopia, deuteranopia and tritanopia.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

ROLES: dict[Theme, dict[str, str]] = {
    "light": {
        "surface": "#ffffff",
        "ink": "#1c1b1a",
        "muted": "#63605b",
        "grid": "#e9e6e0",
        "grey": "#86827b",
        "accent": "#1f5fa8",
        "good": "#11755f",
        "bad": "#b8401a",
        "unsure": "#7d6100",
        "void": "#7a3a86",
    },
    "dark": {
        "surface": "#191a1d",
        "ink": "#eceae6",
        "muted": "#a6a39d",
        "grid": "#303237",
        "grey": "#8f8c87",
        "accent": "#7fb2f0",
        "good": "#52c3a5",
        "bad": "#f2936b",
        "unsure": "#d9b64c",
        "void": "#d29adf",
    },
}
CATEGORIES: dict[Theme, tuple[str, ...]] = {
    "light": ("#1f5fa8", "#c24d17", "#11806a", "#a93f83", "#ab8c00", "#3d97bd", "#5b3f8f", "#6d6d6d"),
    "dark": ("#6ea8f2", "#f08c56", "#3fb598", "#e08bc8", "#dcbb4a", "#9adcf5", "#ab92e6", "#b0b0b0"),
}
SEQUENTIAL: dict[Theme, tuple[str, ...]] = {  # from the surface to what stands out most from it
    "light": ("#f8f1e3", "#f1cf9c", "#e39a58", "#c75a4b", "#8f2f63", "#3d1a50"),
    "dark": ("#221f2b", "#4a2a63", "#8e3b78", "#d25d68", "#f29c5e", "#fbe6a8"),
}
DIVERGING: dict[Theme, tuple[str, ...]] = {
    "light": ("#0e3f78", "#3f83c4", "#a9cbe6", "#f5f2ec", "#f0b48c", "#cf6428", "#7f2f08"),
    "dark": ("#a5d0ff", "#4f94dd", "#2b5383", "#26272b", "#86492a", "#e07b42", "#ffc9a3"),
}
FAINTEST = 0.5  # where levels begin on the sequential scale: below it a thin line is lost on the surface


def category(index: int) -> str:
    """The colour of an unordered level: eight, then from the start again."""
    return f"category-{index % len(CATEGORIES['light'])}"


def level(index: int, of: int) -> str:
    """The colour of an ordered level, `index` from 0 among `of`: the higher, the farther from the background."""
    return f"level-{index / max(of - 1, 1):.3f}"


def fade(token: str, opacity: float | int | np.number) -> str:
    """A colour with an opacity from 0 to 1."""
    return f"{token.split('/')[0]}/{opacity:g}"


def scale(kind: str) -> list[tuple[float, str]]:
    """A colour scale as stops: `sequential` or `diverging`."""
    stops = {"sequential": SEQUENTIAL, "diverging": DIVERGING}[kind]["light"]
    return [(float(t), f"{kind}-{t:.3f}") for t in np.linspace(0, 1, len(stops))]


def rgb(token: str, theme: Theme) -> tuple[int, int, int]:
    """A token as red, green and blue from 0 to 255.

    Raises: `KeyError` or `ValueError` for what is no token.
    """
    name = token.split("/")[0]
    if name in ROLES[theme]:
        return _hex(ROLES[theme][name])
    kind, _, number = name.partition("-")
    match kind:
        case "category":
            return _hex(CATEGORIES[theme][int(number)])
        case "level":
            return _along(SEQUENTIAL[theme], FAINTEST + (1 - FAINTEST) * float(number))
        case "sequential":
            return _along(SEQUENTIAL[theme], float(number))
        case "diverging":
            return _along(DIVERGING[theme], float(number))
    raise KeyError(f"no colour {token!r}")


def opacity(token: str) -> float:
    """The opacity of a token, 1 where it names none."""
    _, _, after = token.partition("/")
    return float(after) if after else 1.0


def css(token: str, theme: Theme) -> str:
    """A token as CSS writes it."""
    red, green, blue = rgb(token, theme)
    return f"#{red:02x}{green:02x}{blue:02x}" if opacity(token) == 1 else f"rgba({red},{green},{blue},{opacity(token)})"


def is_colour(token: str) -> bool:
    """Whether a string names a colour."""
    try:
        rgb(token, "light")
        opacity(token)
    except (KeyError, ValueError, IndexError):
        return False
    return True


def _hex(code: str) -> tuple[int, int, int]:
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


def _along(stops: Sequence[str], t: float) -> tuple[int, int, int]:
    at = np.linspace(0, 1, len(stops))
    red, green, blue = (round(float(np.interp(t, at, channel))) for channel in zip(*map(_hex, stops), strict=True))
    return red, green, blue
