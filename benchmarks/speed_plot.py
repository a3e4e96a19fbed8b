"""The speed over the loop, by width, a panel for every number of members."""

from collections.abc import Sequence
from typing import Any

from look import COLOURS, legend, line, styled
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

FACTORS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)


def speed_plot(rows: Sequence[Any]) -> Figure | None:
    """The transformers of the table, the first of each width; nothing without the loop."""
    first: dict[tuple[int, int], Any] = {}
    for row in rows:
        if row.size.network == "transformer" and "loop" in row.turns.taken:
            first.setdefault((row.members, row.size.width), row)
    if not first:
        return None
    counts, widths = (sorted(set(keys)) for keys in zip(*first, strict=True))
    ways = [way for way in COLOURS if any(way in row.turns.taken for row in first.values())]
    with styled():
        canvas = Figure(figsize=(7.2, 3.3), layout="constrained")
        panels = canvas.subplots(1, len(counts), sharey=True, squeeze=False)[0]
        for axes, members in zip(panels, counts, strict=True):
            mine = {width: first[members, width] for width in widths if (members, width) in first}
            for way in ways:
                speeds = {w: row.turns.ratio("loop", way) for w, row in mine.items() if way in row.turns.taken}
                line(axes, list(speeds), list(speeds.values()), way)
            axes.set(xscale="log", yscale="log", title="one member" if members == 1 else f"{members} members")
            axes.set_xlabel("width")
            for axis, places in ((axes.xaxis, widths), (axes.yaxis, FACTORS)):
                axis.set_major_locator(FixedLocator(places))
                axis.set_minor_locator(NullLocator())
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.margins(x=0.08)
        panels[0].set_ylabel("times as fast as the loop")
        legend(canvas, ways)
    return canvas
