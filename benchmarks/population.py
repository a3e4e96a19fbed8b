"""Population training beside its rivals, all in one run.

    python benchmarks/population.py                      # the small table: two rivals, some 15 minutes on two cores
    python benchmarks/population.py --rivals all --out docs/performance.md
    python benchmarks/population.py --widths 16 --members 8 --rounds 3

The rivals of a row take turns, in repeated rounds, and a ratio is the median over rounds: what slows the machine for a
while slows all of them. The peak is the best rate of square float32 products in the same run, on all cores.
"""

import argparse
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import partial
from pathlib import Path

import torch
from plain import (
    GPT,
    HEADS,
    RATE,
    VOCABULARY,
    Advance,
    Size,
    batches,
    loss_of,
    one_by_one,
    process_a_core,
    through_vmap,
)
from torch.utils.flop_counter import FlopCounterMode

from ontogeny import seeds
from ontogeny.experiment import cohorts_at_once
from ontogeny.machine import hardware, one_thread
from ontogeny.memory import keep_freed
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.training.experiment import Training
from ontogeny.training.optimizers import AdamW
from ontogeny.training.steps import at

CPU = torch.device("cpu")
SIZES = {
    16: Size(16, 1, 16, 32),
    32: Size(32, 1, 32, 32),
    64: Size(64, 2, 32, 64),
    128: Size(128, 2, 32, 64),
    256: Size(256, 2, 32, 64),
}
SECONDS = 0.5  # of the slowest way, a round


class RandomTokens(Task):
    """Uniform tokens: there is nothing to learn, and the arithmetic is that of any task."""

    context: int

    @property
    def shape(self) -> Shape:
        return Shape(vocabulary=VOCABULARY, outputs=VOCABULARY, length=self.context)

    def sample(self, world: None, streams: Streams, size: int) -> Batch:
        tokens = streams.integers("tokens", (size, self.context + 1), VOCABULARY)
        return Batch(inputs=tokens[..., :-1], targets=tokens[..., 1:])


@contextmanager
def population(size: Size, members: int, compiled: bool) -> Iterator[Advance]:
    """The cohorts of a population side by side, a core and a thread each, as a run has them; data included."""
    training = Training(
        factors=seeds(members),
        task=RandomTokens(context=size.context),
        model=Transformer(layers=size.layers, width=size.width, heads=HEADS),
        optimizer=AdamW(lr=RATE),
        batch=size.batch,
        steps=10**6,
        at=at(),
    )
    rows = training.factors.rows()
    plan = training.plan(rows, CPU)
    workers = cohorts_at_once(len(plan), CPU)
    with one_thread():
        cohorts = [training.open([rows[i] for i in chunk], CPU, compiled) for chunk in plan]

    def share(worker: int, updates: int) -> None:
        with one_thread():
            for cohort in cohorts[worker::workers]:
                for _ in range(updates):
                    cohort.update()
                cohort.losses.clear()

    with ThreadPoolExecutor(workers) as pool:

        def advance(updates: int) -> None:
            list(pool.map(partial(share, updates=updates), range(workers)))

        yield advance


def jax_scan(size: Size, members: int):
    from in_jax import through_scan

    return through_scan(size, members)


OURS: dict[str, Callable] = {
    "eager": partial(population, compiled=False),
    "compiled": partial(population, compiled=True),
}
RIVALS: dict[str, Callable] = {
    "loop": one_by_one,
    "vmap": through_vmap,
    "compiled loop": partial(one_by_one, compiled=True),
    "processes": process_a_core,
    "JAX": jax_scan,
}


def useful_flops(size: Size) -> int:
    """Matrix products of one update of one model, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        loss_of(GPT(size), batches(size, 1)[0, 0]).backward()
    return counter.get_total_flops()


def matmul_peak() -> float:
    """The best rate of square float32 products, FLOP/s."""
    best = 0.0
    for n in (512, 1024, 2048):
        a, b = torch.ones(n, n), torch.ones(n, n)
        a @ b
        for _ in range(5):
            started = time.perf_counter()
            a @ b
            best = max(best, 2 * n**3 / (time.perf_counter() - started))
    return best


def seconds(advance: Advance, updates: int) -> float:
    started = time.perf_counter()
    advance(updates)
    return (time.perf_counter() - started) / updates


def row(size: Size, members: int, rounds: int, rivals: list[str]) -> dict:
    """Times all ways in turn; gives their seconds for an update of all members, round by round."""
    with ExitStack() as stack:
        ways = {name: stack.enter_context((OURS | RIVALS)[name](size, members)) for name in [*OURS, *rivals]}
        for advance in ways.values():
            advance(2)
        updates = max(1, int(SECONDS / max(seconds(advance, 1) for advance in ways.values())))
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, advance in ways.items():
                taken[name].append(seconds(advance, updates))
    return taken


def ratio(taken: dict[str, list[float]], rival: str, ours: str) -> float:
    """How many times faster ours is, median over rounds."""
    return statistics.median(b / a for a, b in zip(taken[ours], taken[rival], strict=True))


def table(widths: list[int], counts: list[int], rounds: int, rivals: list[str], peak: float) -> Iterator[str]:
    """The lines of a Markdown table, as they come."""
    columns = ["width", "layers", "context", "batch", "members", "steps/s eager", "steps/s compiled", "of peak"]
    yield "| " + " | ".join([*columns, *(f"÷ {rival}" for rival in rivals)]) + " |"
    yield "|" + "---:|" * (len(columns) + len(rivals))
    for size in (SIZES[width] for width in widths):
        flops = useful_flops(size)
        for members in counts:
            taken = row(size, members, rounds, rivals)
            rate = {name: members / statistics.median(taken[name]) for name in OURS}
            cells = [size.width, size.layers, size.context, size.batch, members]
            cells += [f"{rate['eager']:,.0f}", f"{rate['compiled']:,.0f}", f"{rate['compiled'] * flops / peak:.0%}"]
            cells += [f"{ratio(taken, r, 'eager'):.2f} / {ratio(taken, r, 'compiled'):.2f}" for r in rivals]
            yield "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64, 128], choices=SIZES)
    parser.add_argument("--members", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rivals", nargs="+", default=["loop", "vmap"], choices=[*RIVALS, "all"])
    parser.add_argument("--out", type=Path, help="put the table between the marks of this Markdown page")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    keep_freed()
    rivals = list(RIVALS) if "all" in options.rivals else options.rivals
    peak, machine = matmul_peak(), hardware(CPU)
    head = (
        f"{date.today()}, {machine['processor']}, {machine['threads']} cores, torch {torch.__version__}, Python "
        f"{platform.python_version()}: `python {' '.join([os.path.relpath(sys.argv[0]), *sys.argv[1:]])}`. Matmul peak "
        f"of this run: {peak / 1e9:.0f} GFLOP/s. Ratios are those of eager / compiled populations."
    )
    lines = [head, ""]
    print("\n".join(lines))
    for line in table(options.widths, options.members, options.rounds, rivals, peak):
        print(line, flush=True)
        lines.append(line)
    if options.out:
        before, rest = options.out.read_text().split("<!-- table -->")
        after = rest.split("<!-- /table -->")[1]
        options.out.write_text(before + "\n".join(["<!-- table -->", "", *lines, "", "<!-- /table -->"]) + after)


if __name__ == "__main__":
    main()
