"""How time and memory grow with the members of a population.

    python benchmarks/growth.py            # some four minutes on two cores
    python benchmarks/growth.py --quick

All numbers of members take turns in one run. Memory is what a process holds at most while it makes three updates, less
what it held before; each is measured in a process of its own, a population as a run advances it.
"""

import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context

import torch
from growth_plot import growth_plot
from in_ontogeny import ours, training, update
from page import made_on, options, picture, put, short, table
from plain import Size, one_by_one, through_vmap
from timing import Turns, in_turn

from ontogeny.experiment import cohorts_at_once
from ontogeny.machine import one_thread
from ontogeny.memory import keep_freed, peak_bytes, reset_peak

SIZES = (Size("transformer", 16, 1, 16, 32), Size("transformer", 64, 2, 32, 64))
COUNTS = {"cpu": (1, 2, 4, 8, 16, 32, 64), "cuda": (1, 4, 16, 64, 256, 1024)}
FEW = 3  # updates, after which memory does not grow any more


def times(size: Size, counts: tuple[int, ...], device: torch.device) -> Turns:
    """All ways with all numbers of members, in turn; the loop with one, since it takes as long for every model."""
    ways: dict[str, Callable] = {**ours(device), "vmap": through_vmap}
    with ExitStack() as stack:
        ready = {"loop 1": stack.enter_context(one_by_one(size, 1, device))}
        for members in counts:
            for name, way in ways.items():
                ready[f"{name} {members}"] = stack.enter_context(way(size, members, device))
        return in_turn(ready, device)


def as_a_run(size: Size, members: int, device: torch.device) -> None:
    """Cohorts one after another, as many side by side as a run has."""
    keep_freed()
    of = training(size, members)
    rows = of.factors.rows()
    plan = of.plan(rows, device)

    def advance(chunk: list[int]) -> None:
        with one_thread():
            update(of.open([rows[i] for i in chunk], device), FEW)

    with ThreadPoolExecutor(cohorts_at_once(len(plan), device)) as pool:
        list(pool.map(advance, plan))


def rival(way: Callable, size: Size, members: int, device: torch.device) -> None:
    with way(size, members, device) as advance:
        advance(FEW)


HELD = {"ours": as_a_run, "vmap": partial(rival, through_vmap), "loop": partial(rival, one_by_one)}


def held(way: str, size: Size, members: int, device: torch.device) -> int:
    """Bytes, in this process, which must be a fresh one."""
    HELD[way](SIZES[0], 1, device)  # what is loaded once
    reset_peak(device)
    before = peak_bytes(device)
    HELD[way](size, members, device)
    return max(0, peak_bytes(device) - before)


def in_a_process(way: str, size: Size, members: int, device: torch.device) -> int:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(held, way, size, members, device).result()


def main() -> None:
    args = options(__doc__).parse_args()
    warnings.simplefilter("ignore")
    keep_freed()
    device = torch.device(args.device)
    counts, sizes = COUNTS[args.device], SIZES
    if args.quick:
        counts, sizes = counts[:2], sizes[:1]
    ways = [*ours(device), "vmap", "loop"]
    found, rows = {}, []
    for size in sizes:
        turns = times(size, counts, device)
        memory = {way: {n: in_a_process(way, size, n, device) / 1e6 for n in sorted(counts[::-2])} for way in HELD}
        each = {way: {n: 1e3 * turns.seconds(f"{way} {n}") / n for n in counts} for way in ways[:-1]}
        each["loop"] = dict.fromkeys(counts, 1e3 * turns.seconds("loop 1"))
        found[size.width] = (each, memory)
        for n in counts:
            cells = [short(each[way][n]) for way in ways] + [
                short(memory[way][n]) if n in memory[way] else "" for way in HELD
            ]
            rows.append([size.width, n, *cells])
            print(*rows[-1], sep="\t", flush=True)
    head = ["width", "members", *(f"{w}, ms" for w in ways), *(f"{w}, MB" for w in HELD)]
    says = "Time a model-step and memory against the number of members"
    seen = picture(args.out, "growth", says, growth_plot(found))
    put(args.out, "growth", "\n\n".join([seen, table(head, rows), made_on(device)]))


if __name__ == "__main__":
    main()
