"""A whole study beside a plain script: `faithful-cot` at desk scale with fewer updates, by `ontogeny run` and without.

    python benchmarks/study.py                # three pairs, some six minutes on two cores
    python benchmarks/study.py --quick
    python benchmarks/study.py --steps 3000 --pairs 1

Both are commands of their own, in turn; nothing is in a cache, the compiler's included. That the script learns the same
is seen by its losses and answers at the end, level by level; every pair has seeds of its own.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from page import made_on, options, put, table
from short_study import run_command

import ontogeny
from ontogeny.studies import faithful_cot

LAST = 50  # updates, whose mean loss is compared
NEAR = 3.0  # standard errors, within which two means agree
WHOLE = faithful_cot.experiment().steps


def timed(command: list[str], **env: str) -> tuple[float, str]:
    """Seconds of a command, and what it printed.

    Raises: `RuntimeError` with what it said when it failed.
    """
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env})
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return time.perf_counter() - began, done.stdout


def ours(steps: int, seeds: list[str], device: str, mode: str) -> dict:
    """The run: seconds of the whole command and of the work in it, and by level the losses and answers."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = run_command(Path(folder), steps, mode, device, out, seed=",".join(seeds))
        whole, _ = timed([sys.executable, *command], TORCHINDUCTOR_CACHE_DIR=str(Path(folder) / "compiler"))
        about = json.loads((out / "run.json").read_text())
        ds = ontogeny.load(out)
        levels = {}
        for level in np.unique(ds.step_noise.values).tolist():
            end = ds.isel(member=ds.step_noise.values == level)
            last = end.isel(step=-1).sel(product="non-zero")
            levels[level] = {
                "loss": end.train_loss.isel(update=slice(-LAST, None)).mean("update").values.tolist(),
                "following": last.following.values.tolist(),
                "skipping": last.skipping.values.tolist(),
            }
    return {"whole": whole, "work": about["seconds"], "levels": levels}


def plain(steps: int, seeds: list[str], device: str) -> dict:
    """The same of the script."""
    script = str(Path(__file__).with_name("plain_study.py"))
    whole, said = timed([sys.executable, script, "--steps", str(steps), "--device", device, "--seeds", *seeds])
    found = json.loads(said)
    levels: dict[float, dict[str, list[float]]] = {}
    for model in found["models"]:
        level = levels.setdefault(model["step_noise"], {"loss": [], "following": [], "skipping": []})
        level["loss"].append(statistics.mean(model["losses"][-LAST:]))
        for name in ("following", "skipping"):
            level[name].append(model["asked"][-1][name])
    return {"whole": whole, "work": found["seconds"], "levels": levels}


def gap(one: list[float], other: list[float]) -> float:
    """The difference of two means in its standard errors."""
    a, b = np.array(one), np.array(other)
    spread = np.sqrt(a.var(ddof=1) / a.size + b.var(ddof=1) / b.size)
    apart = abs(a.mean() - b.mean())
    return float(apart / spread) if spread else 0.0 if apart == 0 else np.inf


def learned(mine: list[dict], theirs: list[dict]) -> str:
    """Losses and answers of both, level by level, and whether their means agree."""
    rows, gaps = [], []
    for level in mine[0]["levels"]:
        cells = []
        for name, digits in (("loss", 3), ("following", 2), ("skipping", 2)):
            pair = [[value for run in runs for value in run["levels"][level][name]] for runs in (mine, theirs)]
            cells.append(
                " / ".join(f"{statistics.mean(v):.{digits}f} ± {statistics.stdev(v):.{digits}f}" for v in pair)
            )
            if name == "loss":
                gaps.append(gap(*pair))
        rows.append([level, *cells, f"{gaps[-1]:.1f}"])
    head = ["step noise", f"loss, last {LAST} updates", "follows", "skips", "losses apart, standard errors"]
    agree = f"agree, within {NEAR:g} of them" if max(gaps) < NEAR else f"DO NOT AGREE: more than {NEAR:g} of them apart"
    told = f"Ours / script, mean ± standard deviation over the networks of all pairs. The losses {agree}."
    return f"{table(head, rows)}\n\n{told}"


def summary(both: dict[str, list[dict]], models: int, steps: int) -> str:
    """The table of seconds: medians over pairs, and ratios within them."""
    rows, columns = [], []
    for name, runs in both.items():
        whole, work = ([run[what] for run in runs] for what in ("whole", "work"))
        reckoned = [w - t + t * WHOLE / steps for w, t in zip(whole, work, strict=True)]
        columns.append((whole, work, reckoned))
        rows.append([name, *(f"{statistics.median(v):,.0f}" for v in (whole, work))])
        rows[-1] += [f"{models * steps / statistics.median(work):,.0f}", f"{statistics.median(reckoned):,.0f}"]
    ratios = [statistics.median(b / a for a, b in zip(*pair, strict=True)) for pair in zip(*columns, strict=True)]
    whole, work, reckoned = (f"{ratio:.2f}" for ratio in ratios)
    rows.append(["script ÷ ours", whole, work, "", reckoned])
    head = ["", "whole command, s", "training and measuring, s", "model-steps/s", f"{WHOLE:,} updates, s (reckoned)"]
    return table(head, rows, words=1)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=3)
    args = parser.parse_args()
    steps, pairs, each = (60, 1, 2) if args.quick else (args.steps, args.pairs, 4)
    mode = "auto" if args.quick or args.device == "cuda" else "compiled"
    both: dict[str, list[dict]] = {"ontogeny run": [], "plain script": []}
    for pair in range(pairs):
        seeds = [str(pair * each + i) for i in range(each)]
        for name in list(both) if pair % 2 == 0 else reversed(both):
            arguments = (steps, seeds, args.device)
            both[name].append(ours(*arguments, mode) if name == "ontogeny run" else plain(*arguments))
            print(name, f"{both[name][-1]['whole']:.1f} s, of which {both[name][-1]['work']:.1f} s of work", flush=True)
    mine, theirs = both.values()
    models = each * len(mine[0]["levels"])
    text = f"{models} networks, {steps} updates each, {pairs} pairs in turn, medians; our updates in mode {mode}."
    where = made_on(torch.device(args.device))
    content = "\n\n".join([summary(both, models, steps), text, learned(mine, theirs), where])
    print(content)
    put(args.out, "study", content)


if __name__ == "__main__":
    main()
