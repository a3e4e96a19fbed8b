"""Live progress of a run: members, step, loss quantiles, model-steps per second, and the time that is left."""

import threading
import time
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ontogeny.executors.contract import Progress as Seen
from ontogeny.experiment import Row

SILENT_SECONDS = 15.0  # between lines where nobody sees a bar move


class RichWatcher:
    """Shows a bar in a terminal, and a line now and then in a log."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.lock = threading.Lock()
        self.bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
            console=console,
            refresh_per_second=4,
        )
        self.task: TaskID | None = None
        self.said: set[str] = set()

    def say(self, text: str) -> None:
        """Prints a line."""
        self.console.print(text, style="dim", highlight=False, markup=False, soft_wrap=True)

    def begin(self, experiment: str, cohorts: Sequence[Sequence[Row]]) -> None:
        """Starts a bar for an experiment."""
        self.name = experiment
        self.sizes = [len(rows) for rows in cohorts]
        self.shares = [0.0] * len(cohorts)  # of each cohort's work that is done
        self.started = self.spoken = time.monotonic()
        self.since: tuple[float, float] | None = None  # work and time when we began to look: a resume is not "fast"
        if self.console.is_terminal:
            self.bar.start()
            self.task = self.bar.add_task(experiment, total=sum(self.sizes), words="starting")

    def look(self, index: int, seen: Seen) -> None:
        """Moves the bar, at most a few times a second, and says once what a cohort has to say."""
        with self.lock:
            if (line := seen.get("said")) and line not in self.said:
                self.said.add(line)
                self.say(line)
            self._look(index, seen)

    def _look(self, index: int, seen: Seen) -> None:
        now = time.monotonic()
        pause = 0.25 if self.console.is_terminal else SILENT_SECONDS
        self.shares[index] = seen["done"] / max(seen["total"], 1)
        if now - self.spoken < pause:
            return
        done = sum(share * size for share, size in zip(self.shares, self.sizes, strict=True))
        if self.since is None:
            self.since = (done, now)
        rate = (done - self.since[0]) / max(now - self.since[1], 1e-9)
        words = self._words(done, seen, rate)
        if self.console.is_terminal and self.task is not None:
            self.bar.update(self.task, completed=done, words=words)
            self.spoken = now
        elif now - self.spoken >= SILENT_SECONDS:
            self.console.print(f"{self.name}: {done / sum(self.sizes):.0%}  {words}", highlight=False, soft_wrap=True)
            self.spoken = now

    def end(self, experiment: str, diverged: Sequence[Row]) -> None:
        """Ends the bar, and says who diverged."""
        if self.task is not None:
            self.bar.update(self.task, completed=sum(self.sizes), words=f"{sum(self.sizes)} members")
            self.bar.stop()
            self.bar.remove_task(self.task)
            self.task = None
        took = time.monotonic() - self.started
        self.console.print(f"{experiment}: {sum(self.sizes)} members in {clock(took)}", highlight=False, soft_wrap=True)
        for row in diverged:
            values = ", ".join(f"{name}={value}" for name, value in row.items())
            self.console.print(
                f"  diverged and frozen: the member with {values}", style="yellow", highlight=False, soft_wrap=True
            )

    def close(self) -> None:
        """Gives the terminal back, however the run ended."""
        self.bar.stop()

    def _words(self, done: float, seen: Seen, rate: float) -> str:
        words = f"{done:.0f}/{sum(self.sizes)} members"
        if seen["total"] > 1:
            words += f" · step {seen['done']:,}/{seen['total']:,}"
            if rate:
                words += f" · {rate * seen['total']:,.0f} model-steps/s"
        if seen["loss"] is not None and (finite := np.isfinite(seen["loss"])).any():
            low, middle, high = np.quantile(seen["loss"][finite], (0.1, 0.5, 0.9))
            words += f" · loss {middle:.3g} ({low:.3g} to {high:.3g})"
        return f"{words} · {clock((sum(self.sizes) - done) / rate)} left" if rate else words


def clock(seconds: float) -> str:
    """Seconds as people say them: 45 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
