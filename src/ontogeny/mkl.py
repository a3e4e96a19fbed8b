"""MKL: asked for the same kernels in any company, on processors where it would choose them by the number of members."""

import os
from contextlib import suppress
from pathlib import Path


def keep_to_members() -> None:
    """Sets `MKL_CBWR=AUTO` on processors that are not Intel's, unless it is set.

    MKL reads it at its first product, so this comes before that. On one thread MKL's own choice gives a member the
    same bits in any company on Intel's processors, where the setting is left out; on AMD's a lone product differs in
    one of seventy shapes without it and in none with it, at the same speed.
    """
    if "MKL_CBWR" not in os.environ and _vendor() not in ("GenuineIntel", ""):
        os.environ["MKL_CBWR"] = "AUTO"


def _vendor() -> str:
    """The maker of the processor as Linux tells it, or nothing."""
    with suppress(OSError), Path("/proc/cpuinfo").open() as lines:
        for line in lines:
            if line.startswith("vendor_id"):
                return line.partition(":")[2].strip()
    return ""
