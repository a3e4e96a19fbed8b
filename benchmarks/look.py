"""How the benchmark's pictures look: few lines, named where they end, readable in small."""

from typing import Any

import matplotlib as mpl
from matplotlib.lines import Line2D

COLOURS = {
    "compiled": "#0b6e4f",
    "eager": "#5fb896",
    "loop": "#8a8f98",
    "compiled loop": "#5b5f66",
    "vmap": "#c2571a",
    "processes": "#7a4fa3",
    "JAX": "#2b6cb0",
}
NAMES = {"compiled": "ours, compiled", "eager": "ours, eager"}
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#b8bcc4",
    "axes.labelcolor": "#3a3d42",
    "axes.titlesize": 9,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8eaee",
    "grid.linewidth": 0.6,
    "xtick.color": "#5b5f66",
    "ytick.color": "#5b5f66",
    "xtick.minor.bottom": False,
    "ytick.minor.left": False,
    "svg.fonttype": "none",
}


def styled():
    """A context in which pictures are drawn."""
    return mpl.rc_context(STYLE)


def line(axes, x, y, way: str, **how) -> None:
    """The line of one way, ours thicker than the others."""
    own = way in NAMES
    axes.plot(
        x, y, color=COLOURS[way], lw=2.0 if own else 1.3, marker="o", ms=4 if own else 3, zorder=3 if own else 2, **how
    )


def legend(canvas, ways: list[str]) -> None:
    """All ways, above the panels."""
    handles = [Line2D([], [], color=COLOURS[w], lw=2.0 if w in NAMES else 1.3, marker="o", ms=4) for w in ways]
    labels = [NAMES.get(way, way) for way in ways]
    canvas.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, handlelength=1.4)
