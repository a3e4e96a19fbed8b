"""Judging: from a claim and the results of a run to a verdict."""

import functools
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ontogeny.claims import Bound, Claim, Control, Gate, Statistic, narrow
from ontogeny.errors import RunFailed, UserError, nearest
from ontogeny.intervals import binomial_interval, mean_of, t_interval
from ontogeny.verdicts import ControlReading, Interval, Verdict, Word

FEWEST = 4  # replicates that a verdict needs


@dataclass(frozen=True)
class Reading:
    """Some replicates against a bound. `held` is None where the threshold lies inside the interval."""

    bound: Bound
    statistic: float
    low: float
    high: float
    n: int
    undefined: int
    interval: Interval
    held: bool | None
    sentence: str

    @property
    def failure(self) -> str:
        """Why a control or a gate with this reading does not hold; empty when it holds."""
        if not self.n or self.undefined:
            return f"{self.undefined} of {self.n + self.undefined} replicates have no value"
        return "" if self.held else self.sentence


def judge(claim: Claim, results: Mapping[str, xr.Dataset], scale: str, *, changed: bool = False) -> Verdict:
    """The verdict of a claim on the results of a study's experiments, by name, at one scale.

    The first of these that applies:

    1. a scale where the claim is not judged (`smoke` never is): `inconclusive`, with the numbers if there are any;
    2. a gate that is not met, or cannot be computed: `inconclusive`;
    3. a control that does not hold, or cannot be computed: `invalid`;
    4. a replicate without a finite value, or fewer than four of them (unless the result is exact): `inconclusive`;
    5. what `claim.decides` names lies on the right side of the threshold: `reproduced`; on the wrong one:
       `not reproduced`; an interval with the threshold inside: `inconclusive`.

    `changed` tells that the user took other levels or seeds than the study's: a claim that cannot be computed on those
    is `inconclusive`, and says why.

    Raises: `UserError` for an experiment, a factor or a level that is not in the results, and for a statistic that is
    not one value a replicate; `RunFailed` for a statistic that raises, with its line in the study's file.
    """
    judged = scale in claim.scales and scale != "smoke"
    parts = {"claim": claim, "gate": claim.gate, "control": claim.control}
    readings: dict[str, Reading] = {}
    problems: list[str] = []
    for name, part in parts.items():
        if part is None:
            continue
        try:
            readings[name] = _look(claim, part, results)
        except UserError as error:
            if judged and not changed:
                raise
            problems.append(str(error))
            readings[name] = _read(part.bound, part.decides, "none", np.empty(0))
    if judged and not problems:
        word, why = _decide(claim, readings)
    elif judged:
        word, why = "inconclusive", f"not computed with these levels: {problems[0]}"
    else:
        elsewhere = " and ".join(s for s in claim.scales if s != "smoke")
        word, why = "inconclusive", f"judged at {elsewhere or 'no'} scale, not at {scale}"
        if problems:
            why = f"{why}; not computed here: {problems[0]}"
    return _verdict(claim, readings, word, why)


def _decide(claim: Claim, readings: Mapping[str, Reading]) -> tuple[Word, str]:
    own, gate, control = (readings.get(name) for name in ("claim", "gate", "control"))
    assert own is not None
    if claim.gate and gate and gate.failure:
        return "inconclusive", f"the gate {claim.gate.says!r} is not met: {gate.failure}"
    if claim.control and control and control.failure:
        return "invalid", f"the control {claim.control.says!r} failed: {control.failure}"
    if own.undefined:
        return "inconclusive", f"{own.undefined} of {own.n + own.undefined} {claim.unit} diverged or have no value"
    if own.n == 0:
        return "inconclusive", f"there are no {claim.unit} to judge by"
    if own.n < FEWEST and claim.interval != "none":
        return "inconclusive", f"a verdict needs at least {FEWEST} {claim.unit}, got {own.n}"
    words: dict[bool | None, Word] = {True: "reproduced", False: "not reproduced", None: "inconclusive"}
    return words[own.held], own.sentence


def _verdict(claim: Claim, readings: Mapping[str, Reading], word: Word, why: str) -> Verdict:
    own, control = readings["claim"], None
    if claim.control:
        read = readings["control"]
        control = ControlReading(
            claim.control.says, read.statistic, read.bound, read.n, not read.failure if read.n else None
        )
    return Verdict(
        id=claim.id,
        says=claim.says,
        verdict=word,
        statistic=own.statistic,
        low=own.low,
        high=own.high,
        bound=own.bound,
        n=own.n,
        control=control,
        decides=claim.decides,
        interval=own.interval,
        unit=claim.unit,
        why=why,
    )


def _look(claim: Claim, part: Claim | Control | Gate, results: Mapping[str, xr.Dataset]) -> Reading:
    """A claim, or its control or gate, on the results."""
    own = part.statistic in (None, claim.statistic)
    kind = claim.interval if own else "t"
    try:
        values = _values(part.statistic or claim.statistic, _dataset(claim, part, results))
        if values.dtype == bool and kind == "t":
            kind = "binomial"
        return _read(part.bound, part.decides, kind, values.astype(float), claim.unit)
    except UserError as error:
        what = "" if part is claim else f", its {type(part).__name__.lower()}"
        raise type(error)(f"claim {claim.id!r}{what}: {error}") from error.__cause__


def _dataset(claim: Claim, part: Claim | Control | Gate, results: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """What a part looks at. `where` of the claim only makes sense on the claim's own experiment."""
    of = part.of or claim.of
    if of not in results:
        raise UserError(f"no experiment {of!r}: {nearest(of, results)}")
    where = part.where
    if where is None and of == claim.of:
        where = claim.where
    return narrow(results[of], where or {})


def _values(statistic: Statistic, ds: xr.Dataset) -> np.ndarray:
    """One value a replicate, of whatever type the statistic gives."""
    try:
        values = statistic(ds)
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        said = reason if isinstance(error, UserError) else f"{type(error).__name__}: {reason}"
        raise RunFailed(f"its statistic failed at {_line(statistic, error)}: {said}") from error
    if not isinstance(values, xr.DataArray):
        raise UserError(f"its statistic gives a {type(values).__name__}: return a DataArray, one value a replicate")
    if values.ndim > 1:
        dims = ", ".join(str(d) for d in values.dims)
        raise UserError(f"its statistic has the dimensions {dims}: return one value a replicate, a single dimension")
    if values.dtype.kind not in "biuf":
        raise UserError(f"its statistic gives values of type {values.dtype}: return numbers")
    return np.atleast_1d(values.values)


def _line(statistic: Any, error: Exception) -> str:
    """The deepest line of the statistic's own file that an error passed through."""
    while isinstance(statistic, functools.partial):
        statistic = statistic.func
    code = getattr(statistic, "__code__", None) or getattr(type(statistic).__call__, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename] or frames
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}"


def _read(bound: Bound, decides: str, kind: str, values: np.ndarray, unit: str = "replicates") -> Reading:
    """Replicates against a bound, by the rule that `decides` names."""
    x = values[np.isfinite(values)]
    n = len(x)
    if kind == "binomial" and not np.isin(x, (0.0, 1.0)).all():
        raise UserError(f"interval='binomial' needs values that are 0 or 1, got {x[~np.isin(x, (0.0, 1.0))][0]:g}")
    if n == 0:
        return Reading(bound, np.nan, np.nan, np.nan, 0, len(values), "none", None, "")
    if decides == "interval" and kind == "none":
        decides = "every"
    statistic = float(np.median(x) if decides == "median" else mean_of(x))
    least, most = float(x.min()), float(x.max())
    low, high, interval = np.nan, np.nan, "none"
    if kind != "none" and decides in ("median", "every"):
        low, high, interval = least, most, "range"
    elif kind == "binomial":
        low, high, interval = *binomial_interval(int(x.sum()), n), "binomial"
    elif kind == "t":
        low, high, interval = *(float(end) for end in t_interval(x)), "t"
    held: bool | None
    match decides:
        case "every":
            held = bound.holds(least, most)
        case "interval":
            outside = False if bound.fails(low, high) else None
            held = None if n < FEWEST else bound.holds(low, high) or outside
        case _:
            held = bound.holds(statistic, statistic)
    reading = Reading(bound, statistic, low, high, n, len(values) - n, interval, held, "")
    return replace(reading, sentence=_sentence(reading, decides, x, unit))


def _sentence(read: Reading, decides: str, x: np.ndarray, unit: str) -> str:
    """What a reading says, in words."""
    lies = {True: "lies", False: "does not lie", None: "lies only partly"}[read.held]
    match decides:
        case "interval" if read.n < FEWEST:
            return f"an interval needs at least {FEWEST} {unit}, got {read.n}"
        case "interval":
            return f"the 95 % interval over {read.n} {unit}, {read.low:.4g} to {read.high:.4g}, {lies} {read.bound}"
        case "every" if read.held:
            return f"every one of {read.n} {unit}, {x.min():.4g} to {x.max():.4g}, lies {read.bound}"
        case "every":
            out = sum(not read.bound.holds(value, value) for value in x.tolist())
            return f"{out} of {read.n} {unit}, which span {x.min():.4g} to {x.max():.4g}, not {read.bound}"
        case _:
            return f"the {decides} over {read.n} {unit}, {read.statistic:.4g}, {lies} {read.bound}"
