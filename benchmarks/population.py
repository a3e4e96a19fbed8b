"""Population training beside its rivals, all in one run.

    python benchmarks/population.py                      # the small table: two rivals, some 15 minutes on two cores
    python benchmarks/population.py --rivals all --out docs/performance.md
    python benchmarks/population.py --widths 16 --members 8 --rounds 3
    python benchmarks/population.py --device cuda --members 1 16 256 1024

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
from plain import GPT, HEADS, RATE, RIVALS, VOCABULARY, Advance, Size, batches, loss_of
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
def population(size: Size, members: int, device: torch.device, compiled: bool) -> Iterator[Advance]:
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
    plan = training.plan(rows, device)
    workers = cohorts_at_once(len(plan), device)
    with one_thread():
        cohorts = [training.open([rows[i] for i in chunk], device, compiled) for chunk in plan]

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


def jax_scan(size: Size, members: int, device: torch.device):
    from in_jax import through_scan

    return through_scan(size, members, device)


OURS: dict[str, Callable] = {
    "eager": partial(population, compiled=False),
    "compiled": partial(population, compiled=True),
}
RIVALS["JAX"] = jax_scan


def useful_flops(size: Size) -> int:
    """Matrix products of one update of one model, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        loss_of(GPT(size), batches(size, 1, torch.device("cpu"))[0, 0]).backward()
    return counter.get_total_flops()


def matmul_peak(device: torch.device) -> float:
    """The best rate of square float32 products, FLOP/s."""
    best = 0.0
    for n in (512, 1024, 2048) if device.type == "cpu" else (4096, 8192):
        a, b = (torch.ones(n, n, device=device) for _ in range(2))
        for _ in range(6):
            taken = seconds(lambda _, a=a, b=b: a @ b, 1)
            best = max(best, 2 * n**3 / taken)
    return best


def seconds(advance: Advance, updates: int) -> float:
    started = time.perf_counter()
    advance(updates)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / updates


def row(size: Size, members: int, device: torch.device, rounds: int, ways: dict[str, Callable]) -> dict:
    """Times all ways in turn; gives their seconds for an update of all members, round by round."""
    with ExitStack() as stack:
        ready = {name: stack.enter_context(way(size, members, device)) for name, way in ways.items()}
        for advance in ready.values():
            advance(2)
        updates = max(1, int(SECONDS / max(seconds(advance, 1) for advance in ready.values())))
        taken: dict[str, list[float]] = {name: [] for name in ready}
        for _ in range(rounds):
            for name, advance in ready.items():
                taken[name].append(seconds(advance, updates))
    return taken


def ratio(taken: dict[str, list[float]], rival: str, ours: str) -> float:
    """How many times faster ours is, median over rounds."""
    return statistics.median(b / a for a, b in zip(taken[ours], taken[rival], strict=True))


def table(options: argparse.Namespace, device: torch.device, rivals: list[str], peak: float) -> Iterator[str]:
    """The lines of a Markdown table, as they come."""
    ours = OURS if device.type == "cpu" else {"eager": OURS["eager"]}  # programs have not been tried on a GPU
    columns = ["width", "layers", "context", "batch", "members", "steps/s", "of peak"]
    yield "| " + " | ".join([*columns, *(f"÷ {rival}" for rival in rivals)]) + " |"
    yield "|" + "---:|" * (len(columns) + len(rivals))
    for size in (SIZES[width] for width in options.widths):
        flops = useful_flops(size)
        for members in options.members:
            ways = ours | {rival: RIVALS[rival] for rival in rivals}
            taken = row(size, members, device, options.rounds, ways)
            rates = [members / statistics.median(taken[name]) for name in ours]
            cells = [str(x) for x in (size.width, size.layers, size.context, size.batch, members)]
            cells.append(" / ".join(f"{rate:,.0f}" for rate in rates))
            cells.append(" / ".join(f"{rate * flops / peak:.0%}" for rate in rates))
            cells += [" / ".join(f"{ratio(taken, rival, mine):.2f}" for mine in ours) for rival in rivals]
            yield "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64, 128], choices=SIZES)
    parser.add_argument("--members", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rivals", nargs="+", default=["loop", "vmap"], choices=[*RIVALS, "all"])
    parser.add_argument("--out", type=Path, help="put the table between the marks of this Markdown page")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    keep_freed()
    device = torch.device(options.device)
    there = [rival for rival in RIVALS if device.type == "cpu" or rival != "processes"]
    rivals = there if "all" in options.rivals else options.rivals
    peak, machine = matmul_peak(device), hardware(device)
    on = f"{machine.get('gpu', machine['processor'])}, {machine['threads']} cores"
    command = f"python {' '.join([os.path.relpath(sys.argv[0]), *sys.argv[1:]])}"
    head = (
        f"{date.today()}, {on}, torch {torch.__version__}, Python {platform.python_version()}: `{command}`. Matmul "
        f"peak of this run: {peak / 1e9:,.0f} GFLOP/s. Of two figures the first is that of eager, the "
        "second of compiled updates."
    )
    lines = [head, ""]
    print("\n".join(lines))
    for line in table(options, device, rivals, peak):
        print(line, flush=True)
        lines.append(line)
    if options.out:
        before, rest = options.out.read_text().split("<!-- table -->")
        after = rest.split("<!-- /table -->")[1]
        options.out.write_text(before + "\n".join(["<!-- table -->", "", *lines, "", "<!-- /table -->"]) + after)


if __name__ == "__main__":
    main()
