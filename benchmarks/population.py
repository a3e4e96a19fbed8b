"""Population training beside its rivals: plain PyTorch one model at a time, and torch.func.vmap.

    python benchmarks/population.py                      # the whole table, about 10 minutes on two cores
    python benchmarks/population.py --widths 16 --members 8

Every row's rivals take turns within one process, in repeated rounds, and the ratio is the median over rounds. The
matmul peak is measured in the same run: the best of square float32 products.
"""

import argparse
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch
from plain import GPT, one_by_one, through_vmap
from torch.utils.flop_counter import FlopCounterMode

from ontogeny import seeds
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.training.experiment import Training
from ontogeny.training.optimizers import AdamW
from ontogeny.training.steps import at

VOCABULARY, HEADS, LR = 32, 2, 1e-3


@dataclass(frozen=True)
class Size:
    """What a width is trained with: small networks on small batches, as in the studies."""

    width: int
    layers: int
    context: int
    batch: int


SIZES = {
    size.width: size for size in (Size(16, 1, 16, 32), Size(32, 1, 32, 32), Size(64, 2, 32, 64), Size(128, 2, 32, 64))
}


class RandomTokens(Task):
    """Uniform tokens: there is nothing to learn, and the arithmetic is that of any task."""

    context: int

    @property
    def shape(self) -> Shape:
        return Shape(vocabulary=VOCABULARY, outputs=VOCABULARY, length=self.context)

    def sample(self, world: None, streams: Streams, size: int) -> Batch:
        tokens = streams.integers("tokens", (size, self.context + 1), VOCABULARY)
        return Batch(inputs=tokens[..., :-1], targets=tokens[..., 1:])


def ours(size: Size, members: int):
    """One step of all cohorts of a population, data included."""
    training = Training(
        factors=seeds(members),
        task=RandomTokens(context=size.context),
        model=Transformer(layers=size.layers, width=size.width, heads=HEADS),
        optimizer=AdamW(lr=LR),
        batch=size.batch,
        steps=10**6,
        at=at(),
    )
    rows = training.factors.rows()
    cpu = torch.device("cpu")
    plan = training.plan(rows, cpu)
    cohorts = [training.open([rows[i] for i in chunk], cpu) for chunk in plan]

    def step(s: int) -> None:
        for cohort in cohorts:
            cohort.update()
            cohort.losses.clear()

    return step, len(plan[0])


def single(size: Size) -> GPT:
    return GPT(VOCABULARY, size.context, size.width, size.layers, HEADS)


def useful_flops(size: Size) -> int:
    """Matrix products of one step of one model, forward and backward."""
    tokens = torch.zeros(size.batch, size.context, dtype=torch.long)
    model = single(size)
    with FlopCounterMode(display=False) as counter:
        model(tokens).sum().backward()
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


def seconds(step, repeats: int) -> float:
    started = time.perf_counter()
    for s in range(repeats):
        step(s % 4)
    return (time.perf_counter() - started) / repeats


def row(size: Size, members: int, rounds: int) -> dict:
    """Times the three ways in turn."""
    batches = Streams(tuple(range(members))).integers("tokens", (4 * size.batch, size.context + 1), VOCABULARY)
    batches = batches.unflatten(1, (4, size.batch)).transpose(0, 1)

    def models() -> list[GPT]:
        return [single(size) for _ in range(members)]

    population, chunk = ours(size, members)
    ways = {
        "population": population,
        "one by one": one_by_one(models(), batches, LR),
        "vmap": through_vmap(models(), batches, LR),
    }
    for step in ways.values():
        step(0)
    repeats = max(1, int(0.4 / max(seconds(ways["one by one"], 1), 1e-4)))
    taken = {name: [] for name in ways}
    for _ in range(rounds):
        for name, step in ways.items():
            taken[name].append(seconds(step, repeats))
    ratio = {
        name: statistics.median(b / a for a, b in zip(taken["population"], taken[name], strict=True))
        for name in ("one by one", "vmap")
    }
    time_of = {name: statistics.median(values) for name, values in taken.items()}
    flops = useful_flops(size) * members
    return dict(members=members, chunk=chunk, flops=flops, seconds=time_of, ratio=ratio)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--members", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the table to this Markdown file, too")
    options = parser.parse_args()
    peak = matmul_peak()
    lines = [
        f"{date.today()} · {platform.processor() or platform.machine()} · {torch.get_num_threads()} threads · "
        f"torch {torch.__version__} · Python {platform.python_version()} · `python {' '.join(sys.argv)}`",
        "",
        f"Transformers, float32, AdamW. Matmul peak of this run: "
        f"{peak / 1e9:.0f} GFLOP/s. Ratios are medians over {options.rounds} interleaved rounds; above 1 ours "
        "are faster.",
        "",
        "| width | layers | context | batch | members | chunk | steps/s | GFLOP/s | of peak | vs loop | vs vmap |",
        "|" + "---|" * 11,
    ]
    print("\n".join(lines))
    for size in (SIZES[width] for width in options.widths):
        for members in options.members:
            r = row(size, members, options.rounds)
            rate = r["flops"] / r["seconds"]["population"]
            steps = members / r["seconds"]["population"]
            lines.append(
                f"| {size.width} | {size.layers} | {size.context} | {size.batch} | {members} | {r['chunk']} "
                f"| {steps:.0f} | {rate / 1e9:.0f} | "
                f"{rate / peak:.0%} | {r['ratio']['one by one']:.2f} | {r['ratio']['vmap']:.2f} |"
            )
            print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
