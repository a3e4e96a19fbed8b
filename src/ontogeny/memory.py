"""Memory: what is freed between updates is kept for the next one, and how it shows that there is none left."""

import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import torch

from ontogeny.errors import RunFailed, UserError

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of glibc's mallopt
_HUGE_PAGES, _HUGE_PAGE = 14, 2 << 20  # of Linux's madvise
_LARGE_A_CORE = 256 << 20  # bytes that may come to lie in large pages
# As PyTorch says it in errors that have no class of their own: its CPU allocator, and CUDA's libraries.
_WORDS = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")


@cache
def keep_freed() -> None:
    """Tells glibc to keep what is freed, not give it back to the system at every update, and to use large pages.

    The activations of a population are some megabytes each; handed back and fetched again, every page of them is
    cleared anew, and in pages of 4 kB the updates of two cohorts side by side took 6 % longer. Where the system has
    large pages for those who ask (`/sys/kernel/mm/transparent_hugepage/enabled`), this does. Does nothing on other C
    libraries.
    """
    libc = ctypes.CDLL(None)
    if sys.platform != "linux" or not hasattr(libc, "mallopt"):
        return
    most = 1 << 30
    libc.mallopt(_MMAP_THRESHOLD, most)
    libc.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
    libc.mallopt(_ARENA_MAX, 1)  # all threads take their memory from the one heap whose pages are large
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes, libc.madvise.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    size = min(_LARGE_A_CORE * torch.get_num_threads(), most - _HUGE_PAGE)
    if start := libc.malloc(size):  # addresses, which take no memory until they are used
        first, last = -(-start // _HUGE_PAGE), (start + size) // _HUGE_PAGE
        libc.madvise(first * _HUGE_PAGE, (last - first) * _HUGE_PAGE, _HUGE_PAGES)
        libc.free(start)


def available_bytes() -> int:
    """Memory that this process can still get: what the system has left or, where that is less, its control group.

    What files occupy is not counted as taken, for it is given back when it is needed.
    """
    left = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, KeyError):
        left.append(1024 * _numbers(Path("/proc/meminfo"))["MemAvailable:"])
    for group in _control_groups():
        with suppress(OSError, ValueError, KeyError):  # no limit is called "max", and the topmost group has none
            most, taken = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
            files = _numbers(group / "memory.stat")
            left.append(most - taken + files["inactive_file"] + files["active_file"])
    return max(0, min(left))


def _control_groups() -> list[Path]:
    """The control group of this process, and those that it lies in."""
    home = Path("/sys/fs/cgroup")
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    own = [home / line.removeprefix("0::").lstrip("/") for line in lines if line.startswith("0::")]
    return [group for path in own for group in (path, *path.parents) if group.is_relative_to(home)]


def _numbers(path: Path) -> dict[str, int]:
    """The first number of each line of a file, by the word before it."""
    words = (line.split() for line in path.read_text().splitlines())
    return {line[0]: int(line[1]) for line in words if len(line) > 1 and line[1].isdecimal()}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, as Python, NumPy, PyTorch or the system say it."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


def say_out_of_memory(what: str, error: BaseException) -> RunFailed:
    """The line for someone whose memory did not suffice for `what`."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return RunFailed(
        f"out of memory {what} ({reason}): what was committed is kept; free some, or take a machine with more, and "
        "run the same command again"
    )


@contextmanager
def one_line_when_full() -> Iterator[None]:
    """Within the `with`, running out of memory is one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise say_out_of_memory("while getting ready", error) from None
