"""Curves: the standard figure of a study, a measurement against the step with a line a level and a band over seeds."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from ontogeny.errors import UserError, nearest
from ontogeny.report.axes import number
from ontogeny.report.figure import Axis, Band, Figure, Line, Mark, Number, Panel, category, level

MEMBER = "member"
MAIN = "main"


@dataclass(frozen=True)
class Curves:
    """A figure of one variable: the median over `band` as a line, and from its least to its greatest value a band.

    `colour` gives a line to every level of a factor, or of a dimension of the variable (layer, mode...); `columns` a
    panel. Factors that are neither must not vary, unless `where` fixes them: a curve never mixes conditions. Ordered
    levels get ordered colours. Values that are not finite are left out; where none is finite the line is interrupted.
    """

    variable: str
    _: KW_ONLY
    colour: str | None = None
    columns: str | None = None
    band: str = "seed"
    x: str = "step"
    of: str = MAIN
    where: Mapping[str, Any] = field(default_factory=dict)
    log_x: bool = False
    log_y: bool = False
    limits: tuple[Number, Number] | None = None
    label: str = ""  # else the variable's name
    title: str = ""  # else likewise
    caption: str = ""

    @property
    def __name__(self) -> str:
        """What a file of the figure is called."""
        return "_by_".join([self.variable, *filter(None, (self.colour, self.columns))])

    def __call__(self, results: Mapping[str, xr.Dataset]) -> Figure:
        """Draws the results.

        Raises: `UserError` for an unknown experiment, variable, factor or level, and for a factor that would be mixed.
        """
        if self.of not in results:
            raise UserError(f"no experiment {self.of!r}: {nearest(self.of, results)}")
        data = results[self.of]
        if self.variable not in data:
            raise UserError(f"no variable {self.variable!r}: {nearest(self.variable, map(str, data.data_vars))}")
        values = data[self.variable]
        for name, at in self.where.items():
            values = _pick(values, name, at)
        self._check(values)
        unit = values.attrs.get("unit", values.attrs.get("units", ""))
        y = Axis(self.label or self.variable.replace("_", " "), unit, log=self.log_y, limits=self._limits(values))
        panels = [
            Panel(
                "" if self.columns is None else f"{self.columns} {_text(at)}",
                x=Axis(self.x, log=self.log_x),
                y=y,
                marks=self._marks(_pick(values, self.columns, at)),
            )
            for at in _levels(values, self.columns)
        ]
        caption = self.caption or f"Median over {self.band}s, with a band from the least to the greatest value."
        title = self.title or self.variable.replace("_", " ").capitalize()
        return Figure(title, panels, caption=caption, legend=self.colour or "")

    def _check(self, values: xr.DataArray) -> None:
        named = [self.colour, self.columns, self.x]
        factors = _factors(values)
        for name in filter(None, (self.colour, self.columns)):
            if name not in factors and name not in values.dims:
                raise UserError(
                    f"no factor {name!r} in this study: {nearest(name, [*factors, *map(str, values.dims)])}"
                )
        if self.x not in values.dims:
            dims = [str(dim) for dim in values.dims if dim != MEMBER]
            raise UserError(f"{self.variable!r} does not run along {self.x!r}: {nearest(self.x, dims)}")
        for name in factors:
            if name not in (*named, self.band) and len(_levels(values, name)) > 1:
                raise UserError(f"{name!r} varies too: give it as colour or columns, or fix it with where=")
        for dim in map(str, values.dims):
            if dim not in (MEMBER, *named):
                raise UserError(
                    f"{self.variable!r} has the dimension {dim!r} too: give it as colour or columns, or where="
                )

    def _limits(self, values: xr.DataArray) -> tuple[Number, Number] | None:
        """One window for all panels, so that they compare."""
        finite = values.values[np.isfinite(values.values) & ((values.values > 0) | (not self.log_y))]
        if self.limits is not None or self.columns is None or not len(finite) or finite.min() == finite.max():
            return self.limits
        low, high = float(finite.min()), float(finite.max())
        if self.log_y:
            return low / 1.1, high * 1.1
        room = 0.04 * (high - low)
        return low - room, high + room

    def _marks(self, values: xr.DataArray) -> list[Mark]:
        levels = _levels(values, self.colour)
        ordered = len(levels) > 2 and all(isinstance(at, int | float) for at in levels)
        bands: list[Mark] = []
        lines: list[Mark] = []
        for i, at in enumerate(levels):
            here = _pick(values, self.colour, at)
            if here.sizes[MEMBER] == 0:
                continue
            look: dict[str, Any] = dict(name="" if self.colour is None else _text(at))
            look["colour"] = level(i, of=len(levels)) if ordered else category(i)
            x = here[self.x].values
            low, middle, high = _spread(here.transpose(MEMBER, self.x).values)
            if here.sizes[MEMBER] > 1:
                bands.append(Band(x, low, high, **look))
            lines.append(Line(x, middle, **look))
        return bands + lines


def _factors(values: xr.DataArray) -> list[str]:
    return [str(name) for name, coord in values.coords.items() if coord.dims == (MEMBER,) and name != MEMBER]


def _levels(values: xr.DataArray, name: str | None) -> Sequence[Any]:
    """The levels of a factor or a dimension; one nameless level where there is none."""
    if name is None:
        return [None]
    found = values[name].values.tolist()
    unique = list(dict.fromkeys(found))
    return sorted(unique) if all(isinstance(at, int | float) for at in unique) else unique


def _pick(values: xr.DataArray, name: str | None, at: Any) -> xr.DataArray:
    """The part of a variable at one level of a factor or a dimension."""
    if name is None:
        return values
    if name not in values.coords and name not in values.dims:
        known = [*_factors(values), *map(str, values.dims)]
        raise UserError(f"no factor {name!r} in this study: {nearest(name, known)}")
    there = (values[name] == at).values
    if not there.any():
        raise UserError(f"{name!r} is never {at!r}: it has {', '.join(map(_text, _levels(values, name)))}")
    if name in values.dims:
        return values.isel({name: int(there.argmax())}, drop=True)
    return values.isel({MEMBER: np.flatnonzero(there)})


def _spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least, median and greatest finite value of every column."""
    finite = np.where(np.isfinite(values), values, np.nan)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)  # such a column is NaN, which is what it should be
        return np.nanmin(finite, axis=0), np.nanmedian(finite, axis=0), np.nanmax(finite, axis=0)


def _text(at: Any) -> str:
    return number(float(at)) if isinstance(at, float) or (isinstance(at, int) and not isinstance(at, bool)) else str(at)
