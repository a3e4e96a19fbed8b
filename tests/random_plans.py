"""Random configurations, each planned and run in a fork of one process that has loaded everything.

    python tests/random_plans.py FIRST COUNT SECONDS

prints a line of JSON for each: what was planned, and what it took.
"""

import dataclasses
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

STUDY = Path(__file__).with_name("small_study.py")
THREADS = 2
WIDTHS, LAYERS, LENGTHS, BATCHES, MEMBERS = (8, 16, 32, 64), (1, 2, 3), (4, 8, 16, 32), (8, 32, 64), range(1, 13)


def drawn(seed: int, seconds: float) -> "Training":
    """A training of about so many seconds: its steps are chosen by the time of some."""
    draw = random.Random(seed)
    width, layers, length, batch = (draw.choice(levels) for levels in (WIDTHS, LAYERS, LENGTHS, BATCHES))
    kind = draw.choice(("mlp", "rnn", "transformer"))
    if kind == "mlp":
        means = tuple(tuple(draw.gauss(0, 1) for _ in range(length)) for _ in range(4))
        task, model = GaussianMixture(means=means), MLP(layers=layers, width=factor("width"))
    else:
        task = MarkovMixture(states=8, chains=4, length=length)
        named = dict(layers=layers, width=factor("width"))
        model = RNN(cell=draw.choice(("tanh", "gru")), **named) if kind == "rnn" else Transformer(**named)
    widths = draw.choice(((width,), (width,), (8, width)))
    training = Training(
        factors=vary(width=tuple(dict.fromkeys(widths))) * seeds(draw.choice(MEMBERS)),
        task=task,
        model=model,
        optimizer=AdamW(lr=1e-3),
        batch=batch,
        steps=4,
        measures=draw.choice(((), (HeldOut(samples=64),), (HeldOut(samples=512),))),
        at=draw.choice((log_spaced(40), every(10), at(0))),
        examples=draw.choice((None, 4 * batch)),
    )
    rows, device = training.factors.rows(), torch.device("cpu")
    spent = 0.0
    with one_thread():
        cohorts = training.plan(rows, device)
        for members in cohorts:
            cohort = training.open([rows[i] for i in members], device)
            cohort.update()
            started = time.perf_counter()
            for _ in range(3):
                cohort.update()
            spent += (time.perf_counter() - started) / 3
    return training.replace(steps=max(4, round(draw.uniform(0.7, 1.3) * seconds * min(2, len(cohorts)) / spent)))


def outcome(seed: int, seconds: float) -> dict:
    torch.set_num_threads(THREADS)
    training = drawn(seed, seconds)
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(find(str(STUDY)), "desk", {}, None, "cpu", "eager")
        began = time.perf_counter()
        run(dataclasses.replace(prepared, experiments={"main": training}), folder, RichWatcher(Console(quiet=True)))
        whole = time.perf_counter() - began
        about = read_about(folder)
    plan, took = about["plan"], about["took"]
    return {
        "seed": seed,
        "model": type(training.model).__name__,
        "cohorts": plan["experiments"]["main"]["cohorts"],
        "measuring": plan["experiments"]["main"]["measuring"],
        "planning": whole - about["seconds"],
        "seconds": (plan["seconds"], took["experiments"]["main"]),
        "memory": (plan["memory"], took["memory"]),
        "disk": (plan["disk"], took["disk"]),
    }


def main(first: int, count: int, seconds: float) -> None:
    for seed in range(first, first + count):
        if not (child := os.fork()):
            code = 1
            try:
                sys.stdout.write(json.dumps(outcome(seed, seconds)) + "\n")
                sys.stdout.flush()
                code = 0
            finally:
                os._exit(code)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            sys.exit(f"configuration {seed} broke")


if __name__ == "__main__":
    import torch
    from rich.console import Console

    from ontogeny import Training, at, every, factor, log_spaced, seeds, vary
    from ontogeny.locate import find
    from ontogeny.machine import one_thread
    from ontogeny.measures.held_out import HeldOut
    from ontogeny.models.mlp import MLP
    from ontogeny.models.rnn import RNN
    from ontogeny.models.transformer import Transformer
    from ontogeny.prepared import prepare
    from ontogeny.progress import RichWatcher
    from ontogeny.run import run
    from ontogeny.store import read_about
    from ontogeny.tasks.gaussian_mixture import GaussianMixture
    from ontogeny.tasks.markov_mixture import MarkovMixture
    from ontogeny.training.optimizers import AdamW

    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
