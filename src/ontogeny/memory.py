"""Memory that is freed between updates is kept for the next one."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt


def keep_freed() -> None:
    """Tells glibc to keep what is freed instead of giving it back to the system at every update.

    The activations of a population are some megabytes each; handed back and fetched again, every page of them is
    cleared anew. Does nothing on other C libraries.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_MMAP_THRESHOLD, 1 << 30)
            mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
