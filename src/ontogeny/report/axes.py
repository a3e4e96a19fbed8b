"""Where the data of a panel lie along an axis: its extent, its ticks, and the place of zero where it is logarithmic.

Both renderers ask here, so that the page and the paper show the same window.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ontogeny.report.figure import Axis, Band, Contour, Heatmap, Line, Mark, Number, Panel, Points, Rule, Text

MARGIN = 0.04  # of the extent, kept free at either end of an axis of lines and points
ZERO_GAP = 0.12  # of a log axis, between its smallest positive value and the place of zero
MOST_TICKS = 6
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Scale:
    """An axis with its data: from `low` to `high`, with `zero` the place of 0 on a log axis that shows one."""

    low: float
    high: float
    log: bool
    zero: float | None
    ticks: tuple[tuple[float, str], ...] | None  # None: where the renderer likes them

    def place(self, values: np.ndarray | Number) -> np.ndarray:
        """Values as they are drawn: the same, but on a log axis 0 at its place and negative ones nowhere (NaN)."""
        values = np.asarray(values, dtype=np.float64)
        if not self.log:
            return values
        zero = np.nan if self.zero is None else self.zero
        return np.where(values > 0, values, np.where(values == 0, zero, np.nan))

    def span(self, ends: tuple[Number, Number]) -> tuple[float, float]:
        """An interval as far as the window shows it."""
        low, high = (float(end) for end in self.place(np.array(ends)))
        low, high = (self.low if np.isnan(low) else low), (self.low if np.isnan(high) else high)
        return max(low, self.low), min(high, self.high)

    def middle(self, low: float, high: float) -> float:
        """The middle of an interval, as it is seen."""
        return float(np.sqrt(low * high)) if self.log else (low + high) / 2

    def edges(self, centres: np.ndarray) -> np.ndarray:
        """The edges of cells around these centres, one more than there are centres; midway, on a log axis too."""
        at = np.log10(self.place(centres)) if self.log else centres
        between = (at[1:] + at[:-1]) / 2
        half = (at[1] - at[0], at[-1] - at[-2]) if len(at) > 1 else (1.0, 1.0)
        edges = np.concatenate([[at[0] - half[0] / 2], between, [at[-1] + half[1] / 2]])
        return 10**edges if self.log else edges

    def share(self, at: float) -> float:
        """How far along the axis a position is, from 0 to 1."""
        low, high, at = np.log10(np.array([self.low, self.high, at])) if self.log else (self.low, self.high, at)
        return float((at - low) / (high - low))


def scale_of(panel: Panel, axis: str) -> Scale:
    """The scale of a panel along `x` or `y`."""
    spec: Axis = getattr(panel, axis)
    values = np.concatenate([np.ravel(np.asarray(v, float)) for m in panel.marks for v in _along(m, axis)] or [[]])
    values = values[np.isfinite(values)]
    cells = [getattr(m, axis) for m in panel.marks if isinstance(m, Heatmap)]
    tight = bool(cells) or any(isinstance(m, Contour) for m in panel.marks)
    if not spec.log:
        bare = Scale(0.0, 1.0, False, None, None)
        edges = [bare.edges(centres) for centres in cells]
        low, high = spec.limits or _linear_extent(np.concatenate([values, *edges]), tight)
        return Scale(float(low), float(high), False, None, _named(spec, None))
    positive = values[values > 0]
    low, high = spec.limits or ((positive.min(), positive.max()) if len(positive) else (1.0, 10.0))
    low, high = (low / 2, high * 2) if low == high else (low, high)
    zero = _zero_place(low, high) if (values == 0).any() else None
    bare = Scale(float(low), float(high), True, zero, None)
    for edges in (bare.edges(centres) for centres in cells):
        low, high = min(low, edges[0]), max(high, edges[-1])
    ticks = _named(spec, zero)
    if ticks is None:
        ticks = tuple((t, number(t)) for t in _log_ticks(low, high))
        ticks = ticks if zero is None else ((zero, "0"), *((p, s) for p, s in ticks if p > zero * 1.2))
    if spec.limits is None or zero is not None:
        ends = np.log10(np.array([min(low, zero) if zero is not None else low, high], dtype=float))
        room = 0 if tight else MARGIN * (ends[1] - ends[0])
        low, high = 10 ** (ends[0] - room), 10 ** (ends[1] + (room if spec.limits is None else 0))
    return Scale(float(low), float(high), True, zero, ticks)


def extent_of(values: np.ndarray, spec: Axis) -> tuple[float, float]:
    """The extent of a colour scale over these values: its limits, or from the least to the greatest finite value."""
    if spec.limits is not None:
        return float(spec.limits[0]), float(spec.limits[1])
    values = values[np.isfinite(values) & ((values > 0) | (not spec.log))]
    if not len(values):
        return (1.0, 10.0) if spec.log else (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low - 0.5, high + 0.5) if not spec.log else (low / 2, high * 2)


def ticks_of(low: float, high: float, spec: Axis) -> tuple[tuple[float, str], ...] | None:
    """The ticks of a colour bar from `low` to `high`; None where the renderer may choose."""
    named = _named(spec, None)
    if named is not None or not spec.log:
        return named
    return tuple((t, number(t)) for t in _log_ticks(low, high))


def number(value: Number) -> str:
    """A number as it is read: 0.02, 3,000, 10⁻⁸."""
    value = float(value)
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:,.6g}".replace("-", "−")
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    factor = "" if float(mantissa) == 1 else f"{float(mantissa):g}·".replace("-", "−")
    return f"{factor}10{str(int(exponent)).translate(SUPERSCRIPT)}"


def _along(mark: Mark, axis: str) -> list:
    """What a mark asks to be seen along an axis."""
    match mark:
        case Band():
            return [mark.x] if axis == "x" else [mark.low, mark.high]
        case Points() if axis == "y" and mark.low is not None:
            return [mark.y, mark.low, mark.high]
        case Line() | Points() | Heatmap() | Contour() | Text():
            return [getattr(mark, axis)]
        case Rule():
            return [] if getattr(mark, axis) is None else [getattr(mark, axis)]
    return []


def _linear_extent(values: np.ndarray, tight: bool) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low - 0.5, high + 0.5
    room = 0 if tight else MARGIN * (high - low)
    return low - room, high + room


def _zero_place(low: Number, high: Number) -> float:
    decades = np.log10(high / low)
    return float(low / 10 ** max(ZERO_GAP * decades, 0.2))


def _named(spec: Axis, zero: float | None) -> tuple[tuple[float, str], ...] | None:
    """The ticks that an axis asks for."""
    if spec.ticks is None:
        return None
    pairs = spec.ticks.items() if isinstance(spec.ticks, Mapping) else [(t, number(t)) for t in spec.ticks]
    placed = [(zero if spec.log and at == 0 else float(at), text) for at, text in pairs]
    return tuple((at, text) for at, text in placed if at is not None)


def _log_ticks(low: Number, high: Number) -> list[float]:
    low, high = float(low), float(high)
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for digits in ([1], [1, 3], [1, 2, 5], range(1, 10)):
        ticks = [float(f"{d}e{int(e)}") for e in decades for d in digits]
        ticks = [t for t in ticks if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
        if len(ticks) > MOST_TICKS:
            return ticks[:: -(-len(ticks) // MOST_TICKS)]
        if len(ticks) >= 3:
            return ticks
    return [low, high]
