"""Watcher: someone who looks on while a run goes."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from ontogeny.executors.contract import Progress
from ontogeny.experiment import Row


@runtime_checkable
class Watcher(Protocol):
    """Someone who looks on while a run goes; `look` is called from several threads."""

    def say(self, text: str) -> None:
        """Something worth a line."""
        ...

    def begin(self, experiment: str, cohorts: Sequence[Sequence[Row]]) -> None:
        """An experiment starts."""
        ...

    def look(self, index: int, seen: Progress) -> None:
        """A cohort has come further: `seen` is what its `progress` gives."""
        ...

    def end(self, experiment: str, diverged: Sequence[Row]) -> None:
        """An experiment has been measured to its end."""
        ...
