"""Figures on paper: Matplotlib, at the width of a column or a page, with fonts embedded."""

import io
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from ontogeny.errors import UserError
from ontogeny.report.axes import Scale, extent_of, number, scale_of, ticks_of
from ontogeny.report.colours import fade, opacity, rgb, scale
from ontogeny.report.figure import (
    Axis,
    Band,
    Contour,
    Figure,
    Heatmap,
    Line,
    Mark,
    Panel,
    Points,
    Rule,
    Series,
    Shade,
    Text,
    palette_of,
)
from ontogeny.report.legend import Entry, legend_of

Width = Literal["column", "page"]
INCHES: dict[Width, float] = {"column": 3.35, "page": 6.9}
STAMPS: dict[str, dict] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": {}}
FONTS = ("Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")
DASHES = {"solid": "-", "dash": (0, (4, 2)), "dot": (0, (1, 1.6))}
SYMBOLS = {"circle": "o", "square": "s", "diamond": "D", "cross": "P", "x": "X", "ring": "o"}
FINE = 1_000  # cells of a heat map from which it is a picture inside the drawing
THIN = 0.62  # a line of the page is this much thinner on paper


def save(figure: Figure, path: str | Path, *, width: Width = "page") -> Path:
    """Writes a figure as `.pdf`, `.svg` or `.png` (300 dpi), without its title and caption, which papers set in type.

    The same figure is the same file: it carries no date. Raises: `UserError` for any other suffix.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in STAMPS:
        got = path.suffix or "a file without a suffix"
        raise UserError(f"cannot write a figure as {got}: use {', '.join(STAMPS)}")
    with mpl.rc_context(_style()):
        draw(figure, width=width).savefig(path, metadata=STAMPS[kind], dpi=300)
    return path


def svg(figure: Figure, *, width: Width = "page") -> str:
    """A figure as SVG, as `save` writes it, but with pictures inside it at 200 dpi."""
    file = io.StringIO()
    with mpl.rc_context(_style()):
        draw(figure, width=width).savefig(file, format="svg", metadata=STAMPS[".svg"], dpi=200)
    return file.getvalue()


def draw(figure: Figure, *, width: Width = "page") -> Canvas:
    """A figure as a Matplotlib one, to save or to go on drawing on."""
    across = 1 if width == "column" else figure.across
    down = -(-len(figure.panels) // across)
    entries = legend_of(figure)
    with mpl.rc_context(_style()):
        wide = INCHES[width]
        tall = down * (figure.aspect * wide / across + 0.42) + (0.32 if entries else 0)
        canvas = Canvas(figsize=(wide, tall), layout="constrained")
        canvas.get_layout_engine().set(w_pad=0.06, h_pad=0.05, wspace=0.03, hspace=0.04)  # type: ignore[union-attr]
        grid = canvas.subplots(down, across, squeeze=False).ravel()
        for axes, panel in zip(grid, figure.panels, strict=False):
            _Drawing(axes, panel, palette_of(figure), float(figure.aspect)).draw()
        for axes in grid[len(figure.panels) :]:
            axes.remove()
        if entries:
            _legend(canvas, figure.legend, entries, wide)
    return canvas


class _Drawing:
    """One panel on one pair of axes."""

    def __init__(self, axes: Axes, panel: Panel, palette: dict[str, str], aspect: float) -> None:
        self.axes, self.panel, self.palette, self.aspect = axes, panel, palette, aspect
        self.x, self.y = scale_of(panel, "x"), scale_of(panel, "y")

    def draw(self) -> None:
        """Axes first, for marks are placed along them."""
        self._frame()
        for order, mark in enumerate(self.panel.marks):
            self._mark(mark, 2 + order * 0.01)

    def _frame(self) -> None:
        axes, panel = self.axes, self.panel
        for side, spec, along in (("x", panel.x, self.x), ("y", panel.y, self.y)):
            if along.log:
                getattr(axes, f"set_{side}scale")("log")
            getattr(axes, f"set_{side}lim")(along.low, along.high)
            _ticks(getattr(axes, f"{side}axis"), spec, along)
        axes.set_xlabel(panel.x.text)
        axes.set_ylabel(panel.y.text)
        if panel.title:
            axes.set_title(panel.title)
        filled = any(isinstance(m, Heatmap | Contour) for m in panel.marks)
        if panel.equal:
            self._equal(filled)
        if filled or panel.y.ticks == ():
            axes.grid(False)

    def _equal(self, filled: bool) -> None:
        """Makes a unit as long along both axes: by the shape of the box where it is filled, else by wider limits."""
        wide, tall = self.x.high - self.x.low, self.y.high - self.y.low
        if filled:
            self.axes.set_box_aspect(tall / wide)
            return
        self.axes.set_box_aspect(self.aspect)
        across, up = max(wide, tall / self.aspect) / 2, max(tall, wide * self.aspect) / 2
        centre = ((self.x.low + self.x.high) / 2, (self.y.low + self.y.high) / 2)
        self.axes.set(xlim=(centre[0] - across, centre[0] + across), ylim=(centre[1] - up, centre[1] + up))

    def _colour(self, mark: Any) -> tuple[float, float, float, float]:
        given = mark.colour or (self.palette.get(mark.name) if isinstance(mark, Series) else None)
        return _rgba(given or "accent")

    def _mark(self, mark: Mark, order: float) -> None:
        axes, x, y = self.axes, self.x, self.y
        match mark:
            case Line():
                look: dict[str, Any] = dict(ls=DASHES[mark.dash], lw=mark.width * THIN, alpha=mark.opacity)
                axes.plot(x.place(mark.x), y.place(mark.y), color=self._colour(mark), zorder=order, **look)
            case Band():
                between = (x.place(mark.x), y.place(mark.low), y.place(mark.high))
                axes.fill_between(*between, color=self._colour(mark), alpha=mark.opacity, lw=0, zorder=order)
            case Points():
                self._points(mark, order)
            case Heatmap():
                self._heatmap(mark, order)
            case Contour():
                self._contour(mark, order)
            case Rule() | Shade():
                self._reference(mark, order)
            case Text():
                spots = {"over": (0, 4, "center", "bottom"), "under": (0, -4, "center", "top")}
                spots |= {"left": (-5, 0, "right", "center"), "right": (5, 0, "left", "center")}
                dx, dy, across, up = spots[mark.anchor]
                at = (float(x.place(mark.x)), float(y.place(mark.y)))
                axes.annotate(
                    mark.text, at, (dx, dy), textcoords="offset points", ha=across, va=up, color=self._colour(mark)
                )
            case _:
                raise AssertionError(mark)

    def _points(self, mark: Points, order: float) -> None:
        x, y, colour = self.x.place(mark.x), self.y.place(mark.y), self._colour(mark)
        if mark.low is not None and mark.high is not None:
            ends = (self.y.place(mark.low), self.y.place(mark.high))
            self.axes.vlines(x, *ends, colors=[colour], lw=1.1, alpha=mark.opacity, zorder=order)
        look: dict[str, Any] = dict(s=(mark.size * 0.72) ** 2, marker=SYMBOLS[mark.symbol], alpha=mark.opacity)
        edge = _rgba("surface")
        if mark.values is not None:
            norm, colours = self._scale(mark.values, mark.scale, mark.palette)
            seen = self.axes.scatter(
                x, y, c=mark.values, norm=norm, cmap=colours, lw=0.3, edgecolors=_rgba("muted"),
                zorder=order, **look,
            )  # fmt: skip
            self._bar(seen, mark.scale)
        elif mark.symbol == "ring":
            self.axes.scatter(x, y, facecolors="none", edgecolors=[colour], lw=1.1, zorder=order, **look)
        else:
            self.axes.scatter(x, y, color=[colour], lw=0.5, edgecolors=[edge], zorder=order, **look)

    def _heatmap(self, mark: Heatmap, order: float) -> None:
        cells = (self.x.edges(mark.x), self.y.edges(mark.y))
        look: dict[str, Any] = dict(
            zorder=order - 1, edgecolors="none", linewidth=0, rasterized=mark.values.size > FINE
        )
        if not mark.categories:
            norm, colours = self._scale(mark.values, mark.scale, mark.palette)
            shown = np.ma.masked_invalid(mark.values)
            self._bar(self.axes.pcolormesh(*cells, shown, norm=norm, cmap=colours, **look), mark.scale)
            return
        weight = np.ones_like(mark.values) if mark.opacity is None else np.clip(mark.opacity, 0, 1)
        for index in range(len(mark.categories)):
            colour = _rgba(mark.colour_of(index))
            # The blend with the surface, not a transparency: neighbouring transparent cells show seams on paper.
            colours = LinearSegmentedColormap.from_list("fade", [_rgba("surface")[:3], colour[:3]])
            shown = np.ma.masked_where(mark.values != index, weight)
            self.axes.pcolormesh(*cells, shown, norm=Normalize(0, 1), cmap=colours, **look)

    def _contour(self, mark: Contour, order: float) -> None:
        norm, colours = self._scale(mark.values, mark.scale, mark.palette)
        low, high = extent_of(mark.values.ravel(), mark.scale)
        steps = (np.geomspace if mark.scale.log else np.linspace)(low, high, mark.levels + 1)
        at = (self.x.place(mark.x), self.y.place(mark.y), np.ma.masked_invalid(mark.values))
        look: dict[str, Any] = dict(levels=steps, norm=norm, zorder=order - 1)
        filled = self.axes.contourf(*at, cmap=colours, extend="both" if mark.scale.limits else "neither", **look)
        line = _rgba(fade("ink", 0.25))
        self.axes.contour(*at, colors=[line], linewidths=0.35, **look)
        self._bar(filled, mark.scale)

    def _reference(self, mark: Rule | Shade, order: float) -> None:
        axes, colour, upright = self.axes, self._colour(mark), mark.x is not None
        along = self.x if upright else self.y
        if isinstance(mark, Rule):
            at = float(along.place(mark.x if upright else mark.y))  # type: ignore[arg-type]
            (axes.axvline if upright else axes.axhline)(at, color=colour, ls=DASHES[mark.dash], lw=0.8, zorder=order)
        else:
            low, high = along.span((mark.x if upright else mark.y) or (0, 0))
            (axes.axvspan if upright else axes.axhspan)(low, high, color=colour, alpha=mark.opacity, lw=0, zorder=1)
            at = along.middle(low, high)
        if not mark.label:
            return
        halo = [withStroke(linewidth=2, foreground=_rgba("surface"))]
        look: dict[str, Any] = dict(color=_rgba("muted"), fontsize=6.5, va="bottom", path_effects=halo, zorder=9)
        look["textcoords"] = "offset points"
        if upright:
            share = along.share(at)
            side = "left" if share < 0.35 else "right" if share > 0.65 else "center"
            axes.annotate(mark.label, (at, 1), (0, 2), xycoords=("data", "axes fraction"), ha=side, **look)
        else:
            axes.annotate(mark.label, (1, at), (-2, 2), xycoords=("axes fraction", "data"), ha="right", **look)

    def _scale(self, values: np.ndarray, spec: Axis, palette: str) -> tuple[Normalize, LinearSegmentedColormap]:
        low, high = extent_of(values.ravel(), spec)
        stops = [(t, _rgba(token)) for t, token in scale(palette)]
        return (LogNorm if spec.log else Normalize)(low, high), LinearSegmentedColormap.from_list(palette, stops)

    def _bar(self, shown: Any, spec: Axis) -> None:
        if not spec.label:
            return
        beside = self.axes.inset_axes((1.03, 0, 0.035, 1))
        bar = self.axes.figure.colorbar(shown, cax=beside, spacing="proportional")
        bar.outline.set_visible(False)  # type: ignore[operator]
        bar.ax.tick_params(length=0, which="both")
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.set_label(spec.text)
        ticks = ticks_of(shown.norm.vmin, shown.norm.vmax, spec)
        if ticks is None:
            bar.ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
            bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: number(round(v, 12))))
        else:
            bar.ax.yaxis.set_major_locator(FixedLocator([at for at, _ in ticks]))
            bar.ax.set_yticklabels([text for _, text in ticks])


def _ticks(axis: Any, spec: Axis, along: Scale) -> None:
    axis.set_minor_locator(NullLocator())
    if along.ticks is None:
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda v, _: number(round(v, 12))))
    else:
        axis.set_major_locator(FixedLocator([at for at, _ in along.ticks]))
        axis.set_ticklabels([text for _, text in along.ticks])


def _legend(canvas: Canvas, title: str, entries: list[Entry], wide: float) -> None:
    handles = [_handle(entry) for entry in entries]
    longest = max(len(entry.name) for entry in entries)
    columns = max(1, min(len(entries) + bool(title), int(wide / (0.42 + 0.068 * longest))))
    if title:
        handles.insert(0, Patch(alpha=0, label=f"{title}:"))
    canvas.legend(handles=handles, loc="outside upper left", ncols=columns, handletextpad=0.5, columnspacing=1.2)


def _handle(entry: Entry) -> Any:
    colour = _rgba(entry.colour)
    if entry.cell:
        return Patch(color=colour, label=entry.name)
    if entry.line is None and entry.points is None and entry.band is not None:
        return Patch(color=colour, alpha=max(entry.band.opacity, 0.3), lw=0, label=entry.name)
    line: Any = DASHES[entry.line.dash] if entry.line else "none"
    marker = SYMBOLS[entry.points.symbol] if entry.points else "none"
    face = "none" if entry.points and entry.points.symbol == "ring" else colour
    return Line2D([], [], color=colour, ls=line, lw=1.4, marker=marker, ms=4.2, mfc=face, label=entry.name)


def _rgba(token: str) -> tuple[float, float, float, float]:
    red, green, blue = (channel / 255 for channel in rgb(token, "light"))
    return red, green, blue, opacity(token)


def _style() -> Any:
    there = set(font_manager.get_font_names())
    ink, muted, grid, surface = (_rgba(role) for role in ("ink", "muted", "grid", "surface"))
    return {
        "font.family": [font for font in FONTS if font in there],
        "font.size": 7.5,
        "text.parse_math": False,
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.labelsize": 7.5,
        "axes.titlesize": 8,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 11,
        "axes.edgecolor": muted,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.facecolor": surface,
        "figure.facecolor": surface,
        "grid.color": grid,
        "grid.linewidth": 0.5,
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "xtick.major.size": 2.5,
        "ytick.major.size": 0,
        "xtick.major.width": 0.6,
        "legend.frameon": False,
        "legend.fontsize": 7.5,
        "lines.solid_capstyle": "round",
        "pdf.fonttype": 42,
        "svg.fonttype": "path",
        "svg.hashsalt": "ontogeny",
    }
