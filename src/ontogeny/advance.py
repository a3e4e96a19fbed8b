"""Advancing: takes a cohort from where it was left to its end, and commits what it measures on the way."""

import functools
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from ontogeny.errors import CannotCompile, RunFailed, UserError
from ontogeny.executors.contract import Progress
from ontogeny.experiment import Experiment, Row
from ontogeny.folder import Folder, folder_at
from ontogeny.labelled import Record
from ontogeny.machine import one_thread
from ontogeny.store import CohortStore, cohort_name, read_about

COMMIT_SECONDS = 5.0  # at most this much work is done again after a kill,
COMMIT_SHARE = 0.1  # unless committing would take more than this share of the time


@dataclass(frozen=True)
class Advance:
    """A piece of work for an executor: one cohort of a run, which it may do in another process, on another machine."""

    experiment: Experiment
    rows: Sequence[Row]
    device: torch.device
    compiled: bool
    run: Folder
    begun: str  # when the run was
    name: str  # of the experiment
    index: int  # of the cohort
    locks: bool = False  # whether other processes may be at other cohorts of the run

    def __call__(self, look: Callable[[Progress], None], stopped: Callable[[], bool]) -> list[Row]:
        """Takes the cohort to its end, or to the next record once it is to stop; gives the rows that diverged.

        Raises: `UserError` when the run's folder is another one here, or another process is at this cohort;
        `RunFailed`, with the cohort's factors, when the experiment breaks.
        """
        if stopped():
            return []
        _check_same(str(self.run), self.begun)
        store = self.store
        try:
            last = store.glance("finished", "alive")
            if "finished" not in last:
                with one_thread(), store.folder.locked() if self.locks else nullcontext():
                    last = self._advance(store, look, stopped)
        except UserError:
            raise
        except CannotCompile as error:
            raise UserError(
                f"updates cannot be compiled on {platform.node()} ({error}): use --mode eager and another folder"
            ) from None
        except Exception as error:
            values = ", ".join(f"{k}={v}" for k, v in self.rows[0].items())
            reason = f"{type(error).__name__}: {error}"
            raise RunFailed(f"experiment {self.name!r} broke in the members from {values}: {reason}") from error
        alive = last.get("alive", torch.ones(len(self.rows)))
        return [row for row, lives in zip(self.rows, alive, strict=True) if not lives]

    @property
    def store(self) -> CohortStore:
        """Where its segments are."""
        return CohortStore(self.run.inside(self.name, cohort_name(self.index)))

    def _advance(
        self, store: CohortStore, look: Callable[[Progress], None], stopped: Callable[[], bool]
    ) -> dict[str, torch.Tensor]:
        """Gives the last state of a cohort that has come to its end, an empty one when it was stopped."""
        state = store.state()
        if state is not None and "finished" in state:
            return state
        cohort = self.experiment.open(self.rows, self.device, self.compiled)
        if state is not None:
            cohort.restore(state)
        pending: list[Record] = []
        pause, committed = COMMIT_SECONDS, time.monotonic()
        for record in cohort.records():
            pending.append(record)
            look(cohort.progress())
            stop = stopped()
            if stop or time.monotonic() - committed > pause:
                started = time.monotonic()
                store.commit(pending, cohort.state())
                pending, committed = [], time.monotonic()
                pause = max(COMMIT_SECONDS, (committed - started) / COMMIT_SHARE)
            if stop:
                return {}
        last = {**cohort.state(), "finished": torch.tensor(True)}
        store.commit(pending, last)
        look(cohort.progress())
        return last


@functools.cache
def _check_same(run: str, begun: str) -> None:
    """Asked once a process: on another machine a folder of this name may be another one.

    Raises: `UserError` when it is not the folder of the run that was begun then.
    """
    folder = folder_at(run)
    if "run.json" not in folder.names() or read_about(folder)["created"] != begun:
        raise UserError(
            f"{folder} on this machine is not the folder of the run: with several machines give --out a folder that "
            "all of them share, or a URL such as s3://bucket/run"
        )
