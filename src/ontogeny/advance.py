"""Advancing: takes a cohort from where it was left to its end, and commits what it measures on the way."""

import functools
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import torch

from ontogeny.errors import CannotCompile, RunFailed, UserError
from ontogeny.executors.contract import Progress, Result
from ontogeny.experiment import Cohort, Experiment, Row
from ontogeny.folder import Folder, folder_at
from ontogeny.labelled import Record
from ontogeny.machine import one_thread
from ontogeny.memory import is_out_of_memory, say_out_of_memory
from ontogeny.pieces import Pieces
from ontogeny.store import CohortStore, cohort_name, named, read_about

COMMIT_SECONDS = 5.0  # at most this much work is done again after a kill,
COMMIT_SHARE = 0.1  # unless committing would take more than this share of the time,
COMMIT_AT_LEAST = 1800.0  # but never more seconds than this, however slow one commit was
WEIGHTS_BYTES = 256 << 20  # of states that are kept: no more waits to be committed

REPLAYED = "replayed"  # in the state of a cohort that is measured in the states its first segment holds


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
    weights: bool = False  # whether the states at measured steps are kept
    pieces: int = 1  # that its members are advanced in, for memory

    def __call__(self, look: Callable[[Progress], None], stopped: Callable[[], bool]) -> Result:
        """Takes the cohort to its end, or to the next record once it is to stop; gives the rows that diverged.

        Gives None when memory did not suffice, as long as it can be advanced in more pieces.

        Raises: `UserError` when the run's folder is another one here, or another process is at this cohort;
        `RunFailed`, with the cohort's factors, when the experiment breaks.
        """
        if stopped():
            return []
        _check_same(str(self.run), self.begun)
        store = self.store
        try:
            last = store.glance("finished", "alive")
            if "finished" in last:
                store.tidy()
            else:
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
            if is_out_of_memory(error):
                if self.pieces < len(self.rows):
                    return None
                raise say_out_of_memory(f"in experiment {self.name!r} with a member at a time", error) from error
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise RunFailed(f"experiment {self.name!r} broke in the members from {values}: {reason}") from error
        alive = last.get("alive", torch.ones(len(self.rows)))
        return [row for row, lives in zip(self.rows, alive, strict=True) if not lives]

    def halved(self) -> "Advance":
        """The same work in pieces of half as many members."""
        return replace(self, pieces=min(2 * self.pieces, len(self.rows)))

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
        state = state or {}
        replays = {REPLAYED: state.pop(REPLAYED)} if REPLAYED in state else {}
        pending: list[Record] = []
        weights: dict[str, torch.Tensor] = {}
        pause, committed = COMMIT_SECONDS, time.monotonic()
        with self._cohort(store, bool(replays)) as cohort:
            if state:
                cohort.restore(state)
            for record in cohort.records():
                pending.append(record)
                if self.weights and not replays and record.step is not None:
                    weights |= named(record.step, cohort.state())
                look(cohort.progress())
                stop, full = stopped(), sum(v.nbytes for v in weights.values()) > WEIGHTS_BYTES
                waited = time.monotonic() - committed  # below 0 when the clock was set back
                if stop or full or not 0 <= waited <= pause:
                    started = time.monotonic()
                    store.commit(pending, {**cohort.state(), **replays}, weights)
                    pending, weights, committed = [], {}, time.monotonic()
                    pause = min(max(COMMIT_SECONDS, (committed - started) / COMMIT_SHARE), COMMIT_AT_LEAST)
                if stop:
                    return {}
            last = {**cohort.state(), "finished": torch.tensor(True)}
            store.commit(pending, last, weights)
            look(cohort.progress())
        return last

    @contextmanager
    def _cohort(self, store: CohortStore, replays: bool) -> Iterator[Cohort]:
        """The cohort at its beginning; one that `replays` is measured in the states that its folder holds."""
        if replays:
            with store.weights() as kept:
                yield self.experiment.replay(self.rows, self.device, kept.at)
        elif self.pieces > 1:
            yield Pieces(self.experiment, self.rows, self.pieces, self.device, self.compiled)
        else:
            yield self.experiment.open(self.rows, self.device, self.compiled)


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
