"""Ray: the cohorts of a run as tasks on a Ray cluster, or on one that is started on this machine."""

import os
import socket
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch

from ontogeny.errors import RunFailed, UserError
from ontogeny.executors.contract import Progress, Result, Work
from ontogeny.locate import adopt, own_studies
from ontogeny.machine import versions
from ontogeny.memory import keep_freed

RETRIES = 16  # of a cohort whose worker or node was lost; each goes on from the last commit
POLL_SECONDS = 0.25  # between looks at how far the tasks are
KNOCK_SECONDS = 10.0  # for a cluster to answer
STOP_SECONDS = 60.0  # that tasks get to reach their next record and commit it
# What numbers, or the speed, of a process depend on: a worker gets this process's.
ENVIRONMENT = (
    "MKL_",
    "OMP_",
    "KMP_",
    "ATEN_",
    "DNNL_",
    "ONEDNN_",
    "CUBLAS_",
    "NVIDIA_TF32",
    "TORCH",
    "PYTORCH_",
    "ONTOGENY_",
)


class Ray:
    """A task a cohort, on one CPU or, for a run on a GPU, on one GPU.

    A task whose worker or node is lost is done again elsewhere, from the last commit.
    """

    in_process = False

    def __init__(self, address: str | None = None) -> None:
        """Connects to a cluster: at the address, or at the variable RAY_ADDRESS; with neither, one is started here.

        Raises: `UserError` when Ray is not installed, or the address cannot be reached.
        """
        try:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when it is imported
            import ray  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise UserError("--executor ray needs Ray: pip install 'ontogeny[ray]'") from None
        self.ray: Any = ray
        if ray.is_initialized():
            return
        address = address or os.environ.get("RAY_ADDRESS")
        try:
            _knock(address)
            ray.init(address=address, include_dashboard=None if address else False, **_QUIET)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError, OSError) as error:
            reason = " ".join(str(getattr(error, "strerror", None) or error).split())
            if not address:
                raise UserError(f"Ray cannot be started here ({reason}): give the --address of a cluster") from None
            raise UserError(f"no Ray cluster answers at {address} ({reason}): give its head's HOST:PORT") from None

    def __str__(self) -> str:
        nodes = sum(node["Alive"] for node in self.ray.nodes())
        has = self.ray.cluster_resources()
        gpus = f" and {has['GPU']:.0f} GPUs" if has.get("GPU") else ""
        return f"Ray: {nodes} {'node' if nodes == 1 else 'nodes'}, {has.get('CPU', 0):.0f} CPUs{gpus}"

    def cores(self) -> int:
        """Of all nodes."""
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def results(
        self, work: Sequence[Work], device: torch.device, look: Callable[[int, Progress], None]
    ) -> Generator[tuple[int, Result], None, None]:
        """Gives the index and the result of every piece as it ends."""
        ray = self.ray
        needs = {"num_gpus": 1, "num_cpus": 0} if device.type == "cuda" else {"num_cpus": 1}
        if not ray.cluster_resources().get("GPU" if device.type == "cuda" else "CPU"):
            raise UserError(f"no node of {self} has what a cohort needs ({needs}): add one, or use another --device")
        board = self._board()
        environment = {name: value for name, value in os.environ.items() if name.startswith(ENVIRONMENT)}
        task = ray.remote(_do).options(**needs, max_retries=RETRIES, runtime_env={"env_vars": environment})
        studies, made_with = ray.put(own_studies()), ray.put(versions())
        pieces = map(ray.cloudpickle.dumps, work)
        waiting = {task.remote(p, index, board, studies, made_with): index for index, p in enumerate(pieces)}
        try:
            while waiting:
                ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=POLL_SECONDS)
                for index, seen in self._seen(board).items():
                    look(index, seen)
                for ref in ready:
                    rows = self._result(ref)
                    yield waiting.pop(ref), rows
        finally:
            if waiting:
                self._stop(board, waiting)
            with suppress(ray.exceptions.RayError):
                ray.kill(board)

    def _board(self) -> Any:
        """The board, on this node when it can be: there it lives as long as this process."""
        here = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            self.ray.get_runtime_context().get_node_id(), soft=True
        )
        return self.ray.remote(Board).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()

    def _seen(self, board: Any) -> Mapping[int, Progress]:
        try:
            return self.ray.get(board.take.remote(), timeout=STOP_SECONDS)
        except self.ray.exceptions.RayError:  # its node was lost, and it is starting again on another
            return {}

    def _result(self, ref: Any) -> Result:
        errors = self.ray.exceptions
        try:
            return self.ray.get(ref)
        except errors.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Exception) else error) from None
        except errors.RayError as error:
            reason = str(error).strip().splitlines()[0]
            raise RunFailed(
                f"a cohort's worker was lost {RETRIES + 1} times ({reason}): what was committed is kept"
            ) from None

    def _stop(self, board: Any, waiting: Mapping[Any, int]) -> None:
        """Ends the tasks: those that have begun at their next record, which they commit."""
        ray = self.ray
        try:
            begun = ray.get(board.close.remote(), timeout=STOP_SECONDS)
        except ray.exceptions.RayError:
            begun = set()
        for ref, index in waiting.items():
            if index not in begun:
                ray.cancel(ref)
        _, late = ray.wait(list(waiting), num_returns=len(waiting), timeout=STOP_SECONDS)
        for ref in late:
            ray.cancel(ref, force=True)


def _knock(address: str | None) -> None:
    """Tries the connection first: Ray itself takes minutes to give up. Raises: `OSError`."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()


_QUIET = {"log_to_driver": False, "logging_level": "ERROR"}


class Board:
    """Where tasks put up how far they are, and read whether they are to stop."""

    def __init__(self) -> None:
        self.begun: set[int] = set()
        self.seen: dict[int, Progress] = {}
        self.stop = False

    def put(self, index: int, seen: Progress | None) -> bool:
        """A task begins, or is so far; gives whether it is to stop."""
        self.begun.add(index)
        if seen is not None:
            self.seen[index] = seen
        return self.stop

    def take(self) -> dict[int, Progress]:
        """What has changed since it was last asked."""
        seen, self.seen = self.seen, {}
        return seen

    def close(self) -> set[int]:
        """Everyone is to stop; gives who has begun."""
        self.stop = True
        return self.begun


class Link:
    """A task's link to the board. It never waits: it goes by the answer to what it said last."""

    def __init__(self, index: int, board: Any) -> None:
        import ray  # pyright: ignore[reportMissingImports]

        self.ray: Any = ray
        self.index, self.board, self.stop = index, board, False
        self.answer = board.put.remote(index, None)

    def look(self, seen: Progress) -> None:
        """Puts up how far the task is."""
        self.stop = self.stopped()
        self.answer = self.board.put.remote(self.index, dict(seen))

    def stopped(self) -> bool:
        """Whether the task is to stop, as far as is known by now."""
        if self.ray.wait([self.answer], timeout=0)[0]:
            try:
                self.stop |= self.ray.get(self.answer)
            except self.ray.exceptions.RayError:  # the board is being moved to another node
                return self.stop
        return self.stop


def _do(piece: bytes, index: int, board: Any, studies: Mapping[str, str], made_with: Mapping[str, str]) -> Result:
    """What a worker runs. The piece may hold parts of a user's own study, so that must be loaded first."""
    for name, here in versions().items():
        if name != "python" and here != made_with[name]:
            raise UserError(
                f"node {os.uname().nodename} has {name} {here}, the run was begun with {made_with[name]}: "
                "its numbers would not fit together; install the same versions on all nodes"
            )
    keep_freed()
    link = Link(index, board)
    adopt(studies)
    return link.ray.cloudpickle.loads(piece)(link.look, link.stopped)
