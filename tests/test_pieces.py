"""Out of memory: cohorts go on in pieces with the same bits, nothing committed is lost, and the user gets a line."""

import dataclasses
import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from ontogeny import Training, at, factor, seeds, vary
from ontogeny.errors import RunFailed
from ontogeny.experiment import Experiment
from ontogeny.labelled import Labelled
from ontogeny.locate import find
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.memory import available_bytes, is_out_of_memory
from ontogeny.models.mlp import MLP
from ontogeny.pieces import divided
from ontogeny.planning import plan_experiment
from ontogeny.prepared import Prepared, prepare
from ontogeny.run import run
from ontogeny.store import load, read_about
from ontogeny.streams import Streams
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.training.footprint import footprint
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import AdamW
from ontogeny.trial import Trial

STUDY = str(Path(__file__).parent / "small_study.py")
CPU_WORDS = "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried ..."


class Greedy(Measure):
    """Sum of squares and labels of the members, where memory suffices for them. The test says for how many it does."""

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        if at.members > Greedy.most and at.step >= Greedy.since:
            raise Greedy.error
        weights = next(iter(at.population.parameters().values()))
        return {"size": Labelled(weights.square().flatten(1).cumsum(1)[:, -1], ("member",), unit="squared")}


def training(**changes) -> Training:
    # A rate that diverges, so that the frozen are the same as well.
    return Training(
        factors=vary(width=(4, 5), lr=(0.01, 0.02, 1e30)) * seeds(2),
        task=LinearTeacher(strengths=(2.0, 1.0), inputs=5, outputs=3),
        model=MLP(layers=2, width=factor("width"), activation="tanh"),
        objective=SquaredError(),
        optimizer=AdamW(lr=factor("lr"), clip=1e3),
        batch=7,
        steps=24,
        measures=(Greedy(),),
        at=at(0, 5, 10, 20, 24),
    ).replace(**changes)


def prepared(experiment: Experiment, mode: str = "auto") -> Prepared:
    return dataclasses.replace(prepare(find(STUDY), "smoke", {}, None, "cpu", mode), experiments={"main": experiment})


class Watcher:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.steps: list[int] = []

    def say(self, text):
        self.said.append(text)

    def begin(self, experiment, cohorts):
        self.cohorts = cohorts

    def look(self, index, seen):
        assert seen["loss"] is None or len(seen["loss"]) == len(self.cohorts[index])
        self.steps.append(seen["done"])

    def end(self, experiment, diverged):
        self.diverged = diverged


@pytest.fixture(autouse=True)
def _enough(monkeypatch):
    monkeypatch.setattr(Greedy, "most", 1_000, raising=False)
    monkeypatch.setattr(Greedy, "since", 0, raising=False)
    monkeypatch.setattr(Greedy, "error", RuntimeError(CPU_WORDS), raising=False)
    monkeypatch.setattr("ontogeny.advance.COMMIT_SECONDS", 0.0)
    monkeypatch.setattr("ontogeny.advance.COMMIT_SHARE", 1e9)


def same_states(one: Path, other: Path) -> None:
    files = sorted(p.relative_to(one) for p in one.rglob("state.safetensors"))
    assert files == sorted(p.relative_to(other) for p in other.rglob("state.safetensors"))
    assert files
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in files)


@pytest.mark.parametrize(
    ("most", "error"),
    [(1, RuntimeError(CPU_WORDS)), (2, torch.OutOfMemoryError("CUDA out of memory.")), (4, MemoryError())],
)
def test_the_same_numbers_come_out_of_pieces(tmp_path, monkeypatch, most, error):
    whole, watcher = Watcher(), Watcher()
    run(prepared(training()), tmp_path / "whole", whole)
    monkeypatch.setattr(Greedy, "most", most)
    monkeypatch.setattr(Greedy, "since", 10)
    monkeypatch.setattr(Greedy, "error", error)
    run(prepared(training()), tmp_path / "pieces", watcher)
    xr.testing.assert_identical(load(tmp_path / "whole"), load(tmp_path / "pieces"))
    same_states(tmp_path / "whole", tmp_path / "pieces")
    # 6 members of each width, by halves: 3 and 3; 1, 2, 1 and 2; one by one.
    sizes = [size for size in (3, 2, 1) if most < {3: 6, 2: 3, 1: 2}[size]]
    assert [line.rpartition(" with ")[2] for line in watcher.said] == [
        f"{size} {'member' if size == 1 else 'members'} at a time" for size in sizes
    ]
    assert watcher.said[0].startswith("out of memory in 2 of 2 cohorts of main: nothing that was committed is lost")
    assert watcher.diverged == whole.diverged
    assert [row["lr"] for row in watcher.diverged] == [1e30] * 4


def test_what_was_committed_is_not_done_again(tmp_path, monkeypatch):
    monkeypatch.setattr(Greedy, "most", 3)
    monkeypatch.setattr(Greedy, "since", 20)
    watcher = Watcher()
    run(prepared(training(factors=vary(width=(4,), lr=(0.01,)) * seeds(6))), tmp_path / "run", watcher)
    # Every update is a beat, and every beat is committed: it breaks at 20, and goes on from 19.
    assert watcher.steps == [0, *range(1, 20), *range(20, 25), 24]
    assert len(watcher.said) == 1


def test_a_run_in_pieces_is_taken_up_again_with_memory_enough(tmp_path, monkeypatch):
    run(prepared(training()), tmp_path / "whole", Watcher())
    monkeypatch.setattr(Greedy, "most", 2)

    class Interrupts(Watcher):
        def look(self, index, seen):
            super().look(index, seen)
            if seen["done"] == 15:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(prepared(training()), tmp_path / "parts", Interrupts())
    monkeypatch.setattr(Greedy, "most", 6)
    again = Watcher()
    run(prepared(training()), tmp_path / "parts", again)
    assert not again.said
    xr.testing.assert_identical(load(tmp_path / "whole"), load(tmp_path / "parts"))
    same_states(tmp_path / "whole", tmp_path / "parts")


def test_only_those_that_need_it_go_on_in_pieces(tmp_path, monkeypatch):
    """Six members of one width and two of the other, memory for four."""
    rows = [dict(width=4, lr=0.01, seed=1000 + i) for i in range(6)] + [dict(width=5, lr=0.01, seed=i) for i in (3, 4)]
    monkeypatch.setattr(type(training().factors), "rows", lambda _: rows)
    monkeypatch.setattr(Greedy, "most", 4)
    watcher = Watcher()
    run(prepared(training()), tmp_path / "run", watcher)
    (line,) = watcher.said
    assert line.startswith("out of memory in 1 of 2 cohorts of main")
    assert line.endswith("they go on with 3 members at a time")


@pytest.mark.slow
def test_compiled_pieces_have_the_bits_of_the_compiled_whole(tmp_path, monkeypatch):
    experiment = training(factors=vary(width=(4,), lr=(0.01, 1e30)) * seeds(3))
    run(prepared(experiment, "compiled"), tmp_path / "whole", Watcher())
    monkeypatch.setattr(Greedy, "most", 3)
    monkeypatch.setattr(Greedy, "since", 10)
    watcher = Watcher()
    run(prepared(experiment, "compiled"), tmp_path / "pieces", watcher)
    assert len(watcher.said) == 2, "one says that it compiles, one that memory did not suffice"
    xr.testing.assert_identical(load(tmp_path / "whole"), load(tmp_path / "pieces"))
    same_states(tmp_path / "whole", tmp_path / "pieces")


def too_large(streams: Streams) -> dict[str, Labelled]:
    return {"number": Labelled(torch.empty(1, 1 << 60), ("member", "sample"))}


def test_a_member_that_does_not_fit_alone_is_a_line(tmp_path):
    with pytest.raises(
        RunFailed, match=r"^out of memory in experiment 'main' with a member at a time \(.*\): what was "
    ):
        run(prepared(Trial(factors=seeds(2), function=too_large)), tmp_path / "run", Watcher())


def test_no_memory_for_planning_is_a_line(tmp_path, monkeypatch):
    def open_none(*_):
        raise MemoryError

    monkeypatch.setattr(Training, "open", open_none)
    monkeypatch.setattr("ontogeny.training.experiment._footprints", {})
    with pytest.raises(
        RunFailed, match=r"^out of memory while getting ready \(MemoryError\): what was committed is kept"
    ):
        run(prepared(training()), tmp_path / "run", Watcher())


def test_no_memory_to_find_out_whether_compiling_pays(tmp_path, monkeypatch):
    def time_it(*_):
        raise MemoryError

    monkeypatch.setattr(Training, "pays_to_compile", time_it)
    run(prepared(training(steps=2, at=at(0))), tmp_path / "run", Watcher())
    about = read_about(tmp_path / "run")
    assert about["finished"]
    assert about["experiments"]["main"]["mode"] == "eager"


def real(make) -> Exception:
    with pytest.raises((RuntimeError, MemoryError)) as raised:
        make()
    return raised.value


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (real(lambda: torch.empty(1 << 60)), True),
        (real(lambda: np.empty(1 << 57)), True),
        (real(lambda: bytearray(1 << 62)), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_says_that_there_is_no_memory(error, told):
    assert is_out_of_memory(error) is told


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_pieces_are_in_order_and_even(count):
    rows = [{"seed": i} for i in range(8)]
    pieces = divided(rows, count)
    assert [row for piece in pieces for row in piece] == rows
    assert len(pieces) == count
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


def members(cohorts) -> list[int]:
    return [len(cohort) for cohort in cohorts]


def test_a_population_that_does_not_fit_is_split_and_the_plan_says_so(tmp_path, monkeypatch):
    """1,000 examples of 5 + 3 numbers (and 2 latent strengths, if the task gives them) are 32,000 bytes or more."""
    experiment = training(factors=vary(width=(4,), lr=(0.01,)) * seeds(12), examples=1000)
    rows, cpu = experiment.factors.rows(), torch.device("cpu")
    one = footprint(experiment.open(rows[:1], cpu))
    assert 32_000 <= one.held < 100_000
    assert members(experiment.plan(rows, cpu)) == [12]
    monkeypatch.setattr("ontogeny.training.footprint.available_bytes", lambda: 2 * 4 * (one.bytes + one.held))
    assert members(experiment.plan(rows, cpu)) == [4, 4, 4], "half of what is left, for four"
    cohorts = [[rows[i] for i in members] for members in experiment.plan(rows, cpu)]
    plan = plan_experiment(experiment, cohorts, cpu, "eager")
    assert str(plan).startswith("12 members in 1 populations, 3 cohorts of up to 4, 1 at once, ")
    assert [cost.memory for cost in experiment.costs(cohorts, cpu)] == [4 * (one.bytes + one.held)] * 3
    run(prepared(experiment), tmp_path / "split", Watcher())
    monkeypatch.setattr("ontogeny.training.footprint.available_bytes", lambda: 0)
    assert members(experiment.plan(rows, cpu)) == [1] * 12
    monkeypatch.undo()
    monkeypatch.setattr(Greedy, "most", 1_000, raising=False)
    monkeypatch.setattr(Greedy, "since", 0, raising=False)
    run(prepared(experiment), tmp_path / "whole", Watcher())
    xr.testing.assert_identical(load(tmp_path / "whole"), load(tmp_path / "split"))


def test_examples_do_not_count_for_the_cache(monkeypatch):
    experiment = training(factors=vary(width=(4,), lr=(0.01,)) * seeds(12), examples=1000)
    rows, cpu = experiment.factors.rows(), torch.device("cpu")
    one = footprint(experiment.open(rows[:1], cpu))
    monkeypatch.setattr("ontogeny.training.footprint.CPU_BYTES", 12 * one.bytes)
    assert members(experiment.plan(rows, cpu)) == [12]


@pytest.mark.parametrize(("limit", "left"), [("max", 1_024_000), ("500000", 500_000 - 100_000 + 30_000 + 4_000)])
def test_memory_that_is_left(monkeypatch, limit, left):
    """A megabyte on the machine; a job's group has a limit of its own, and 34 KB of what it holds are files."""
    group = "/sys/fs/cgroup/jobs/job-7"
    files = {
        "/proc/meminfo": "MemTotal:     9000 kB\nMemFree:      10 kB\nMemAvailable:    1000 kB\nHugePages_Total:  0\n",
        "/proc/self/cgroup": "0::/jobs/job-7/step\n",
        f"{group}/memory.max": f"{limit}\n",
        f"{group}/memory.current": "100000\n",
        f"{group}/memory.stat": "anon 66000\nfile 40000\ninactive_file 30000\nactive_file 4000\n",
    }

    def read(path: Path) -> str:
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(Path, "read_text", read)
    assert available_bytes() == left
    files.clear()
    assert available_bytes() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
