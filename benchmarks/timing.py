"""Timing: ways of doing the same work take turns, and the machine's peak takes its turn among them.

What slows the machine for a while slows all that take turns, so ratios and shares of the peak are medians over rounds.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Advance = Callable[[int], object]  # makes so many updates of every model

SECONDS = 0.3  # that each way is given in a round
ROUNDS, LEAST = 5, 3
BUDGET = 30.0  # seconds of a table's row, after which the least number of rounds must do
SQUARES = {"cpu": ((1024, 4), (2048, 1)), "cuda": ((4096, 4), (8192, 2))}  # sizes of products, and how many


@dataclass(frozen=True)
class Turns:
    """Seconds an update, round by round, of every way, and the peak of each round in FLOP/s."""

    taken: Mapping[str, list[float]]
    peaks: list[float]

    def seconds(self, way: str) -> float:
        """Median seconds an update."""
        return statistics.median(self.taken[way])

    def ratio(self, slow: str, fast: str) -> float:
        """How many times as long as `fast` the way `slow` takes, median over rounds."""
        return statistics.median(b / a for a, b in zip(self.taken[fast], self.taken[slow], strict=True))

    def share_of_peak(self, way: str, flops: float) -> float:
        """Of the peak of the same round, for an update of so many FLOPs; median over rounds."""
        return statistics.median(flops / (t * peak) for t, peak in zip(self.taken[way], self.peaks, strict=True))

    @property
    def peak(self) -> float:
        """Median of the peaks."""
        return statistics.median(self.peaks)


def in_turn(ways: Mapping[str, Advance], device: torch.device, rounds: int = ROUNDS, budget: float = BUDGET) -> Turns:
    """Times all ways, one after another, in rounds; every other round in the opposite order."""
    updates = {}
    for name, advance in ways.items():
        advance(1)  # whatever happens once
        updates[name] = max(1, int(SECONDS / seconds(advance, 1, device)))
    taken: dict[str, list[float]] = {name: [] for name in ways}
    peaks: list[float] = []
    began = time.perf_counter()
    while len(peaks) < rounds and (len(peaks) < LEAST or time.perf_counter() - began < budget):
        for name in list(ways)[:: 1 if len(peaks) % 2 == 0 else -1]:
            taken[name].append(seconds(ways[name], updates[name], device))
        peaks.append(matmul_peak(device))
    return Turns(taken, peaks)


def seconds(advance: Advance, updates: int, device: torch.device) -> float:
    """Seconds an update, with all that a GPU still has to do."""
    synchronise(device)
    started = time.perf_counter()
    advance(updates)
    synchronise(device)
    return (time.perf_counter() - started) / updates


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def matmul_peak(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """The best rate of square products on all cores now, FLOP/s, in the precision that PyTorch is set to."""
    best = 0.0
    for n, times in SQUARES[device.type]:
        a, b = (torch.ones(n, n, device=device, dtype=dtype) for _ in range(2))
        for _ in range(times):
            best = max(best, 2 * n**3 / seconds(lambda _, a=a, b=b: a @ b, 1, device))
    return best
