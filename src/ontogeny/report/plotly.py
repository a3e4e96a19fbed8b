"""Figures on the page: a Plotly plot a panel, as plain JSON data whose colours the page fills in for its theme.

A colour stands there as `@` and its token (`@category-0/0.18`): `colours_in` finds them all, so that a page can carry
the table of each theme and change from one to the other without drawing anew. Titles, the labels of y axes
and colour bars, and the legend are set by the page around the plot.
"""

import html
from collections.abc import Mapping
from typing import Any

import numpy as np

from ontogeny.report.axes import Scale, extent_of, number, scale_of, ticks_of
from ontogeny.report.colours import fade, scale
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

MANY = 4_000  # points of a mark from which WebGL draws them: a page has room for a few such panels
BAR = 64  # pixels that a colour bar takes with its numbers
DASHES = {"solid": "solid", "dash": "6px,4px", "dot": "1.5px,3px"}
SYMBOLS = {"circle": "circle", "square": "square", "diamond": "diamond", "cross": "cross", "x": "x"}
SYMBOLS |= {"ring": "circle-open"}
ANCHORS = {"over": ("center", "bottom", 0, 4), "under": ("center", "top", 0, -4)}
ANCHORS |= {"left": ("right", "middle", -6, 0), "right": ("left", "middle", 6, 0)}


def panels_of(figure: Figure) -> list[dict[str, Any]]:
    """Every panel as `{"data": traces, "layout": layout}`. A trace's `legendgroup` is its name in the legend."""
    palette = palette_of(figure)
    panels = [_panel(panel, palette) for panel in figure.panels]
    if any(panel.equal for panel in figure.panels) and any(map(bar_of, figure.panels)):
        for panel in panels:  # maps of one figure are of one size, whether or not they have a colour bar
            panel["layout"]["margin"]["r"] = BAR
    return panels


def bar_of(panel: Panel) -> Axis | None:
    """What the colour bar of a panel shows, if it has one."""
    scales = [m.scale for m in panel.marks if isinstance(m, Points | Heatmap | Contour)]
    return next((scale for scale in scales if scale.label), None)


def colours_in(value: Any) -> set[str]:
    """The colours that plain JSON data ask for, without their `@`."""
    match value:
        case str():
            return {value[1:]} if value.startswith("@") else set()
        case dict():
            return set().union(*map(colours_in, value.values()))
        case [int() | float() | None, _, _, *_]:
            return set()  # numbers: a list that is longer than a stop of a colour scale
        case list():
            return set().union(*map(colours_in, value))
    return set()


def text(words: str) -> str:
    """Words as Plotly shows them literally: it reads a little HTML, and `%{...}` in what appears on hovering."""
    return html.escape(words, quote=False).replace("{", "&#123;").replace("@", "&#64;").replace("$", "&#36;")


def _panel(panel: Panel, palette: dict[str, str]) -> dict[str, Any]:
    x, y = scale_of(panel, "x"), scale_of(panel, "y")
    traces, shapes, notes = [], [], []
    for mark in panel.marks:
        colour = _colour(mark, palette)
        match mark:
            case Rule() | Shade():
                shapes.append(_shape(mark, x, y, colour))
                notes += _label(mark, x, y)
            case Text():
                notes.append(_note(mark, x, y, colour))
            case _:
                traces += [trace | _hover(trace, mark, panel) for trace in _traces(mark, x, y, colour)]
    filled = any(isinstance(m, Heatmap | Contour) for m in panel.marks)
    above = any(isinstance(m, Rule | Shade) and m.label and m.x is not None for m in panel.marks)
    layout = {
        "xaxis": _axis(panel.x, x, filled) | {"title": {"text": text(panel.x.text), "standoff": 8}},
        "yaxis": _axis(panel.y, y, filled),
        "shapes": shapes,
        "annotations": notes,
        "margin": {"l": 8, "r": 8 if bar_of(panel) else 14, "t": 20 if above else 8, "b": 8},
        "showlegend": False,
        "hovermode": "closest",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "@muted", "size": 12},
        "hoverlabel": {"bgcolor": "@surface", "bordercolor": "@grid", "font": {"color": "@ink"}, "align": "left"},
    }
    if panel.equal:
        layout["yaxis"] |= {"scaleanchor": "x", "scaleratio": 1}
        for axis in ("xaxis", "yaxis"):
            layout[axis] |= {"constrain": "domain" if filled else "range"}
        layout["yaxis"] |= {"constraintoward": "top"} if filled else {}
    return {"data": traces, "layout": layout}


def _colour(mark: Mark, palette: dict[str, str]) -> str:
    named = palette.get(mark.name) if isinstance(mark, Series) else None
    return getattr(mark, "colour", None) or named or "accent"


def _axis(spec: Axis, along: Scale, filled: bool) -> dict[str, Any]:
    window = np.log10([along.low, along.high]) if along.log else np.array([along.low, along.high])
    axis: dict[str, Any] = {
        "type": "log" if along.log else "linear",
        "range": window.tolist(),
        "automargin": True,
        "gridcolor": "@grid",
        "showgrid": not filled and spec.ticks != (),
        "zeroline": False,
        "linecolor": "@muted",
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "@grid",
        "nticks": 6,
        "separatethousands": True,
        "exponentformat": "power",
    }
    if along.ticks is not None:
        axis |= {"tickmode": "array", "tickvals": [at for at, _ in along.ticks]}
        axis |= {"ticktext": [text(words) for _, words in along.ticks]}
        axis |= {} if along.ticks else {"ticks": ""}
    return axis


def _traces(mark: Mark, x: Scale, y: Scale, colour: str) -> list[dict[str, Any]]:
    match mark:
        case Line():
            line = {"color": f"@{colour}", "width": mark.width, "dash": DASHES[mark.dash]}
            at = {"x": _list(x.place(mark.x)), "y": _list(y.place(mark.y))}
            return [{"type": _kind(mark.x), "mode": "lines", **at, "line": line, "opacity": mark.opacity}]
        case Band():
            return _band(mark, x, y, colour)
        case Points():
            return [_points(mark, x, y, colour)]
        case Heatmap():
            return _heatmap(mark, x, y)
        case Contour():
            return [_contour(mark, x, y)]
    raise AssertionError(mark)


def _band(mark: Band, x: Scale, y: Scale, colour: str) -> list[dict[str, Any]]:
    """Its lower edge, and its upper edge filled down to it; in pieces, for a gap would be bridged."""
    low, high, at = y.place(mark.low), y.place(mark.high), x.place(mark.x)
    there = np.isfinite(low) & np.isfinite(high) & np.isfinite(at)
    starts = np.flatnonzero(np.diff(there.astype(int), prepend=0, append=0))
    traces = []
    for start, stop in starts.reshape(-1, 2):
        shared = {"type": "scatter", "mode": "lines", "x": _list(at[start:stop]), "line": {"width": 0}}
        traces.append(shared | {"y": _list(low[start:stop]), "hoverinfo": "skip"})
        fill = {"fill": "tonexty", "fillcolor": f"@{fade(colour, mark.opacity)}", "hoverinfo": "skip"}
        traces.append(shared | {"y": _list(high[start:stop])} | fill)
    return traces


def _points(mark: Points, x: Scale, y: Scale, colour: str) -> dict[str, Any]:
    look: dict[str, Any] = {"symbol": SYMBOLS[mark.symbol], "size": mark.size * 1.25, "color": f"@{colour}"}
    look["line"] = {"width": 1.5 if mark.symbol == "ring" else 0.6, "color": "@surface"}
    trace: dict[str, Any] = {"type": _kind(mark.x), "mode": "markers", "marker": look, "opacity": mark.opacity}
    trace |= {"x": _list(x.place(mark.x)), "y": _list(y.place(mark.y))}
    if mark.symbol == "ring":
        look["line"]["color"] = f"@{colour}"
    if mark.values is not None:
        values, bar = _scaled(mark.values, mark.scale, mark.palette, "c")
        look |= bar | {"color": values, "line": {"width": 0.6, "color": "@muted"}}
        trace |= {"text": _read(mark.values)}
    if mark.low is not None and mark.high is not None:
        low, high, centre = y.place(mark.low), y.place(mark.high), y.place(mark.y)
        whisker = {"type": "data", "symmetric": False, "thickness": 1.4, "width": 0, "color": f"@{colour}"}
        trace["error_y"] = whisker | {"array": _list(high - centre), "arrayminus": _list(centre - low)}
    return trace


def _heatmap(mark: Heatmap, x: Scale, y: Scale) -> list[dict[str, Any]]:
    cells = {"type": "heatmap", "x": _list(x.place(mark.x)), "y": _list(y.place(mark.y))}
    if not mark.categories:
        values, bar = _scaled(mark.values, mark.scale, mark.palette, "z")
        return [cells | bar | {"z": values, "text": _read(mark.values), "hoverongaps": False}]
    weight = np.ones_like(mark.values) if mark.opacity is None else np.clip(mark.opacity, 0, 1)
    traces = []
    for index, name in enumerate(mark.categories):
        colour = mark.colour_of(index)
        there = np.where(mark.values == index, weight, np.nan)
        stops = [[0.0, f"@{fade(colour, 0)}"], [1.0, f"@{colour}"]]
        look = {"zmin": 0, "zmax": 1, "colorscale": stops, "showscale": False, "hoverongaps": False}
        traces.append(cells | look | {"z": _list(there), "name": name})
    return traces


def _contour(mark: Contour, x: Scale, y: Scale) -> dict[str, Any]:
    values, bar = _scaled(mark.values, mark.scale, mark.palette, "z")
    low, high = bar["zmin"], bar["zmax"]
    steps = {"start": low, "end": high, "size": (high - low) / mark.levels, "coloring": "fill"}
    at = {"x": _list(x.place(mark.x)), "y": _list(y.place(mark.y)), "z": values}
    line = {"color": f"@{fade('ink', 0.25)}", "width": 0.6}
    shown = {"text": _read(mark.values), "autocontour": False, "contours": steps, "line": line}
    return {"type": "contour", **at, **bar, **shown}


def _scaled(values: np.ndarray, spec: Axis, palette: str, letter: str) -> tuple[list, dict[str, Any]]:
    """Values as they are coloured (their logarithms on a log scale), and the colour scale with its bar."""
    low, high = extent_of(values.ravel(), spec)
    ticks = ticks_of(low, high, spec)
    bar: dict[str, Any] = {"thickness": 10, "outlinewidth": 0, "ticks": "", "len": 1, "nticks": 6, "xpad": 8}
    bar |= {"separatethousands": True, "exponentformat": "power"}
    if spec.log:
        values = np.log10(np.where(values > 0, values, np.nan))
        low, high = float(np.log10(low)), float(np.log10(high))
    if ticks is not None:
        at = [float(np.log10(t)) if spec.log else t for t, _ in ticks]
        bar |= {"tickmode": "array", "tickvals": at, "ticktext": [text(words) for _, words in ticks]}
    stops = [[t, f"@{token}"] for t, token in scale(palette)]
    look: dict[str, Any] = {f"{letter}min": low, f"{letter}max": high, "colorscale": stops}
    return _list(values), look | ({"colorbar": bar} if spec.label else {"showscale": False})


def _hover(trace: dict[str, Any], mark: Mark, panel: Panel) -> dict[str, Any]:
    """The name of a trace, and what appears over its points: the name and every coordinate, as the axes write it."""
    name = trace.get("name") or (mark.name if isinstance(mark, Series) else "")
    if isinstance(mark, Band):
        return {"name": text(name), "legendgroup": name, "hoverinfo": "skip"}
    words = [f"<b>{text(name)}</b>"] if name else []
    across, up = np.asarray(getattr(mark, "x")), np.asarray(getattr(mark, "y"))  # noqa: B009
    written = any(isinstance(a.ticks, Mapping) for a in (panel.x, panel.y))
    written |= (panel.x.log and bool((across == 0).any())) or (panel.y.log and bool((up == 0).any()))
    extra: dict[str, Any] = {}
    if written:
        xs, ys = _written(across, panel.x), _written(up, panel.y)
        pairs = [list(pair) for pair in zip(xs, ys, strict=False)]
        extra["customdata"] = pairs if isinstance(mark, Series) else [[[a, b] for a in xs] for b in ys]
    for index, (letter, spec) in enumerate((("x", panel.x), ("y", panel.y))):
        if spec.ticks != ():
            shown = f"%{{customdata[{index}]}}" if written else f"%{{{letter}:,.4~g}}"
            words.append(f"{text(spec.text or letter)}: {shown}")
    if isinstance(mark, Heatmap) and mark.opacity is not None:
        words.append("%{z:.2f}")
    if "text" in trace:
        spec = getattr(mark, "scale")  # noqa: B009
        words.append(f"{text(spec.text or 'value')}: %{{text}}")
    return extra | {"name": text(name), "legendgroup": name, "hovertemplate": "<br>".join(words) + "<extra></extra>"}


def _written(values: np.ndarray, spec: Axis) -> list[str]:
    names = dict(spec.ticks) if isinstance(spec.ticks, Mapping) else {}
    return [text(names.get(v, number(v))) if np.isfinite(v) else "" for v in values.tolist()]


def _shape(mark: Rule | Shade, x: Scale, y: Scale, colour: str) -> dict[str, Any]:
    along, across = ("x", "y") if mark.x is not None else ("y", "x")
    low, high = _ends(mark, x, y)
    shape = {f"{across}ref": f"{across} domain", f"{across}0": 0, f"{across}1": 1, f"{along}0": low, f"{along}1": high}
    if isinstance(mark, Rule):
        return shape | {"type": "line", "line": {"color": f"@{colour}", "width": 1.2, "dash": DASHES[mark.dash]}}
    fill = {"fillcolor": f"@{fade(colour, mark.opacity)}", "line": {"width": 0}}
    return shape | {"type": "rect", "layer": "below", **fill}


def _ends(mark: Rule | Shade, x: Scale, y: Scale) -> tuple[float, float]:
    along, at = (x, mark.x) if mark.x is not None else (y, mark.y)
    if isinstance(at, tuple):
        return along.span(at)
    return float(along.place(at or 0.0)), float(along.place(at or 0.0))


def _label(mark: Rule | Shade, x: Scale, y: Scale) -> list[dict[str, Any]]:
    """The label of a reference: above the panel, or over the line at its right end."""
    if not mark.label:
        return []
    note = {"text": text(mark.label), "showarrow": False, "font": {"size": 11, "color": "@muted"}}
    low, high = _ends(mark, x, y)
    if mark.x is None:
        spot = {"x": 1, "xref": "x domain", "xanchor": "right", "y": _position(high, y), "yanchor": "bottom"}
        return [note | spot | {"bgcolor": f"@{fade('surface', 0.75)}", "borderpad": 1}]
    at = x.middle(low, high)
    side = "left" if x.share(at) < 0.35 else "right" if x.share(at) > 0.65 else "center"
    return [note | {"x": _position(at, x), "xanchor": side, "y": 1, "yref": "y domain", "yanchor": "bottom"}]


def _note(mark: Text, x: Scale, y: Scale, colour: str) -> dict[str, Any]:
    across, up, dx, dy = ANCHORS[mark.anchor]
    note = {"text": text(mark.text), "showarrow": False, "font": {"size": 12, "color": f"@{colour}"}}
    spot = {"x": _position(float(x.place(mark.x)), x), "y": _position(float(y.place(mark.y)), y)}
    return note | spot | {"xanchor": across, "yanchor": up, "xshift": dx, "yshift": dy}


def _position(at: float, along: Scale) -> float:
    """Where a note stands: Plotly asks for logarithms there, and only there."""
    return float(np.log10(at)) if along.log else at


def _read(values: np.ndarray) -> list:
    """Numbers as they are read on hovering."""
    return np.vectorize(lambda v: f"{v:.4g}", otypes=[object])(values).tolist()


def _kind(points: np.ndarray) -> str:
    return "scattergl" if len(points) > MANY else "scatter"


def _list(values: np.ndarray) -> list:
    """As JSON data, where what is not finite is `null`."""
    data = values.astype(object)
    data[~np.isfinite(values)] = None
    return data.tolist()
