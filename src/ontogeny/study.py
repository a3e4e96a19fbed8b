"""What a study is: one published finding, as an experiment, claims about it and figures of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from ontogeny.claims import Claim, Scale
from ontogeny.errors import UserError, nearest
from ontogeny.experiment import Experiment
from ontogeny.parts import digest

SCALES = get_args(Scale)
MAIN = "main"  # the name of a study's only experiment


@dataclass(frozen=True)
class Paper:
    """Where a finding was published."""

    title: str
    authors: str
    year: int
    arxiv: str = ""
    url: str = ""

    @property
    def link(self) -> str:
        """Where it can be read."""
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else self.url


@dataclass(frozen=True, kw_only=True)
class Study:
    """One finding, reproduced.

    `scales` gives the experiment at each of `smoke`, `desk` and `gpu`, or several by name where a finding needs them.
    `differs` is the numbered list of departures from the paper. A figure is a function of the results, a mapping from
    experiment to dataset, that gives an `ontogeny.report.figure.Figure`.
    """

    paper: Paper
    scales: Mapping[str, Experiment | Mapping[str, Experiment]]
    claims: Sequence[Claim]
    figures: Sequence[Callable[..., Any]] = ()
    differs: Sequence[str] = ()
    family: str = ""

    def __post_init__(self) -> None:
        for scale in self.scales:
            if scale not in SCALES:
                raise UserError(f"no scale {scale!r}: {nearest(scale, SCALES)}")
        ids = [claim.id for claim in self.claims]
        if twice := {i for i in ids if ids.count(i) > 1}:
            raise UserError(f"two claims are called {sorted(twice)[0]!r}: give each its own id")

    def experiments(self, scale: str) -> dict[str, Experiment]:
        """The experiments of a scale, by name.

        Raises: `UserError` for a scale that the study has not.
        """
        if scale not in self.scales:
            raise UserError(f"this study has no scale {scale!r}: {nearest(scale, self.scales)}")
        found = self.scales[scale]
        return dict(found) if isinstance(found, Mapping) else {MAIN: found}

    def digest(self, scale: str) -> str:
        """What kept verdicts depend on: changes with the experiments of a scale or the claims, not with the figures."""
        return definition(self.experiments(scale), self.claims)


def definition(experiments: Mapping[str, Experiment], claims: Sequence[Claim]) -> str:
    """16 hexadecimal digits of experiments, as they will run, and the claims about them."""
    return digest([dict(experiments), list(claims)])
