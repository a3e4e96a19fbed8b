"""Endurance: two thousand members through many kills, a full disk, bad measures, bad clocks and rivals for a folder.

What `docs/reliability.md` promises, tried on real processes.
"""

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from forks import Ended, Forks, forks

from ontogeny.errors import RunFailed
from ontogeny.locate import find
from ontogeny.prepared import prepare
from ontogeny.prove import Proof, prove
from ontogeny.run import run
from ontogeny.store import STATE, VALUES, load, read_about, read_segment

pytestmark = pytest.mark.slow

STUDY = str(Path(__file__).parent / "endurance_study.py")
KILLS = 24
NO_SPACE = "no space left for "
WRITING = "error: another process is writing "


class Quiet:
    def say(self, text):
        pass

    def begin(self, experiment, cohorts):
        pass

    def look(self, index, seen):
        pass

    def end(self, experiment, diverged):
        pass


@pytest.fixture(scope="module")
def commands(tmp_path_factory) -> Iterator[Forks]:
    with forks(tmp_path_factory.mktemp("forks") / "said") as running:
        yield running


def study(scale: str, folder: Path, *more: str, source: Path | str = STUDY) -> tuple[str, ...]:
    return ("run", str(source), "--scale", scale, "--out", str(folder), *more)


@pytest.fixture(scope="module")
def small(commands, tmp_path_factory) -> Path:
    """The small scale, in one go."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    assert commands.run(*study("smoke", folder, "--no-cache")).code == 0
    return folder


def same(one: Path, other: Path) -> None:
    """Every number that was measured, and every last state."""
    for name in ("main", "drawn"):
        xr.testing.assert_identical(load(one, name), load(other, name))
    states = [
        {(file.parts[-4], file.parts[-3]): file.read_bytes() for file in sorted(run.glob(f"*/*/*/{STATE}"))}
        for run in (one, other)
    ]
    assert states[0] == states[1]


def whole(folder: Path) -> int:
    """Asserts that nothing half-written is left in a finished run, and that all of it can be read; gives segments."""
    hidden = [path for path in folder.rglob(".*") if path.name != ".lock"]
    assert not hidden
    assert read_about(folder)["finished"]
    segments = 0
    for cohort in folder.glob("*/cohort-*"):
        *before, last = sorted(cohort.glob("segment-*"))
        assert not [path for path in before if (path / STATE).exists()], "the last segment alone keeps a state"
        for path in before:
            shutil.copy(last / STATE, path / STATE)
            read_segment(path)
            (path / STATE).unlink()
        _, state = read_segment(last)
        assert state["finished"]
        segments += len(before) + 1
    assert len(list(folder.glob(f"*/*/*/{VALUES}"))) == segments
    return segments


def killed(commands: Forks, command: tuple[str, ...], kills: int, furthest: int, seed: int) -> tuple[int, list[Ended]]:
    """Runs a command again and again and kills it: a moment after a random commit, every fourth time as it starts.

    After so many kills it is let go. Gives how many it survived, and how every attempt ended.
    """
    pick, ends = random.Random(seed), []
    for attempt in range(kills):
        first = 0 if attempt % 4 == 0 else pick.randint(1, furthest)
        ends.append(commands.run(*command, kill=(first, pick.uniform(0, 1.0 if first == 0 else 0.02))))
        if ends[-1].code == 0:
            break
    else:
        ends.append(commands.run(*command))
    assert ends[-1].code == 0, ends[-1].err
    assert all(end.code is None for end in ends[:-1]), [end.err for end in ends]
    return len(ends) - 1, ends


def test_two_thousand_members_survive_kills_bit_for_bit(commands, tmp_path):
    started = time.monotonic()
    assert commands.run(*study("desk", tmp_path / "whole", "--no-cache")).code == 0
    alone = time.monotonic() - started
    kills, ends = killed(commands, study("desk", tmp_path / "killed", "--no-cache"), KILLS, 150, seed=1)
    assert kills >= 20
    same(tmp_path / "whole", tmp_path / "killed")
    segments = whole(tmp_path / "killed")
    plans = read_about(tmp_path / "killed")["experiments"].values()
    members = sum(len(plan["rows"]) for plan in plans)
    assert members >= 2000
    assert segments > sum(len(plan["cohorts"]) for plan in plans) + 100, "kills fell between the commits of a cohort"
    for choice in (777, 1999):
        proof = list(prove(tmp_path / "killed", choice))[-1]
        assert isinstance(proof, Proof)
        assert proof.holds
    took = time.monotonic() - started - alone
    begun = sum(end.commits for end in ends)
    sys.stdout.write(f"{members} members, {kills} kills, {begun} commits begun, {segments} kept; ")
    sys.stdout.write(f"{alone:.0f} s in one go, {took:.0f} s through the kills\n")  # pytest -rP shows it


def test_kills_while_members_come_out_of_the_cache_and_go_into_it(commands, small, tmp_path):
    command = study("smoke", tmp_path / "half", "--set", "lr=0.01,0.1", "--set", "shift=0.0")
    assert commands.run(*command).code == 0
    kills, _ = killed(commands, study("smoke", tmp_path / "killed"), 8, 12, seed=2)
    assert kills >= 4
    whole(tmp_path / "killed")
    for name in ("main", "drawn"):
        xr.testing.assert_identical(load(small, name), load(tmp_path / "killed", name))


def refused(end: Ended) -> str:
    """The one line of a command that failed for a full disk."""
    assert end.code == 1, end.err
    (line,) = end.errors
    assert line.startswith(f"error: {NO_SPACE}")
    assert line.endswith(": what was committed is kept; free some and run the same command again")
    return line


def committed(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob(f"*/*/segment-*/{VALUES}")}


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Callable[[int], Path]]:
    """A disk of its own; called with a number of KB it gets so much room, and is given."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")

    def give(kilobytes: int) -> Path:
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(place)], check=True)
        return place

    yield give
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_is_full_again_and_again(commands, small, small_disk):
    """It gets a little more room every time."""
    lines, kept, room = set(), {}, 16
    while True:
        disk = small_disk(room)
        end = commands.run(*study("smoke", disk / "run", "--no-cache"))
        if not end.code:
            break
        lines.add(refused(end))
        now = committed(disk / "run")
        assert kept.items() <= now.items(), "what was committed is kept"
        if now:
            assert load(disk / "run", "main" if list(disk.glob("run/main/*/segment-*")) else "drawn").sizes["member"]
        kept, room = now, room + 24
    assert len(lines) >= 3, "it got full in several places"
    assert kept, "and in the middle of the run"
    same(small, disk / "run")
    whole(disk / "run")


@pytest.mark.parametrize("full", [0, 2, 5, 14, 58])
def test_a_disk_that_gets_full_at_any_write(commands, small, tmp_path, full):
    """Without a disk of its own: from some sync on there is no space."""
    command = study("smoke", tmp_path / "run", "--no-cache")
    refused(commands.run(*command, full=full))
    kept = committed(tmp_path / "run")
    assert commands.run(*command).code == 0
    assert kept.items() <= committed(tmp_path / "run").items()
    same(small, tmp_path / "run")
    whole(tmp_path / "run")


def test_a_member_that_diverges_harms_nobody(commands, small, tmp_path):
    assert commands.run(*study("smoke", tmp_path / "run", "--no-cache", "--set", "lr=0.01,0.03")).code == 0
    without, with_them = load(tmp_path / "run", "main"), load(small, "main")
    gone = with_them.diverged.isel(step=-1)
    assert set(with_them.lr.values[gone.values]) == {0.1, 1e30}
    first = with_them.step.where(with_them.diverged).min("step").where(gone, drop=True)
    assert len(np.unique(first)) > 1, "some at once, some in the middle"
    rest = with_them.sel(member=~gone.values)
    xr.testing.assert_identical(rest.drop_vars("member"), without.drop_vars("member"))


def test_a_measure_that_raises_for_some_members(commands, small, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    monkeypatch.setattr("ontogeny.advance.COMMIT_SECONDS", 0.0)
    monkeypatch.setattr("ontogeny.advance.COMMIT_SHARE", 1e9)
    monkeypatch.setenv("STRICT", "1")
    with pytest.raises(RunFailed, match="broke in the members") as broken:
        run(prepare(find(STUDY), "smoke", {}, None, "cpu"), folder, Quiet())
    assert str(broken.value) == (
        "experiment 'main' broke in the members from width=3, lr=0.01, seed=1000: "
        "ValueError: the weights are too large to be measured"
    )
    kept = committed(folder)
    assert kept, "the steps before it were committed"
    assert load(folder, "main").step.values.tolist() == [0]
    monkeypatch.delenv("STRICT")
    assert commands.run(*study("smoke", folder, "--no-cache")).code == 0
    assert kept.items() <= committed(folder).items()
    same(small, folder)


def test_a_measure_whose_code_is_mended(commands, small, tmp_path):
    """The same command goes on; what two versions of the code made together is not kept for other runs."""
    mended = Path(STUDY).read_text()
    source = tmp_path / "endurance_study.py"
    source.write_text(mended.replace('os.environ.get("STRICT")', "True"))
    end = commands.run(*study("smoke", tmp_path / "run", source=source), threads=1)
    assert end.code == 1
    (line,) = end.errors
    assert line.startswith("error: experiment 'main' broke in the members from width=3, lr=0.01, seed=1000: ValueError")
    source.write_text(mended)
    end = commands.run(*study("smoke", tmp_path / "run", source=source))
    assert end.code == 0, end.err
    assert "main: not cached, because something has changed since this run was begun" in end.err
    same(small, tmp_path / "run")


@pytest.mark.parametrize("clocks", [("time",), ("time", "monotonic")])
def test_clocks_that_jump_by_hours(small, tmp_path, monkeypatch, clocks):
    pick, now = random.Random(3), time.monotonic
    for clock in clocks:
        real = getattr(time, clock)
        monkeypatch.setattr(time, clock, lambda real=real: real() + 3600 * pick.uniform(-5, 5))
    monkeypatch.setattr("ontogeny.advance.COMMIT_SECONDS", 0.05)
    started = now()
    run(prepare(find(STUDY), "smoke", {}, None, "cpu", "eager"), tmp_path / "run", Quiet())
    took = now() - started
    monkeypatch.undo()
    same(small, tmp_path / "run")
    assert whole(tmp_path / "run") > 14, "cohorts are committed on their way"
    seconds = read_about(tmp_path / "run")["seconds"]
    assert 0 <= seconds <= (took if clocks == ("time",) else took + 10 * 3600)


def test_of_several_processes_one_has_the_folder(commands, small, tmp_path):
    """Three start at once."""
    won = lost = 0
    for round_ in range(4):
        folder = tmp_path / f"{round_}"
        ends = commands.together(*[(study("smoke", folder, "--no-cache"), {})] * 3)
        for end in ends:
            if end.code == 0:
                won += 1
                continue
            lost += 1
            assert end.code == 2, end.err
            assert end.errors == [f"{WRITING}{folder}: wait for it, or choose another folder with --out"]
        assert any(end.code == 0 for end in ends)
        same(small, folder)
        whole(folder)
    assert won + lost == 12
    assert lost >= 4


def test_processes_with_a_share_each_and_two_of_one_share(commands, small, tmp_path):
    jobs = [(study("smoke", tmp_path / "run", "--shard", f"{part}/2"), {}) for part in (1, 2, 2)]
    ends = commands.together(*jobs)
    assert ends[0].code == 0, ends[0].err
    for end in ends[1:]:
        if end.code:
            (line,) = end.errors
            assert line.startswith((WRITING, "error: another process has written "))
    assert commands.run(*study("smoke", tmp_path / "run", "--no-cache")).code == 0, "whatever was left is done"
    same(small, tmp_path / "run")
    whole(tmp_path / "run")


def test_memory_for_six_members_at_a_time(commands, small, tmp_path):
    """PyTorch's own allocator refuses: an update asks for far too much when more train together."""
    end = commands.run(*study("smoke", tmp_path / "run", "--no-cache"), most=6)
    assert end.code == 0, end.err
    (line,) = [line for line in end.err.splitlines() if line.startswith("out of memory")]
    assert line == (
        "out of memory in 2 of 2 cohorts of main: nothing that was committed is lost, and they go on with 6 members at "
        "a time"
    )
    same(small, tmp_path / "run")
    whole(tmp_path / "run")
