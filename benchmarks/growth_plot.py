"""Time a model-step and memory against the number of members."""

from look import COLOURS, legend, line, styled
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

Series = dict[str, dict[int, float]]  # by way, then by members


def growth_plot(found: dict[int, tuple[Series, Series]]) -> Figure:
    """A column for each width: milliseconds a model-step above, megabytes below."""
    ways = [way for way in COLOURS if any(way in each for each, _ in found.values())]
    with styled():
        canvas = Figure(figsize=(7.2, 4.4), layout="constrained")
        grid = canvas.subplots(2, len(found), sharex=True, sharey="row", squeeze=False)
        for i, (width, (each, memory)) in enumerate(found.items()):
            for way in ways:
                line(grid[0, i], list(each[way]), list(each[way].values()), way)
            for way, bytes_held in memory.items():
                line(grid[1, i], list(bytes_held), list(bytes_held.values()), "eager" if way == "ours" else way)
            counts = list(each[ways[0]])
            grid[0, i].set_title(f"width {width}")
            grid[1, i].set_xlabel("members")
            for axes in grid[:, i]:
                axes.set(xscale="log", yscale="log")
                axes.xaxis.set_major_locator(FixedLocator(counts))
                axes.xaxis.set_minor_locator(NullLocator())
                axes.yaxis.set_minor_locator(NullLocator())
                for axis in (axes.xaxis, axes.yaxis):
                    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        grid[0, 0].set_ylabel("ms a model-step")
        grid[1, 0].set_ylabel("MB")
        legend(canvas, ways)
    return canvas
