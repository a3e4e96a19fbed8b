"""Shared loops: a member that trains alone has its loops on two cores, with the bits of one.

Rounds of a loop that write to places of their own can be made by any core. Those that add up cannot: a sum that is
divided has other bits, and rounds that add to one place (the gradient of an embedding) come in no order at all. The
compiler would divide both, so it is told which loops it may share.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LEAST = 1 << 15  # rounds, below which a second core costs more than it gives

# As many threads as there are when a program runs; and sums into places as for one thread, not in another kernel.
OPTIONS = {"cpp.threads": 2, "cpp.dynamic_threads": True, "cpp.fallback_scatter_reduce_sum": False}


@contextmanager
def sums_whole() -> Iterator[None]:
    """Within the `with`, programs compiled with `OPTIONS` share loops over cores, but for small ones and sums.

    Raises: `AttributeError` where the compiler is not as in torch 2.13.
    """
    from torch._inductor.codegen import cpp  # a second to load: where it is used, not on top

    nests: Any = cpp.LoopNest
    offered = nests.max_parallel_depth

    def max_parallel_depth(nest: Any) -> Any:
        depth = offered(nest)
        if not nest.loops or nest.loops[depth.start_depth].is_reduction or not _worth_it(nest) or _adds(nest):
            return cpp.ParallelDepth(parallel_depth=0, start_depth=0)
        return depth

    nests.max_parallel_depth = max_parallel_depth
    try:
        yield
    finally:
        nests.max_parallel_depth = offered


def _parts(nest: Any) -> list[Any]:
    """What is inside: the loops that share this one as their outer loop."""
    return getattr(nest.kernel, "inner", [])


def _worth_it(nest: Any) -> bool:
    def rounds(nest: Any) -> int:
        each = sum(map(rounds, _parts(nest))) or 1
        return math.prod(int(loop.size) for loop in nest.loops or ()) * each

    return rounds(nest) >= LEAST


def _adds(nest: Any) -> bool:
    """Whether rounds add to what is there, which the compiler writes as an atomic addition."""
    if parts := _parts(nest):
        return any(map(_adds, parts))
    return any("atomic_add" in kernel.stores.getvalue() for kernel in nest.kernel.kernels)
