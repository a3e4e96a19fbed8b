"""The cache: a member out of it is the member made again, bit for bit, and whatever goes wrong with it, runs go on."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file

import ontogeny.reuse
from ontogeny.addresses import sources
from ontogeny.amounts import parse_bytes, parse_seconds, show_bytes, show_seconds
from ontogeny.cache import Member, MemberCache, cohort_of, place, split
from ontogeny.errors import CannotCompile, UserError
from ontogeny.labelled import Labelled, Record
from ontogeny.locate import find
from ontogeny.prepared import prepare
from ontogeny.prove import prove
from ontogeny.run import run
from ontogeny.store import CohortStore, load
from ontogeny.training.experiment import Training

STUDY = str(Path(__file__).parent / "small_study.py")
NAMES = ("main", "drawn")


class Quiet:
    """A watcher that remembers how far each cohort was said to be."""

    def say(self, text):
        pass

    def begin(self, experiment, cohorts):
        self.sizes = [len(rows) for rows in cohorts]
        self.seen = {}

    def look(self, index, seen):
        self.seen[index] = seen["done"] / seen["total"]

    def end(self, experiment, diverged):
        self.diverged = getattr(self, "diverged", []) + list(diverged)


class Place:
    """A cache in a folder, what it said, and runs of the small study beside it."""

    def __init__(self, folder):
        self.folder = folder
        self.said = []
        self.cache = MemberCache(folder / "cache", self.said.append)
        self.found = find(STUDY)

    def run(self, name, *, cache=True, seeds=None, watcher=None, mode="auto", precision="float32", **levels):
        prepared = prepare(self.found, "smoke", levels, seeds, "cpu", mode, precision)
        self.said.clear()
        run(prepared, self.folder / name, watcher or Quiet(), self.cache if cache else None)
        return {one: load(self.folder / name, one) for one in NAMES}

    def entries(self):
        return sorted(entry.folder for entry in self.cache.entries())


@pytest.fixture
def place_(tmp_path):
    return Place(tmp_path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A cache after a run of two seeds: copied, never written."""
    one = Place(tmp_path_factory.mktemp("filled"))
    one.run("first")
    return one.folder


@pytest.fixture
def warm(filled, tmp_path):
    shutil.copytree(filled, tmp_path / "warm")
    return Place(tmp_path / "warm")


def assert_the_same(ours, theirs):
    for name in NAMES:
        xr.testing.assert_identical(ours[name], theirs[name])
        for variable in ours[name].data_vars:
            a, b = (torch.from_numpy(np.nan_to_num(ds[name][variable].values, nan=1.5)) for ds in (ours, theirs))
            assert a.dtype == b.dtype
            assert torch.equal(a, b)


def test_more_seeds_make_just_those_members(warm):
    more = warm.run("more", seeds=4)
    assert warm.said == ["main: 6 of 12 members from the cache", "drawn: 4 of 8 members from the cache"]
    assert len(warm.entries()) == 20
    assert_the_same(more, warm.run("alone", seeds=4, cache=False))
    again = warm.run("again", seeds=3)
    assert warm.said == ["main: 9 of 9 members from the cache", "drawn: 6 of 6 members from the cache"]
    assert_the_same(again, warm.run("again-alone", seeds=3, cache=False))


def test_another_precision_is_another_member(warm):
    warm.run("rounded", precision="bf16")
    assert warm.said == ["drawn: 4 of 4 members from the cache"], "a trial has no precision"
    warm.run("again", precision="bf16")
    assert warm.said == ["main: 6 of 6 members from the cache", "drawn: 4 of 4 members from the cache"]


def test_one_more_level_makes_just_its_members(warm):
    more = warm.run("more", lr=(0.01, 0.02, 0.0))
    assert warm.said == ["main: 4 of 6 members from the cache", "drawn: 2 of 6 members from the cache"]
    assert_the_same(more, warm.run("alone", lr=(0.01, 0.02, 0.0), cache=False))


def test_nothing_is_kept_or_taken_without_it(place_):
    place_.run("first", cache=False)
    assert not (place_.folder / "cache").exists()
    assert place_.said == []


def test_members_that_diverged_are_kept_and_told_of(warm):
    watcher = Quiet()
    taken = warm.run("again", watcher=watcher)
    assert [row["lr"] for row in watcher.diverged] == [1e30, 1e30]
    assert taken["main"].diverged.isel(step=-1).values.tolist() == [False] * 4 + [True] * 2
    assert warm.said[0] == "main: 6 of 6 members from the cache"


def test_the_last_weights_are_those_that_were_learned(warm):
    warm.run("more", seeds=4)
    warm.run("alone", seeds=4, cache=False)
    states, rows = [], []
    for name in ("more", "alone"):
        plan = json.loads((warm.folder / name / "run.json").read_text())["experiments"]["main"]
        files = [
            next((warm.folder / name / "main").glob(f"cohort-000{i}/*/state*")) for i in range(len(plan["cohorts"]))
        ]
        parts = [load_file(file) for file in files]
        order = torch.tensor([i for cohort in plan["cohorts"] for i in cohort]).argsort()
        names = [key for key, value in parts[0].items() if value.ndim]
        states.append({key: torch.cat([part[key] for part in parts])[order] for key in names})
        rows.append(plan["rows"])
    assert rows[0] == rows[1]
    assert {"parameters.weight", "alive", "memory.mean"} <= states[0].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_members_out_of_the_cache_prove_the_run(warm):
    warm.run("more", seeds=3)
    for choice in (0, 1, 2, 5, 8, 9, 11):  # made and taken, of both experiments
        proof = list(prove(warm.folder / "more", choice))[-1]
        assert proof.holds, proof.where
        assert proof.compared


def test_a_watcher_sees_them_as_done(warm):
    watcher = Quiet()
    warm.run("more", seeds=3, watcher=watcher)
    assert watcher.sizes == [1, 1, 4]
    assert watcher.seen == {0: 1.0, 1: 1.0, 2: 1.0}


def test_a_finished_run_does_not_look_at_the_cache(warm):
    shutil.rmtree(warm.folder / "cache")
    warm.run("first")
    assert not (warm.folder / "cache").exists()


def mode_of(folder):
    return json.loads((folder / "run.json").read_text())["experiments"]["main"]["mode"]


def test_all_members_of_a_run_share_the_mode_in_which_the_cache_holds_most(place_, monkeypatch):
    """Without compiling anything: the cohorts only say that they would be compiled."""
    opened = []
    real = Training.open

    def opens(self, rows, device, compiled=False):
        opened.append((len(rows), compiled))
        if compiled and not compiles:
            raise CannotCompile("no compiler")
        return real(self, rows, device)

    monkeypatch.setattr(Training, "open", opens)
    compiles = True
    place_.run("eager", seeds=1, mode="eager")
    place_.run("compiled", seeds=2, mode="compiled")
    assert "from the cache" not in "".join(place_.said), "other bits, another address"
    place_.run("more", seeds=3)
    assert mode_of(place_.folder / "more") == "compiled"
    assert place_.said[0] == "main: 6 of 9 members from the cache"
    opened.clear()
    place_.run("again", seeds=3)
    assert mode_of(place_.folder / "again") == "compiled"
    assert opened == [], "nothing is compiled for members that are there"
    place_.run("asked", seeds=3, mode="eager")
    assert mode_of(place_.folder / "asked") == "eager"
    assert place_.said[0] == "main: 3 of 9 members from the cache"
    shutil.rmtree(place_.folder / "cache")
    place_.run("eager2", seeds=1, mode="eager")
    place_.run("compiled2", seeds=2, mode="compiled")
    compiles = False
    place_.run("fails", seeds=3)
    assert mode_of(place_.folder / "fails") == "eager"
    assert place_.said[0] == "main: 3 of 9 members from the cache"


# What can go wrong


def damage(path, how):
    if how == "gone":
        path.unlink()
    elif how == "short":
        path.write_bytes(path.read_bytes()[:-3])
    elif how == "flipped":
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        path.write_bytes(raw)
    else:
        path.write_bytes(b"nonsense")


@pytest.mark.parametrize("how", ["gone", "short", "flipped", "nonsense"])
@pytest.mark.parametrize("file", ["values.safetensors", "state.safetensors", "entry.json"])
def test_a_corrupt_entry_is_ignored_with_a_line_and_made_again(warm, file, how):
    before = warm.entries()
    mains = [e for e in before if json.loads((e / "entry.json").read_text())["experiment"] == "main"]
    damage(mains[0] / file, how)
    again = warm.run("again")
    absent = (file, how) == ("entry.json", "gone")
    assert len([line for line in warm.said if "corrupt" in line]) == (0 if absent else 1)
    assert "main: 5 of 6 members from the cache" in warm.said
    assert_the_same(again, {name: load(warm.folder / "first", name) for name in NAMES})
    assert warm.entries() == before
    assert all(warm.cache.take(entry.name) is not None for entry in before)


def test_a_full_disk_does_not_break_the_run(place_, monkeypatch):
    real, calls = ontogeny.cache.write_segment, []

    def full(folder, records, state):
        calls.append(folder)
        if len(calls) > 2:
            (folder / "values.safetensors").write_bytes(b"half")
            raise OSError(28, "No space left on device")
        real(folder, records, state)

    monkeypatch.setattr(ontogeny.cache, "write_segment", full)
    made = place_.run("first")
    assert len(place_.said) == 1
    assert "No space left on device): the run goes on without it" in place_.said[0]
    assert len(place_.entries()) == 2
    assert len(calls) == 3, "it is not tried again"
    assert not list(place_.folder.glob("cache/members/*/.*")), "nothing half-written stays"
    assert_the_same(made, place_.run("alone", cache=False))


def test_a_place_that_cannot_be_written_does_not_break_the_run(place_):
    (place_.folder / "cache").write_text("a file")
    place_.run("first")
    assert len(place_.said) == 1
    assert "the run goes on without it" in place_.said[0]


def test_a_run_that_is_killed_while_it_takes_members_goes_on(warm, monkeypatch):
    real = ontogeny.reuse.Reuse.adopt

    def killed(self, name, *arguments):
        cohorts = real(self, name, *arguments)
        if name == "drawn":
            raise KeyboardInterrupt
        return cohorts

    with monkeypatch.context() as patch:
        patch.setattr(ontogeny.reuse.Reuse, "adopt", killed)
        with pytest.raises(KeyboardInterrupt):
            warm.run("more", seeds=3)
    # Meanwhile somebody has pruned: what was left to be taken is made.
    kept = warm.entries()
    for entry in kept[::2]:
        shutil.rmtree(entry)
    for cache in (True, False):
        shutil.copytree(warm.folder / "more", warm.folder / f"more-{cache}")
        assert_the_same(
            warm.run(f"more-{cache}", seeds=3, cache=cache), warm.run(f"alone-{cache}", seeds=3, cache=False)
        )


class Interrupted(Quiet):
    def look(self, index, seen):
        super().look(index, seen)
        if self.sizes == [6] and seen["done"] == 12:
            raise KeyboardInterrupt


def test_a_run_that_was_begun_with_other_code_keeps_nothing(place_, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        place_.run("first", watcher=Interrupted())
    with monkeypatch.context() as patch:
        real = sources._read
        edit = {"ontogeny.training.cohort": b"\nEDITED = 1\n"}
        patch.setattr(sources, "_read", lambda name, place: real(name, place) + edit.get(name, b""))
        place_.run("first")
        assert place_.said == ["main: not cached, because something has changed since this run was begun"]
        assert {json.loads((e / "entry.json").read_text())["experiment"] for e in place_.entries()} == {"drawn"}
    with pytest.raises(KeyboardInterrupt):
        place_.run("second", watcher=Interrupted())
    place_.run("second")
    assert len(place_.entries()) == 10, "with the same code it does"


def test_what_has_no_address_is_made_and_said(place_, tmp_path):
    text = Path(STUDY).read_text().replace("def draw(", "class Call:\n    def __call__(self, streams, lr):\n"
                                           "        return drawn(streams, lr)\n\n\ndef drawn(")  # fmt: skip
    (tmp_path / "calls.py").write_text(text.replace("function=draw", "function=Call()"))
    place_.found = find(str(tmp_path / "calls.py"))
    place_.run("first")
    assert len(place_.said) == 1
    assert place_.said[0].startswith("drawn: not cached, because it holds <ontogeny_user_study_calls.Call object")
    assert len(place_.entries()) == 6


def test_two_processes_at_once(place_, monkeypatch):
    """Both fill one cache with the same members; every entry is whole, and a third run takes them all."""
    code = f"""
from pathlib import Path
from ontogeny.cache import MemberCache
from ontogeny.locate import find
from ontogeny.prepared import prepare
from ontogeny.run import run
class Quiet:
    say = begin = look = end = lambda *_: None
prepared = prepare(find({STUDY!r}), "smoke", {{}}, 4, "cpu")
Path("ready").touch()
run(prepared, Path("a"), Quiet(), MemberCache(Path("cache"), print))
"""
    monkeypatch.chdir(place_.folder)
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    while not Path("ready").exists() and other.poll() is None:
        time.sleep(0.001)
    place_.run("b", seeds=4)
    said = [*place_.said, *other.communicate(timeout=120)[0].splitlines()]
    assert other.returncode == 0
    assert not [line for line in said if "from the cache" not in line]
    place_.run("third", seeds=4)
    assert place_.said == ["main: 12 of 12 members from the cache", "drawn: 8 of 8 members from the cache"]
    for name in NAMES:
        xr.testing.assert_identical(load(Path("a"), name), load(Path("b"), name))
        xr.testing.assert_identical(load(Path("a"), name), load(Path("third"), name))


def a_member(number: float) -> Member:
    record = Record(3, {"x": Labelled(torch.full((1, 4), number), ("member", "unit"), {"unit": list("abcd")}, "m")})
    return Member((record,), {"w": torch.full((1, 2), number), "finished": torch.tensor(True)})


def test_writers_readers_and_pruners_at_once(tmp_path):
    said: list[str] = []
    addresses = [f"{i:02x}" * 16 for i in range(5)]
    stop = time.monotonic() + 1.0
    wrong = []

    def writes():
        cache = MemberCache(tmp_path, said.append)
        while time.monotonic() < stop:
            for i, address in enumerate(addresses):
                cache.put(address, a_member(i), {"study": "s"})

    def reads():
        cache = MemberCache(tmp_path, said.append)
        while time.monotonic() < stop:
            for i, address in enumerate(addresses):
                if (got := cache.take(address)) is not None and float(got.records[0].values["x"].values[0, 0]) != i:
                    wrong.append(address)

    def prunes():
        cache = MemberCache(tmp_path, said.append)
        while time.monotonic() < stop:
            cache.prune(everything=True)

    threads = [threading.Thread(target=work) for work in (writes, writes, reads, reads, prunes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not said
    assert not list(tmp_path.glob("members/*/.*"))


# The cache itself


def test_an_entry_gives_back_what_was_put(tmp_path):
    cache = MemberCache(tmp_path, print)
    cache.put("ab" * 16, a_member(2.5), {"study": "s"})
    got = cache.take("ab" * 16)
    array = got.records[0].values["x"]
    assert (got.records[0].step, array.dims, array.coords, array.unit) == (
        3,
        ("member", "unit"),
        {"unit": list("abcd")},
        "m",
    )
    assert torch.equal(array.values, torch.full((1, 4), 2.5))
    assert torch.equal(got.state["w"], torch.full((1, 2), 2.5))
    assert cache.take("cd" * 16) is None
    files = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["entry.json", "state.safetensors", "values.safetensors"], "nothing is pickled"


def test_a_cohort_is_taken_apart_by_its_first_axis():
    x = torch.arange(6.0).view(3, 2)
    record = Record(None, {"x": Labelled(x, ("member", "unit"), {"member": ["p", "q", "r"], "unit": [7, 8]})})
    members = list(split([record], {"w": x, "done": torch.tensor(5)}, 3))
    assert [m.records[0].values["x"].values.tolist() for m in members] == [[[0, 1]], [[2, 3]], [[4, 5]]]
    assert [m.records[0].values["x"].coords for m in members] == [{"member": [n], "unit": [7, 8]} for n in "pqr"]
    assert [int(m.state["done"]) for m in members] == [5, 5, 5]
    records, state = cohort_of(members)
    assert torch.equal(records[0].values["x"].values, x)
    assert torch.equal(state["w"], x)
    with pytest.raises(UserError, match=r"w has shape \(3, 2\), which does not begin with 2 members"):
        list(split([], {"w": x}, 2))


def test_members_of_other_shapes_do_not_stand_together(tmp_path):
    class Holds:
        def take(self, address):
            return a_member(1.0) if address != "long" else long

        def say(self, line):
            pass

    long = Member((Record(4, a_member(1.0).records[0].values),), a_member(1.0).state)
    reuse = ontogeny.reuse.Reuse(MemberCache(tmp_path, print), "s", {}, torch.device("cpu"))
    reuse.cache = Holds()
    groups = list(reuse._alike({0: "short", 1: "long", 2: "short"}))
    assert sorted(map(sorted, groups)) == [[0, 2], [1]]
    store = CohortStore(tmp_path / "cohort-0000")
    store.commit(*cohort_of(list(groups[0].values())))
    assert store.dataset().sizes["member"] == 2


def test_large_groups_are_written_in_pieces(warm, monkeypatch):
    monkeypatch.setattr(ontogeny.reuse, "COHORT_BYTES", 1)
    watcher = Quiet()
    again = warm.run("again", watcher=watcher)
    assert watcher.sizes == [1, 1, 1, 1]
    assert_the_same(again, warm.run("alone", cache=False))


def test_pruning(tmp_path):
    cache = MemberCache(tmp_path, print)
    now = time.time()
    for i in range(5):
        cache.put(f"{i}{i}" * 16, a_member(i), {"study": f"s{i % 2}"})
        os.utime(tmp_path / "members" / f"{i}{i}" / (f"{i}{i}" * 16) / "entry.json", (now - i * 86_400,) * 2)
    size = cache.entries()[0].bytes
    half = tmp_path / "members" / "00" / ".half"
    half.mkdir()
    assert [e.study for e in cache.entries()] == ["s0", "s1", "s0", "s1", "s0"]
    assert len(cache.prune(older=3.5 * 86_400)) == 1
    assert half.exists(), "it may be being written"
    os.utime(half, (now - 2 * 86_400,) * 2)
    assert [e.folder.name[0] for e in cache.prune(larger=2 * size + 10)] == ["2", "3"]
    assert not half.exists()
    assert cache.take("11" * 16) is not None  # and so it was used last
    assert [e.folder.name[0] for e in cache.entries()] == ["1", "0"]
    assert len(cache.prune(everything=True)) == 2
    assert cache.entries() == []
    assert MemberCache(tmp_path / "nowhere", print).entries() == []


def test_where_it_is(monkeypatch):
    assert place() == Path(os.environ["ONTOGENY_CACHE"])
    monkeypatch.delenv("ONTOGENY_CACHE")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert place() == Path("/home/me/.cache/ontogeny")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert place() == Path("/somewhere/ontogeny")


def test_amounts():
    assert [parse_bytes(text) for text in ("5GB", "500 mb", "1.5kB", "7", "8B", "0")] == [
        5 * 10**9,
        5 * 10**8,
        1500,
        7,
        8,
        0,
    ]
    assert [parse_seconds(text) for text in ("30d", "12h", "5min", "2w", "9s")] == [2592000, 43200, 300, 1209600, 9]
    assert [show_bytes(n) for n in (0, 999, 1000, 1_234_567, 5 * 10**12)] == ["0 B", "999 B", "1 KB", "1.23 MB", "5 TB"]
    assert [show_seconds(s) for s in (0.0, 59.0, 61.0, 7.2e3, 1e5, 1e6)] == [
        "0 s",
        "59 s",
        "1 min",
        "2 h",
        "1 d",
        "1 w",
    ]
    for text in ("", "GB", "5 parsecs", "-1GB", "1,5GB", "1e9"):
        with pytest.raises(UserError, match="is not a size: write it like 500MB or 5GB"):
            parse_bytes(text)
    with pytest.raises(UserError, match="is not a time: write it like 12h or 30d"):
        parse_seconds("30")
