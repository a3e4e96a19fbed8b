"""What starting costs: the command line, the import, a first update, and taking a run up again.

    python benchmarks/starting.py            # some three minutes on two cores
    python benchmarks/starting.py --quick

Every command is a process of its own, and all take turns, in rounds. A run is interrupted in its work
(Ctrl-C) and the same command given again: what that costs is both together less the same run in one go.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from page import duration, made_on, options, put, table
from short_study import ONTOGENY, run_command

FIRST = """
import torch
from plain import Size
with way(Size("transformer", 16, 1, 16, 32), 8, torch.device("cpu")) as advance:
    advance(1)
"""
OURS = "from functools import partial; from in_ontogeny import population; way = partial(population, compiled=False)"
COMMANDS = {
    "Python alone": ["-c", "pass"],
    "`import torch`": ["-c", "import torch"],
    "`import ontogeny`": ["-c", "import ontogeny"],
    "`ontogeny --help`": [*ONTOGENY, "--help"],
    "`ontogeny list`": [*ONTOGENY, "list"],
    "first update of 8 members, ours": ["-c", OURS + FIRST],
    "first update of 8 members, plain PyTorch": ["-c", "from plain import one_by_one as way" + FIRST],
    "first update of 8 members, JAX": ["-c", "from in_jax import through_scan as way" + FIRST],
}
ENV = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}
INTERRUPTED = 2  # the exit code of a run that was told to stop


def seconds(arguments: list[str], begun: Path | None = None, stop_after: float = 0.0) -> float:
    """Of a process from its start to its end; with Ctrl-C so many seconds after a file `begun` is there.

    Raises: `RuntimeError` for one that ends otherwise than it should.
    """
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if begun is not None:
        while process.poll() is None and not begun.exists():
            time.sleep(0.01)
        time.sleep(stop_after)
        process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    if process.returncode != (0 if begun is None else INTERRUPTED):
        raise RuntimeError(f"{arguments} ended with {process.returncode}: {said.decode()[-500:]}")
    return time.perf_counter() - began


def resumed(steps: int) -> tuple[float, float]:
    """Seconds of a run in one go, and what an interruption in the middle of its work adds to them."""
    with tempfile.TemporaryDirectory() as folder:
        home, few = Path(folder), dict(step_noise="0.0,0.3", seed="0,1")
        whole = seconds(run_command(home, steps, "eager", "cpu", home / "whole", **few))
        again = run_command(home, steps, "eager", "cpu", home / "halves", **few)
        work = json.loads((home / "whole" / "run.json").read_text())["seconds"]
        halves = seconds(again, home / "halves" / "run.json", work / 3) + seconds(again)
    return whole, halves - whole


def main() -> None:
    args = options(__doc__).parse_args()
    rounds, runs, steps = (1, 1, 200) if args.quick else (3, 2, 300)
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            taken[name].append(seconds(arguments))
            print(name, f"{taken[name][-1]:.2f} s", flush=True)
    rows = [[name, duration(statistics.median(found))] for name, found in taken.items()]
    pairs = [resumed(steps) for _ in range(runs)]
    whole, more = (statistics.median(values) for values in zip(*pairs, strict=True))
    rows.append([f"interrupting a run of {duration(whole)} and taking it up again adds", duration(more)])
    where = made_on(torch.device("cpu"))
    content = f"{table(['from the start of the process', 'median'], rows, words=1)}\n\n{where} {rounds} rounds."
    print(content)
    put(args.out, "starting", content)


if __name__ == "__main__":
    main()
