"""Runs on several processes and in object stores: shards of one plan, and the same numbers wherever they are kept."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
import xarray as xr
from places import memory

from ontogeny import cli
from ontogeny.advance import Advance
from ontogeny.errors import UserError
from ontogeny.export import export
from ontogeny.folder import folder_at
from ontogeny.labelled import Labelled, Record
from ontogeny.locate import find
from ontogeny.prepared import Prepared, prepare
from ontogeny.prove import Proof, prove
from ontogeny.run import run
from ontogeny.shard import Shard, parse_shard
from ontogeny.store import CohortStore, load, read_about

STUDY = str(Path(__file__).parent / "small_study.py")


class Quiet:
    def say(self, text):
        pass

    def begin(self, experiment, cohorts):
        pass

    def look(self, index, seen):
        pass

    def end(self, experiment, diverged):
        pass


class Interrupts(Quiet):
    """An impatient user."""

    def __init__(self, at: int) -> None:
        self.left = at

    def look(self, index, seen):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def prepared(scale: str = "smoke") -> Prepared:
    return prepare(find(STUDY), scale, {}, None, "cpu")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    run(prepared(), folder, Quiet())
    return folder


def same(one, other) -> None:
    for name in ("main", "drawn"):
        xr.testing.assert_identical(load(one, name), load(other, name))


@pytest.fixture(params=["disk", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def place(request, tmp_path) -> str:
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/run"
    return str(tmp_path / "run") if request.param == "disk" else memory()


def test_a_run_is_the_same_wherever_it_is_kept(place, whole, tmp_path, monkeypatch):
    monkeypatch.setattr("ontogeny.advance.COMMIT_SECONDS", 0.0)
    monkeypatch.setattr("ontogeny.advance.COMMIT_SHARE", 1e9)
    with pytest.raises(KeyboardInterrupt):
        run(prepared(), place, Interrupts(7))
    assert not read_about(place)["finished"]
    assert load(place, "main").sizes["update"] < 20, "it was interrupted in the middle"
    assert run(prepared(), place, Quiet()) == 0
    same(place, whole)
    proof = list(prove(place, 3))[-1]
    assert isinstance(proof, Proof)
    assert proof.holds, proof.where
    (written, _) = sorted(export(place, "netcdf", tmp_path / "out"), reverse=True)
    assert written.name == "main.nc"
    with pytest.raises(UserError, match="holds a run with another definition"):
        run(prepared("desk"), place, Quiet())


def test_the_commands_take_a_url(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    place = memory()

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["ontogeny", *arguments])
        with suppress(SystemExit):
            cli.main()
        return capsys.readouterr().out

    assert f"report: {place}/report.html" in call("run", STUDY, "--scale", "smoke", "--out", place)
    assert call("report", place).strip() == f"{place}/report.html"
    assert call("prove", place, "--member", "1").startswith("proved: ")
    assert Path("run-csv") in [Path(line).parents[1] for line in call("export", place, "--to", "csv").split()]
    assert read_about(place)["finished"]


def test_two_writers_of_one_cohort_never_mix(place):
    def commit(store: CohortStore, step: int, value: float) -> None:
        store.commit([Record(step, {"x": Labelled(torch.tensor([value]), ("member",))})], {"a": torch.tensor([value])})

    first, second = CohortStore(f"{place}/cohort-0000"), CohortStore(f"{place}/cohort-0000")
    commit(first, 1, 1.0)
    assert second.state() == first.state() == {"a": torch.tensor([1.0])}
    commit(first, 2, 2.0)
    with pytest.raises(UserError, match="another process has written .*/cohort-0000/segment-00000001: wait for it"):
        commit(second, 2, -2.0)
    commit(first, 3, 3.0)
    late = CohortStore(f"{place}/cohort-0000")
    assert late.dataset().x.values.tolist() == [[1, 2, 3]]
    assert late.state() == {"a": torch.tensor([3.0])}


def test_a_glance_reads_what_the_whole_state_holds(place):
    store = CohortStore(f"{place}/cohort-0000")
    assert store.glance("alive") == {}
    state = {"alive": torch.tensor([True, False, True]), "big": torch.ones(7, 3), "finished": torch.tensor(True)}
    store.commit([], state)
    seen = store.glance("alive", "finished", "nothing")
    assert set(seen) == {"alive", "finished"}
    assert all(torch.equal(seen[name], state[name]) for name in seen)
    assert seen["alive"].dtype == torch.bool


def test_shards_make_one_run(place, whole):
    assert run(prepared(), place, Quiet(), shard=Shard(2, 3)) > 0
    assert run(prepared(), place, Quiet(), shard=Shard(2, 3)) > 0, "again: there is nothing left of this one"
    assert run(prepared(), place, Quiet(), shard=Shard(1, 3)) > 0
    assert not read_about(place)["finished"]
    assert run(prepared(), place, Quiet(), shard=Shard(3, 3)) == 0
    assert read_about(place)["finished"]
    same(place, whole)


def test_a_plain_run_does_what_shards_left(tmp_path, whole):
    assert run(prepared(), tmp_path / "run", Quiet(), shard=Shard(1, 2)) > 0
    assert run(prepared(), tmp_path / "run", Quiet()) == 0
    same(tmp_path / "run", whole)


def test_every_cohort_is_in_one_shard():
    for count in (1, 2, 5):
        shares = [Shard(i + 1, count).of(range(10, 17), first=3) for i in range(count)]
        assert sorted(i for share in shares for i in share) == list(range(10, 17))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    # Cohorts are counted through all experiments: with three in front, the first here is the fourth.
    assert Shard(2, 2).of("abc", first=3) == ["a", "c"]


@pytest.mark.parametrize("text", ["3/2", "0/2", "1", "1/", "/2", "a/b", "-1/2", "1/0", "1/2/3", "1.0/2"])
def test_what_is_no_shard(text):
    with pytest.raises(UserError, match=f"--shard {text} is no part of a whole: write it like --shard 1/4"):
        parse_shard(text)


def test_a_shard_refuses_what_another_process_is_at(tmp_path):
    class Intruder(Quiet):
        def __init__(self) -> None:
            self.refused = []

        def look(self, index, seen):
            if seen["done"] == seen["total"]:
                return
            for shard in (Shard(1, 2), Shard()):
                with pytest.raises(UserError, match="another process is writing") as refusal:
                    run(prepared(), tmp_path / "run", Quiet(), shard=shard)
                self.refused.append(str(refusal.value))

    intruder = Intruder()
    run(prepared(), tmp_path / "run", intruder, shard=Shard(1, 2))
    assert "main/cohort-0000: " in intruder.refused[0], "the same shard: refused at its first cohort"
    assert "/run: " in intruder.refused[1], "a plain run: refused at once"


def test_another_folder_of_the_same_name_is_refused(tmp_path):
    ready = prepared()
    run(ready, tmp_path / "run", Quiet(), shard=Shard(2, 2))
    experiment = ready.experiments["main"]
    rows = experiment.factors.rows()
    for begun, folder in (("1999-01-01T00:00:00+0000", "run"), (read_about(tmp_path / "run")["created"], "elsewhere")):
        piece = Advance(experiment, rows, ready.device, False, folder_at(tmp_path / folder), begun, "main", 0)
        with pytest.raises(UserError, match="on this machine is not the folder of the run"):
            piece(print, lambda: False)
    assert not (tmp_path / "elsewhere").exists()


def test_two_processes_with_a_shard_each_fill_one_folder(tmp_path, whole):
    def shard(number: int) -> subprocess.Popen:
        command = ["run", STUDY, "--scale", "smoke", "--shard", f"{number}/2", "--json", "--out", str(tmp_path / "run")]
        code = "from ontogeny.cli import main; main()"
        return subprocess.Popen([sys.executable, "-c", code, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    processes = [shard(1), shard(2)]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    ends = [json.loads(out) for out, _ in said]
    assert any(end["finished"] for end in ends), "the last one to end judges"
    assert all(bool(end["claims"]) == end["finished"] for end in ends)
    assert (tmp_path / "run" / "report.html").exists()
    assert (tmp_path / "run" / "verdicts.json").exists()
    same(tmp_path / "run", whole)
