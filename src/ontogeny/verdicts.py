"""Verdicts: what judging a claim says, and the files that keep it (their schema is in `docs/json.md`)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ontogeny.claims import Bound
from ontogeny.errors import UserError
from ontogeny.files import read_json, write_json

Word = Literal["reproduced", "not reproduced", "inconclusive", "invalid"]
Interval = Literal["t", "binomial", "range", "none"]

_KEYS = ("study", "scale", "definition", "versions", "seeds", "when", "claims")
_CLAIM_KEYS = ("id", "says", "verdict", "statistic", "low", "high", "threshold", "n", "control")


@dataclass(frozen=True)
class ControlReading:
    """What a control came to. When it cannot be computed, `statistic` is NaN and `held` None."""

    says: str
    statistic: float
    bound: Bound
    n: int
    held: bool | None

    def as_json(self) -> dict[str, Any]:
        """Plain data, NaN as null."""
        return {
            "says": self.says,
            "statistic": _number(self.statistic),
            **_bound(self.bound),
            "n": self.n,
            "held": self.held,
        }


@dataclass(frozen=True)
class Verdict:
    """What judging a claim says.

    `statistic` is the mean over the replicates (the median where that decides), NaN when there is none. `low` and
    `high` are its 95 % interval (`interval` "t" or "binomial"), the least and greatest replicate ("range", where the
    median or every replicate decides), or NaN ("none"). `n` counts the replicates that have a finite value. `why` says
    in a sentence what the verdict rests on.
    """

    id: str
    says: str
    verdict: Word
    statistic: float
    low: float
    high: float
    bound: Bound
    n: int
    control: ControlReading | None
    decides: str
    interval: Interval
    unit: str
    why: str

    @property
    def threshold(self) -> float | tuple[float, float]:
        """What the statistic has to exceed or stay below, or the two numbers it has to lie between."""
        return self.bound.threshold

    def as_json(self) -> dict[str, Any]:
        """Plain data, NaN as null."""
        return {
            "id": self.id,
            "says": self.says,
            "verdict": self.verdict,
            "statistic": _number(self.statistic),
            "low": _number(self.low),
            "high": _number(self.high),
            **_bound(self.bound),
            "n": self.n,
            "control": self.control.as_json() if self.control else None,
            "decides": self.decides,
            "interval": self.interval,
            "unit": self.unit,
            "why": self.why,
        }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _bound(bound: Bound) -> dict[str, Any]:
    edge = bound.threshold
    return {"direction": bound.direction, "threshold": list(edge) if isinstance(edge, tuple) else edge}


def verdicts_path(folder: Path, study: str, scale: str) -> Path:
    """Where the verdicts of a study at a scale are kept: `<folder>/<scale>/<study>.json`."""
    return folder / scale / f"{study}.json"


def write_verdicts(
    folder: Path,
    verdicts: Sequence[Verdict],
    *,
    study: str,
    scale: str,
    definition: str,
    versions: Mapping[str, str],
    seeds: Sequence[int],
    when: str,
    machine: str | None = None,
) -> Path:
    """Keeps the verdicts of a study at a scale, and gives the file: it is the old one or the new one, never between.

    `definition` is the digest of the study as it ran, `when` an ISO 8601 time.

    Raises: `UserError` when the file cannot be written.
    """
    about = {"study": study, "scale": scale, "definition": definition, "versions": dict(versions)}
    about |= {"seeds": [int(seed) for seed in seeds], "when": when, "machine": machine}
    path = verdicts_path(folder, study, scale)
    write_json(path, about | {"claims": [v.as_json() for v in verdicts]})
    return path


def read_verdicts(path: Path) -> dict[str, Any]:
    """What `write_verdicts` kept, as plain data.

    Raises: `UserError` when the file is missing, or is not what `write_verdicts` writes.
    """
    kept = read_json(path, "write it with `ontogeny verify`")
    if lacking := _lacking(kept):
        raise UserError(f"{path} is corrupt ({lacking}): write it again with `ontogeny verify`")
    return kept


def _lacking(kept: Any) -> str:
    if not isinstance(kept, dict):
        return "not an object"
    if missing := [key for key in _KEYS if key not in kept]:
        return f"no {missing[0]!r}"
    if not isinstance(kept["claims"], list) or not all(isinstance(claim, dict) for claim in kept["claims"]):
        return "'claims' is not a list of objects"
    missing = [key for claim in kept["claims"] for key in _CLAIM_KEYS if key not in claim]
    return f"a claim without {missing[0]!r}" if missing else ""


def is_stale(kept: Mapping[str, Any], definition: str) -> bool:
    """Whether kept verdicts are of another definition of the study than this one."""
    return kept["definition"] != definition
