"""What an executor is: whoever takes the cohorts of an experiment to their end, here or elsewhere."""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch

from ontogeny.experiment import Row

Progress = Mapping[str, Any]  # as `Cohort.progress` gives it
Result = list[Row] | None
"""The rows of a cohort that diverged; None when memory did not suffice: it stands where it committed last."""
Work = Callable[[Callable[[Progress], None], Callable[[], bool]], Result]
"""Takes a cohort to its end, and gives the rows that diverged.

It is called with `look`, which it tells how far it is, and `stopped`: once that is true, it commits at its next record
and leaves.
"""


@runtime_checkable
class Executor(Protocol):
    """Does pieces of work, as many at once as there is room for."""

    in_process: bool  # whether pieces are done side by side in this process, which must be ready for them

    def cores(self) -> int:
        """How many pieces there is room for, on CPUs."""
        ...

    def results(
        self, work: Sequence[Work], device: torch.device, look: Callable[[int, Progress], None]
    ) -> Generator[tuple[int, Result], None, None]:
        """Gives the index and the result of every piece as it ends; meanwhile `look` is told how far each one is.

        When a piece raises, or the caller is interrupted or closes this, the others are told to stop, and have
        committed before it goes on.
        """
        ...
