"""Local: the cohorts of a run in this process, on a CPU one a core."""

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial

import torch

from ontogeny.executors.contract import Progress, Result, Work
from ontogeny.experiment import cohorts_at_once


class Local:
    """Threads of this process.

    Two cohorts on a core each are faster than one on both, for much of an update is too small to be shared.
    """

    in_process = True

    def cores(self) -> int:
        """As many as PyTorch uses."""
        return torch.get_num_threads()

    def results(
        self, work: Sequence[Work], device: torch.device, look: Callable[[int, Progress], None]
    ) -> Generator[tuple[int, Result], None, None]:
        """Gives the index and the result of every piece as it ends."""
        workers = cohorts_at_once(len(work), device)
        stop = threading.Event()

        def do(index: int) -> Result:
            try:
                return work[index](partial(look, index), stop.is_set)
            except BaseException:
                stop.set()
                raise

        with ThreadPoolExecutor(workers) as pool:
            futures = {pool.submit(do, index): index for index in range(len(work))}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            finally:
                stop.set()  # those that are still at work, when one has broken or the user interrupts
