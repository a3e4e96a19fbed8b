"""Claims: pre-registered tests of a finding, each with a control that can fail."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import xarray as xr

Statistic = Callable[[xr.Dataset], xr.DataArray]
"""One value per replicate (usually a seed), as a one-dimensional array."""

Decides = Literal["interval", "mean", "median", "every"]
Interval = Literal["t", "binomial", "none"]


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Where a statistic should lie: above a number, below one, or strictly between two."""

    above: float | None = None
    below: float | None = None


@dataclass(frozen=True)
class Control:
    """The same statistic where the effect must vanish (or another one, where the card says so), with its bound.

    When it fails the claim is `invalid`: what was measured cannot tell the finding from its absence.
    """

    says: str
    statistic: Statistic | None = None  # None: the claim's own
    where: Mapping[str, Any] | None = None
    of: str | None = None  # the experiment it looks at; None: the claim's own
    above: float | None = None
    below: float | None = None
    between: tuple[float, float] | None = None
    decides: Decides = "mean"


@dataclass(frozen=True)
class Gate:
    """A precondition of a claim ("the models have learned the task"). When it fails the claim is `inconclusive`."""

    says: str
    statistic: Statistic
    where: Mapping[str, Any] | None = None
    of: str | None = None
    above: float | None = None
    below: float | None = None
    between: tuple[float, float] | None = None
    decides: Decides = "every"


@dataclass(frozen=True)
class Claim:
    """A statement with a threshold that is older than the run.

    `decides` says what has to lie on the right side of the threshold: the whole `interval` over replicates (default),
    their `mean` or `median`, or `every` one of them. Fewer than four replicates are at most `inconclusive`.
    """

    id: str
    says: str
    statistic: Statistic
    where: Mapping[str, Any] | None = None
    of: str = "main"
    above: float | None = None
    below: float | None = None
    between: tuple[float, float] | None = None
    control: Control | None = None
    gate: Gate | None = None
    decides: Decides = "interval"
    interval: Interval = "t"
    unit: str = "seeds"  # what a replicate is
    scales: Sequence[str] = ("desk", "gpu")  # where it is judged; elsewhere it is at most inconclusive
