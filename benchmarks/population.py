"""Populations beside their rivals: a table of networks and members, and the speed over the loop as a picture.

    python benchmarks/population.py                      # half an hour on two cores
    python benchmarks/population.py --quick
    python benchmarks/population.py --networks transformer --widths 16 --members 8 --rivals loop vmap
    python benchmarks/population.py --device cuda --members 1 16 256 1024

The ways of a row take turns, in repeated rounds, and the matmul peak with them: see `timing`.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from in_ontogeny import ours
from page import made_on, options, picture, put, short, table
from plain import NETWORKS, RIVALS, Size, batches, loss_of, network
from speed_plot import speed_plot
from timing import ROUNDS, Turns, in_turn
from torch.utils.flop_counter import FlopCounterMode

from ontogeny.memory import keep_freed

ROWS: dict[Size, tuple[int, ...]] = {
    Size("transformer", 16, 1, 16, 32): (1, 8, 32, 64),
    Size("transformer", 32, 1, 32, 32): (1, 8, 32),
    Size("transformer", 64, 2, 32, 64): (1, 8, 32),
    Size("transformer", 128, 2, 32, 64): (1, 8, 32),
    Size("transformer", 256, 2, 32, 64): (8,),
    Size("transformer", 64, 6, 32, 16): (8,),
    Size("transformer", 32, 2, 128, 16): (8,),
    Size("transformer", 64, 2, 256, 8): (8,),
    Size("RNN", 64, 1, 32, 64): (8,),
    Size("MLP", 64, 3, 8, 64): (8,),
}
COLUMNS = ["network", "width", "layers", "context", "batch", "members"]


def jax_scan(size: Size, members: int, device: torch.device):
    from in_jax import through_scan

    return through_scan(size, members, device)


RIVALS["JAX"] = jax_scan


@dataclass(frozen=True)
class Row:
    """What one size and number of members took."""

    size: Size
    members: int
    turns: Turns
    flops: int  # useful ones of an update of one model

    def rate(self, way: str) -> float:
        """Model-steps per second."""
        return self.members / self.turns.seconds(way)

    def cells(self, mine: list[str], rivals: list[str]) -> list[str]:
        """The row of the table: a figure for each of our ways."""
        speeds = [
            [short(self.rate(way)) for way in mine],
            [short(self.rate(way) * self.flops / 1e9) for way in mine],
            [f"{self.turns.share_of_peak(way, self.flops * self.members):.0%}" for way in mine],
            *([f"{self.turns.ratio(rival, way):.2f}" for way in mine] for rival in rivals if rival in self.turns.taken),
        ]
        return [*map(str, astuple(self.size)), str(self.members), *(" / ".join(s) for s in speeds)]


def useful_flops(size: Size) -> int:
    """Matrix products of one update of one model, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        loss_of(network(size), batches(size, 1, torch.device("cpu"))[0, 0]).backward()
    return counter.get_total_flops()


def row(size: Size, members: int, device: torch.device, rounds: int, ways: dict[str, Callable]) -> Row:
    """All ways at once, in turn."""
    with ExitStack() as stack:
        ready = {name: stack.enter_context(way(size, members, device)) for name, way in ways.items()}
        return Row(size, members, in_turn(ready, device, rounds), useful_flops(size))


def rows(args, device: torch.device, ways: dict[str, Callable]) -> Iterator[Row]:
    sizes = [size for size in ROWS if size.network in args.networks and size.width in args.widths]
    if args.quick:  # one of each network
        first = {size.network: size for size in reversed(sizes)}
        sizes = [size for size in sizes if size in first.values()]
    for size in sizes:
        for members in (args.members or ROWS[size])[: 1 if args.quick else None]:
            yield row(size, members, device, args.rounds, ways)


def text(done: list[Row], device: torch.device, mine: list[str], rivals: list[str]) -> str:
    """The table, and what it was made on."""
    head = [*COLUMNS, "steps/s", "GFLOP/s", "of peak", *(f"÷ {rival}" for rival in rivals)]
    peaks = sorted(one.turns.peak / 1e9 for one in done)
    rounds = sorted(len(one.turns.peaks) for one in done)
    note = f"{made_on(device)} Medians of {rounds[0]} to {rounds[-1]} rounds; matmul peaks of {peaks[0]:,.0f} to "
    note += f"{peaks[-1]:,.0f} GFLOP/s."
    if len(mine) > 1:
        note += f" Of {len(mine)} figures each is that of one kind of updates: {', '.join(mine)}."
    return f"{table(head, [one.cells(mine, rivals) for one in done], words=1)}\n\n{note}"


def write(page: Path | None, done: list[Row], told: str) -> None:
    """Picture and table of what there is by now: a benchmark that is cut short leaves its rows."""
    says = "Speed over one model at a time by width, for several numbers of members, beside all rivals"
    canvas = speed_plot(done)
    put(page, "populations", f"{picture(page, 'speed', says, canvas)}\n\n{told}" if canvas else told)


def main() -> None:
    parser = options(__doc__)
    widths = sorted({size.width for size in ROWS})
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--widths", type=int, nargs="+", default=widths, choices=widths)
    parser.add_argument("--members", type=int, nargs="+", help="other numbers of members than the table's own")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS), choices=RIVALS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    keep_freed()
    device = torch.device(args.device)
    mine = ours(device)
    rivals = [rival for rival in args.rivals if device.type == "cpu" or rival != "processes"]
    done: list[Row] = []
    for one in rows(args, device, mine | {rival: RIVALS[rival] for rival in rivals}):
        done.append(one)
        told = text(done, device, list(mine), rivals)
        print(told if len(done) == 1 else told.splitlines()[len(done) + 1], flush=True)
        write(args.out, done, told)


if __name__ == "__main__":
    main()
