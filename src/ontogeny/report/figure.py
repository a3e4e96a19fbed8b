"""Figures as values: panels of marks, which say what is shown and leave to a renderer how.

    Figure(
        "Above a critical noise the written step is skipped",
        panels=[
            Panel(
                "At the end of training",
                x=Axis("step noise", log=True),
                y=Axis("share of prompts", limits=(0, 1)),
                marks=[
                    Band(noise, low, high, name="follows the edit"),
                    Line(noise, median, name="follows the edit"),
                    Line(noise, bayes, name="Bayes-optimal", colour="grey", dash="dash"),
                    Rule(x=0.01, label="prompt noise"),
                ],
            )
        ],
        caption="Median and range over 4 seeds.",
    )

Marks with one name share a colour and an entry of the legend; without a `colour` the names of a figure get the
categorical colours in order of appearance. A log axis shows zeros (step 0, noise 0) at its low end under a tick "0".
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from ontogeny.errors import UserError
from ontogeny.report.colours import category, is_colour, level

__all__ = [
    "Axis",
    "Band",
    "Contour",
    "Figure",
    "Heatmap",
    "Line",
    "Mark",
    "Panel",
    "Points",
    "Rule",
    "Shade",
    "Text",
    "category",
    "level",
]

Numbers: TypeAlias = Any  # whatever numpy.asarray takes; a mark keeps it as a float64 array
Number: TypeAlias = float | int | np.number  # one number
Dash = Literal["solid", "dash", "dot"]
Symbol = Literal["circle", "square", "diamond", "cross", "x", "ring"]
Palette = Literal["sequential", "diverging"]


@dataclass(frozen=True)
class Axis:
    """What is laid out along an edge of a panel, or along a colour bar.

    `limits` None: as far as the data go. `ticks` are positions, or a mapping from positions to what is written there;
    `()` is an axis without ticks (as for an embedding, whose coordinates mean nothing).
    """

    label: str = ""
    unit: str = ""
    log: bool = False
    limits: tuple[Number, Number] | None = None
    ticks: Sequence[Number] | Mapping[Any, str] | None = None

    def __post_init__(self) -> None:
        if self.limits is not None and not self.limits[0] < self.limits[1]:
            raise UserError(f"axis {self.label!r} goes from {self.limits[0]} to {self.limits[1]}: give the lower first")
        if self.log and self.limits is not None and self.limits[0] <= 0:
            raise UserError(
                f"log axis {self.label!r} starts at {self.limits[0]}: start it above 0, or leave limits out"
            )

    @property
    def text(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, eq=False)
class Mark:
    """Abstract: something drawn in a panel."""

    def _numbers(self, *names: str) -> None:
        """Keeps the named fields as float64 arrays of their own, which must agree in length."""
        kind, lengths = type(self).__name__, {}
        for name in names:
            if getattr(self, name) is None:
                continue
            values = np.array(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, values)
            if values.ndim != 1:
                raise UserError(f"{kind}.{name} has the shape {values.shape}: give one number a point")
            lengths[name] = len(values)
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{name} {count}" for name, count in lengths.items())
            raise UserError(f"{kind} needs equally many of each, got {counts}")

    def _grid(self, *names: str) -> None:
        """The same for fields over a grid `[y, x]`."""
        kind = type(self).__name__
        for axis in ("x", "y"):
            self._numbers(axis)
            if (np.diff(getattr(self, axis)) <= 0).any():
                raise UserError(f"{kind}.{axis} must rise from cell to cell: sort it, and the values with it")
        shape = tuple(len(getattr(self, axis)) for axis in ("y", "x"))
        for name in names:
            if getattr(self, name) is None:
                continue
            values = np.array(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, values)
            if values.shape != shape:
                raise UserError(f"{kind}.{name} has the shape {values.shape}, not (y, x) = {shape}")

    def __post_init__(self) -> None:
        colour = getattr(self, "colour", None)
        if colour is not None and not is_colour(colour):
            hint = "use 'accent', 'ink', 'grey', category(i) or level(i, of=n)"
            raise UserError(f"{type(self).__name__} has no colour {colour!r}: {hint}")


@dataclass(frozen=True, eq=False)
class Series(Mark):
    """Abstract: a mark of one colour that the legend explains under `name`; without a name it has no entry."""

    _: KW_ONLY
    name: str = ""
    colour: str | None = None


@dataclass(frozen=True, eq=False)
class Line(Series):
    """A line through points in the order given; NaN interrupts it."""

    x: Numbers
    y: Numbers
    _: KW_ONLY
    dash: Dash = "solid"
    width: Number = 2.0  # points
    opacity: Number = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("x", "y")


@dataclass(frozen=True, eq=False)
class Band(Series):
    """A filled band from `low` to `high`: the range or an interval around a line of the same name."""

    x: Numbers
    low: Numbers
    high: Numbers
    _: KW_ONLY
    opacity: Number = 0.18

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("x", "low", "high")


@dataclass(frozen=True, eq=False)
class Points(Series):
    """Points, with a whisker from `low` to `high` where given, coloured by `values` along `scale` where given."""

    x: Numbers
    y: Numbers
    _: KW_ONLY
    low: Numbers | None = None
    high: Numbers | None = None
    values: Numbers | None = None
    scale: Axis = Axis()
    palette: Palette = "sequential"
    symbol: Symbol = "circle"
    size: Number = 6.0  # points across
    opacity: Number = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("x", "y", "low", "high", "values")
        if (self.low is None) != (self.high is None):
            raise UserError("Points has one end of its whiskers: give both low and high")


@dataclass(frozen=True, eq=False)
class Heatmap(Mark):
    """Cells over a grid, `values[y, x]`, with `x` and `y` their centres (on a log axis: geometric ones).

    Numbers are coloured along `scale`. With `categories` the values are indices into it, each with its categorical
    colour (or the one in `colours`) and its entry in the legend; `opacity[y, x]` from 0 to 1 then fades a cell into the
    background, as for the margin of a winner. NaN leaves a cell empty.
    """

    x: Numbers
    y: Numbers
    values: Numbers
    _: KW_ONLY
    scale: Axis = Axis()
    palette: Palette = "sequential"
    categories: Sequence[str] = ()
    colours: Sequence[str] = ()
    opacity: Numbers | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._grid("values", "opacity")
        for colour in self.colours:
            if not is_colour(colour):
                raise UserError(f"Heatmap has no colour {colour!r}: use category(i) or level(i, of=n)")
        if self.colours and len(self.colours) != len(self.categories):
            raise UserError(f"Heatmap has {len(self.categories)} categories and {len(self.colours)} colours")
        if self.opacity is not None and not self.categories:
            raise UserError("Heatmap has opacities without categories: name the categories, or colour by the numbers")
        known = self.values[~np.isnan(self.values)]
        if self.categories and not np.isin(known, np.arange(len(self.categories))).all():
            raise UserError(f"Heatmap values must be indices below {len(self.categories)}, its number of categories")

    def colour_of(self, index: int) -> str:
        """The colour of a category."""
        return self.colours[index] if self.colours else category(index)


@dataclass(frozen=True, eq=False)
class Contour(Mark):
    """A landscape `values[y, x]` as filled contours, in `levels` steps from its lowest to its highest value."""

    x: Numbers
    y: Numbers
    values: Numbers
    _: KW_ONLY
    scale: Axis = Axis()
    palette: Palette = "sequential"
    levels: int = 14

    def __post_init__(self) -> None:
        super().__post_init__()
        self._grid("values")


@dataclass(frozen=True, eq=False)
class Rule(Mark):
    """A reference line across the panel at one `x` or one `y`."""

    _: KW_ONLY
    x: Number | None = None
    y: Number | None = None
    label: str = ""
    colour: str = "muted"
    dash: Dash = "dash"

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.x is None) == (self.y is None):
            raise UserError(f"Rule {self.label!r} needs either x or y")


@dataclass(frozen=True, eq=False)
class Shade(Mark):
    """An interval of `x` or of `y`, shaded across the panel."""

    _: KW_ONLY
    x: tuple[Number, Number] | None = None
    y: tuple[Number, Number] | None = None
    label: str = ""
    colour: str = "grey"
    opacity: Number = 0.15

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.x is None) == (self.y is None):
            raise UserError(f"Shade {self.label!r} needs either x or y")


@dataclass(frozen=True, eq=False)
class Text(Mark):
    """Words at a point, which they are centred over, or beside (`anchor`)."""

    x: Number
    y: Number
    text: str
    _: KW_ONLY
    colour: str = "ink"
    anchor: Literal["over", "under", "left", "right"] = "over"


@dataclass(frozen=True)
class Panel:
    """One pair of axes. `equal`: a unit is as long along both, as a map of points needs it."""

    title: str = ""
    _: KW_ONLY
    x: Axis = Axis()
    y: Axis = Axis()
    marks: Sequence[Mark] = field(default=(), repr=False)
    equal: bool = False


@dataclass(frozen=True)
class Figure:
    """Panels under one title, `columns` of them in a row (None: up to three), with one legend.

    `title` is the sentence a reader should take away, `caption` what was done to see it (how many seeds, what a band
    is). `legend` heads the legend, usually with the factor that the colours stand for. `aspect` is the height of a
    panel over its width.
    """

    title: str
    panels: Sequence[Panel]
    caption: str = ""
    columns: int | None = None
    legend: str = ""
    aspect: Number = 0.66

    def __post_init__(self) -> None:
        if not self.panels:
            raise UserError(f"figure {self.title!r} has no panels: give at least one")
        if self.columns is not None and self.columns < 1:
            raise UserError(f"figure {self.title!r} has {self.columns} columns: give at least one")

    @property
    def across(self) -> int:
        """Panels in a row."""
        count = len(self.panels)
        return min(self.columns or (2 if count in (2, 4) else 3), count)


def palette_of(figure: Figure) -> dict[str, str]:
    """The colour of every name in a figure: the first one a mark gives it, else the next categorical colour."""
    series = [m for panel in figure.panels for m in panel.marks if isinstance(m, Series) and m.name]
    given: dict[str, str] = {}
    for mark in series:
        if mark.colour is not None:
            given.setdefault(mark.name, mark.colour)
    free = [name for name in dict.fromkeys(mark.name for mark in series) if name not in given]
    return given | {name: category(i) for i, name in enumerate(free)}
