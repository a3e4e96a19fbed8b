"""Claims: pre-registered tests of a finding, each with a control that can fail."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from ontogeny.errors import UserError, nearest

Scale = Literal["smoke", "desk", "gpu"]
Decides = Literal["interval", "mean", "median", "every"]
Interval = Literal["t", "binomial", "none"]
Direction = Literal["above", "below", "between"]

Number = int | float

Statistic = Callable[[xr.Dataset], xr.DataArray]
"""One value per replicate (usually a seed), as a one-dimensional array; a single number counts as one replicate."""


@dataclass(frozen=True)
class Bound:
    """Where a statistic should lie: above a number, below one, or between two; never on the threshold itself."""

    direction: Direction
    threshold: float | tuple[float, float]

    @property
    def edges(self) -> tuple[float, float]:
        """The open range where a statistic should lie."""
        match self.direction, self.threshold:
            case "above", float(edge):
                return edge, math.inf
            case "below", float(edge):
                return -math.inf, edge
            case _, (float(low), float(high)):
                return low, high
        raise AssertionError(self)

    def holds(self, low: float, high: float) -> bool:
        """Whether everything from `low` to `high` lies on the right side."""
        left, right = self.edges
        return left < low and high < right

    def fails(self, low: float, high: float) -> bool:
        """Whether everything from `low` to `high` lies on the wrong side, the threshold included."""
        left, right = self.edges
        return high <= left or right <= low

    def __str__(self) -> str:
        match self.threshold:
            case (low, high):
                return f"between {low:g} and {high:g}"
            case edge:
                return f"{self.direction} {edge:g}"


@dataclass(frozen=True)
class Control:
    """The same statistic where the effect must vanish (or another one), with its bound.

    What is None is the claim's own; `where={}` is everything. When a control fails, or cannot be computed, the claim is
    `invalid`: what was measured cannot tell the finding from its absence.
    """

    says: str
    statistic: Statistic | None = None
    where: Mapping[str, Any] | None = None
    of: str | None = None
    above: Number | None = None
    below: Number | None = None
    between: tuple[Number, Number] | None = None
    decides: Decides = "mean"

    @property
    def bound(self) -> Bound:
        """Where the control has to lie."""
        return _bound(self)


@dataclass(frozen=True)
class Gate:
    """A precondition of a claim ("the models have learned the task"). When it fails the claim is `inconclusive`.

    What is None is the claim's own; `where={}` is everything.
    """

    says: str
    statistic: Statistic
    where: Mapping[str, Any] | None = None
    of: str | None = None
    above: Number | None = None
    below: Number | None = None
    between: tuple[Number, Number] | None = None
    decides: Decides = "every"

    @property
    def bound(self) -> Bound:
        """Where the gate's statistic has to lie."""
        return _bound(self)


@dataclass(frozen=True)
class Claim:
    """A statement with a threshold that is older than the run.

    `where` narrows the dataset of the experiment `of` to the members with these levels (one, or a tuple of several)
    before `statistic` sees it.

    `decides` says what has to lie on the right side of the threshold, strictly: the whole 95 % `interval` over
    replicates (default), their `mean` or `median`, or `every` one of them. Only an interval keeps an error rate: a true
    value at the threshold makes `mean` say `reproduced` half the time.

    `interval` is how it is computed: `t`; `binomial`, exact, for a statistic that is true or false (always taken when
    the statistic is boolean); or `none`, for exact results of which no replicate may fail, however few there are.

    Raises: `UserError`, with the claim's id, for anything but one of `above`, `below` and `between`, for an unknown
    word, and for a control that looks at just what the claim looks at.
    """

    id: str
    says: str
    statistic: Statistic
    where: Mapping[str, Any] | None = None
    of: str = "main"
    above: Number | None = None
    below: Number | None = None
    between: tuple[Number, Number] | None = None
    control: Control | None = None
    gate: Gate | None = None
    decides: Decides = "interval"
    interval: Interval = "t"
    unit: str = "seeds"  # what a replicate is
    scales: Sequence[Scale] = ("desk", "gpu")  # where it is judged; elsewhere it is at most inconclusive

    def __post_init__(self) -> None:
        try:
            _known("interval", self.interval, get_args(Interval))
            if isinstance(self.scales, str):
                raise UserError(f"scales={self.scales!r} is a text: write scales=({self.scales!r},)")
            for scale in self.scales:
                _known("scale", scale, get_args(Scale))
            for name, part in (("", self), ("its control: ", self.control), ("its gate: ", self.gate)):
                if part is not None:
                    _check(name, part)
        except UserError as error:
            raise UserError(f"claim {self.id!r}: {error}") from None
        mine = {"statistic": self.statistic, "where": self.where, "of": self.of}
        if self.control and all(getattr(self.control, k) in (None, v) for k, v in mine.items()):
            raise UserError(
                f"claim {self.id!r}: its control looks at just what the claim looks at: "
                "give it another statistic=, where= or of="
            )

    @property
    def bound(self) -> Bound:
        """Where the claim says that its statistic lies."""
        return _bound(self)


def _bound(part: Claim | Control | Gate) -> Bound:
    if part.between is not None:
        low, high = part.between
        return Bound("between", (float(low), float(high)))
    if part.above is not None:
        return Bound("above", float(part.above))
    assert part.below is not None, part
    return Bound("below", float(part.below))


def _check(name: str, part: Claim | Control | Gate) -> None:
    given = [way for way in get_args(Direction) if getattr(part, way) is not None]
    if len(given) != 1:
        got = " and ".join(f"{way}=" for way in given) or "none"
        raise UserError(f"{name}it needs one of above=, below=, between=, got {got}")
    _known(f"{name}decides", part.decides, get_args(Decides))
    edges = part.between if part.between is not None else (getattr(part, given[0]),)
    try:
        finite = all(math.isfinite(edge) for edge in edges)
        ordered = len(edges) == 1 or (len(edges) == 2 and edges[0] < edges[1])
    except TypeError:
        finite = ordered = False
    if not (finite and ordered):
        needed = "two numbers, the smaller first" if given[0] == "between" else "a number"
        raise UserError(f"{name}{given[0]}= needs {needed}, got {getattr(part, given[0])!r}")


def _known(what: str, word: str, words: Sequence[str]) -> None:
    if word not in words:
        raise UserError(f"{what}={word!r} is unknown: {nearest(str(word), words)}")


def factors_in(ds: xr.Dataset) -> list[str]:
    """The factors of a run's dataset: what labels its members."""
    return [str(name) for name, c in ds.coords.items() if c.dims == ("member",) and name != "member"]


def narrow(ds: xr.Dataset, where: Mapping[str, Any]) -> xr.Dataset:
    """The members that have these levels: `narrow(ds, dict(noise=0.1, depth=(1, 2)))`.

    A level is found in spite of rounding (to a relative 1e-6) when none fits exactly.

    Raises: `UserError` for a factor or a level that is not in the data, or levels that no member has together.
    """
    keep = np.ones(ds.sizes.get("member", 0), bool)
    known = factors_in(ds)
    for factor, wanted in where.items():
        if factor not in known:
            raise UserError(f"no factor {factor!r} in the data: {nearest(factor, known)}")
        levels = wanted if isinstance(wanted, tuple | list) else (wanted,)
        keep &= np.logical_or.reduce([_has(ds[factor].values, factor, level) for level in levels])
    if where and not keep.any():
        raise UserError(f"no member has {', '.join(f'{k}={v!r}' for k, v in where.items())} together")
    return ds.isel(member=keep) if where else ds


def _has(column: np.ndarray, factor: str, level: Any) -> np.ndarray:
    """Which members have a level of a factor; at least one does."""
    found = np.array([value == level for value in column.tolist()], bool)
    if not found.any() and isinstance(level, float) and np.issubdtype(column.dtype, np.number):
        found = np.isclose(column, level, rtol=1e-6, atol=0.0)
    if not found.any():
        there = ", ".join(str(value) for value in dict.fromkeys(column.tolist()))
        raise UserError(f"no member has {factor}={level!r}: {factor} is one of {there}")
    return found


def unfold(ds: xr.Dataset) -> xr.Dataset:
    """A dataset with a dimension a factor instead of `member`, for paired differences between conditions.

    `d = unfold(ds); d.loss.sel(depth=2) - d.loss.sel(depth=1)` pairs by seed. Levels stand in the order in which they
    first appear; a factor with one level becomes a scalar coordinate; factors that change together, one to one, share
    the dimension of the first of them.

    Raises: `UserError` when the members are not a full product of the factors, with a combination that is missing or
    there twice.
    """
    levels: dict[str, list[Any]] = {}
    riders: dict[str, str] = {}
    codes: dict[str, np.ndarray] = {}
    factors = factors_in(ds)
    for factor in factors:
        column = ds[factor].values.tolist()
        order = {level: i for i, level in enumerate(dict.fromkeys(column))}
        code = np.array([order[level] for level in column])
        if twin := next((name for name in codes if np.array_equal(codes[name], code)), None):
            riders[factor] = twin
        elif len(order) > 1:
            codes[factor] = code
        levels[factor] = list(order)
    shape = tuple(len(levels[name]) for name in codes)
    place = np.ravel_multi_index(tuple(codes.values()), shape) if codes else np.zeros(ds.sizes["member"], int)
    counts = np.bincount(place, minlength=math.prod(shape))
    if (counts != 1).any():
        odd = int(np.flatnonzero(counts != 1)[0])
        at = dict(zip(codes, np.unravel_index(odd, shape), strict=True)) if codes else {}
        which = ", ".join(f"{name}={levels[name][int(i)]}" for name, i in at.items()) or "the same factors"
        times = f"{counts[odd]} members have" if counts[odd] else "no member has"
        raise UserError(f"the members are not a product of {', '.join(codes) or 'any factors'}: {times} {which}")
    flat = ds.isel(member=np.argsort(place)).drop_vars([*factors, "member"], errors="ignore")
    sizes = dict(zip(codes, shape, strict=True))
    own = {name: v for name, v in flat.variables.items() if "member" in v.dims}
    unfolded = {
        name: v.unstack(member=sizes).transpose(*sizes, ...) if sizes else v.isel(member=0) for name, v in own.items()
    }
    labels = {
        name: ((riders.get(name, name),), values) if name in sizes or name in riders else values[0]
        for name, values in levels.items()
    }
    result = flat.drop_dims("member").assign(unfolded).assign_coords(labels)
    return result.set_coords([name for name in own if name in flat.coords])
