"""What a run was made with and on: versions and hardware."""

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import scipy
import torch
import xarray

from ontogeny import __version__


def versions() -> dict[str, str]:
    """Versions of what numbers depend on."""
    return {
        "ontogeny": __version__,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "xarray": xarray.__version__,
        "python": platform.python_version(),
    }


def hardware(device: torch.device) -> dict[str, Any]:
    """Processor, cores, threads, memory in GB and, on a GPU, its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    found = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(memory, 1),
    }
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    return found


class _Count:
    """How many are within the `with`, of all threads."""

    def __init__(self) -> None:
        self.count, self.lock = 0, threading.Lock()

    def __enter__(self) -> None:
        with self.lock:
            self.count += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.count -= 1


CORES = torch.get_num_threads()
_at_work = _Count()


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the `with`, PyTorch computes on one thread: with more, products depend on the number of members."""
    with threads(1), _at_work:
        yield


def cores_each() -> int:
    """Cores of this process for each of those that compute on one thread now."""
    return max(1, CORES // max(1, _at_work.count))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Within the `with`, PyTorch has so many threads, and work is divided for so many cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
