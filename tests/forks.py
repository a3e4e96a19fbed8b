"""Commands in forks of one process that has loaded everything, so that many can be run, and killed, in a minute."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ended:
    """How a command ended: `code` is None when it was killed."""

    code: int | None
    out: str
    err: str
    commits: int  # that were begun

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if "error" in line.lower() or "Traceback" in line]


class Forks:
    """Runs commands. A job may say:

    - `kill=(n, seconds)`: `kill -9` so many seconds after the n-th commit was begun (0: after the start);
    - `full=n`: from the n-th synced file on there is no space on the disk;
    - `most=n`: an update of more members than this asks for more memory than there is;
    - `threads`: how many cohorts advance side by side.
    """

    def __init__(self, server: "subprocess.Popen[str]", folder: Path) -> None:
        self.server, self.folder, self.jobs = server, folder, 0

    def run(self, *arguments: str, **job: Any) -> Ended:
        return self.together((arguments, job))[0]

    def together(self, *jobs: tuple[tuple[str, ...], dict[str, Any]]) -> list[Ended]:
        """Several commands at once."""
        told = []
        for arguments, job in jobs:
            self.jobs += 1
            told.append({"arguments": arguments, "said": str(self.folder / f"{self.jobs}"), **job})
        assert self.server.stdin
        assert self.server.stdout
        self.server.stdin.write(json.dumps(told) + "\n")
        self.server.stdin.flush()
        ends = json.loads(self.server.stdout.readline())
        return [
            Ended(code, *(Path(job["said"] + end).read_text() for end in (".out", ".err")), commits)
            for job, (code, commits) in zip(told, ends, strict=True)
        ]


@contextmanager
def forks(folder: Path) -> Iterator[Forks]:
    folder.mkdir(parents=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ONTOGENY_CACHE": str(folder / "cache")}
    command = [sys.executable, "-W", "ignore", __file__]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment) as server:
        try:
            yield Forks(server, folder)
        finally:
            assert server.stdin
            server.stdin.close()


def _serve() -> None:
    for line in sys.stdin:
        started = [_Child(job) for job in json.loads(line)]
        while any([child.goes() for child in started]):  # a list: all of them are looked at
            time.sleep(0.001)
        sys.stdout.write(json.dumps([(child.code, child.commits) for child in started]) + "\n")
        sys.stdout.flush()


class _Child:
    def __init__(self, job: dict[str, Any]) -> None:
        self.after, self.delay = job.get("kill", (-1, 0.0))
        self.commits, self.due, self.code, self.ended = 0, None, None, False
        self.ticks, ticking = os.pipe()
        os.set_blocking(self.ticks, False)
        self.pid = os.fork()
        if not self.pid:
            _command(job, ticking)
        os.close(ticking)

    def goes(self) -> bool:
        """Whether it still runs; kills it when its moment has come."""
        if self.ended:
            return False
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        with suppress(BlockingIOError):
            self.commits += len(os.read(self.ticks, 65536))
        if pid:
            self.ended = True
            self.code = None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            os.close(self.ticks)
            return False
        if self.due is None and self.after >= 0 and self.commits >= self.after:
            self.due = time.monotonic() + self.delay
        if self.due is not None and time.monotonic() >= self.due:
            os.kill(self.pid, signal.SIGKILL)  # still ours: it has not been waited for
        return True


def _command(job: dict[str, Any], ticking: int) -> None:
    """Becomes the command."""
    code = 70
    try:
        for handle, end in ((0, None), (1, ".out"), (2, ".err")):
            flags = os.O_RDONLY if end is None else os.O_CREAT | os.O_WRONLY | os.O_TRUNC
            os.dup2(os.open(job["said"] + end if end else os.devnull, flags), handle)
        _prepare(job, ticking)
        sys.argv = ["ontogeny", *job["arguments"]]
        code = 0
        try:
            cli.main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _prepare(job: dict[str, Any], ticking: int) -> None:
    torch.set_num_threads(job.get("threads", 2))
    if "kill" in job:  # at a process that commits at every record
        ontogeny.advance.COMMIT_SECONDS, ontogeny.advance.COMMIT_SHARE = 0.0, 1e9
    for owner, name in ((ontogeny.store.CohortStore, "commit"), (ontogeny.cache.MemberCache, "put")):
        real = getattr(owner, name)

        def told(*arguments, real=real):
            os.write(ticking, b".")
            return real(*arguments)

        setattr(owner, name, told)
    if "most" in job:
        update = TrainingCohort.update

        def greedy(cohort) -> None:
            if cohort.population.members > job["most"]:
                torch.empty(1 << 58)
            update(cohort)

        TrainingCohort.update = greedy
    if "full" in job:
        synced, left = os.fsync, [job["full"]]

        def full(handle: int) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(28, "No space left on device")
            synced(handle)

        os.fsync = full


if __name__ == "__main__":
    import torch

    import ontogeny.advance
    import ontogeny.cache
    import ontogeny.progress
    import ontogeny.review
    import ontogeny.store
    from ontogeny import cli
    from ontogeny.training.cohort import TrainingCohort

    _serve()
