"""Runs and their store: resumed after real kills, proved, refused when they do not fit, whole or not there."""

import dataclasses
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import ontogeny
from ontogeny.errors import RunFailed, UserError
from ontogeny.export import export
from ontogeny.factors import seeds, vary
from ontogeny.labelled import Labelled, Record
from ontogeny.locate import find
from ontogeny.prepared import Prepared, prepare
from ontogeny.prove import Proof, prove, reopen
from ontogeny.review import command_of, judge_run, write_report
from ontogeny.run import run
from ontogeny.store import CohortStore, load, read_about
from ontogeny.training.experiment import Training

STUDY = str(Path(__file__).parent / "small_study.py")


class Quiet:
    def say(self, text):
        pass

    def begin(self, experiment, cohorts):
        pass

    def look(self, index, cohort):
        pass

    def end(self, experiment, diverged):
        self.diverged = diverged


def prepared(scale: str = "smoke", **levels) -> Prepared:
    return prepare(find(STUDY), scale, levels, None, "cpu")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "finished"
    run(prepared(), folder, Quiet())
    return folder


def test_the_dataset_is_labelled(finished):
    ds = load(finished, "main")
    assert dict(ds.sizes) == {"member": 6, "step": 3, "update": 20, "output": 3}
    assert ds.step.values.tolist() == [0, 10, 20]
    assert ds.lr.values.tolist() == [0, 0, 0.01, 0.01, 1e30, 1e30]
    assert ds.seed.values.tolist() == [1000, 1001] * 3
    assert ds.column.dims == ("member", "step", "output")
    assert ds.diverged.isel(step=-1).values.tolist() == [False] * 4 + [True] * 2
    # Nothing learns at a rate of 0: the weights keep their size, bit for bit.
    assert (ds["size"].isel(member=0) == ds["size"].isel(member=0, step=0)).all()


def test_a_trial_gives_one_number_a_member(finished):
    ds = load(finished, "drawn")
    assert ds.number.dims == ("member",)
    assert float(ds.number[2] - ds.number[0]) == pytest.approx(1.0, abs=1e-6)


def test_weights_are_safetensors_by_name(finished):
    files = list((finished / "main").glob("cohort-*/segment-*/state.safetensors"))
    assert len(files) == 1, "only the last segment keeps a state"
    assert load_file(files[0])["parameters.weight"].shape == (6, 5, 3)


def test_a_study_of_several_experiments_wants_a_name(finished):
    with pytest.raises(UserError, match="has 2 experiments: say which of main, drawn"):
        load(finished)
    with pytest.raises(UserError, match="no experiment 'mian'.*did you mean 'main'"):
        load(finished, "mian")


def kill_at(moment: float, folder: Path) -> bool:
    """Runs the desk study in a process of its own and kills it; gives whether it was still running."""
    often = "import ontogeny.advance as a; a.COMMIT_SECONDS, a.COMMIT_SHARE = 0.0, 1e9\n"
    often += "from ontogeny.cli import main; main()"
    command = [sys.executable, "-W", "ignore", "-c", often]
    process = subprocess.Popen(
        [*command, "run", STUDY, "--scale", "desk", "--out", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    started = time.monotonic()
    while not (folder / "run.json").exists() and process.poll() is None and time.monotonic() - started < 60:
        time.sleep(0.01)
    time.sleep(moment)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return running


def test_killed_runs_go_on_bit_for_bit(tmp_path):
    run(prepared("desk"), tmp_path / "whole", Quiet())
    pick = random.Random(0)
    kills = sum(kill_at(pick.uniform(0.0, 1.5), tmp_path / "killed") for _ in range(4))
    run(prepared("desk"), tmp_path / "killed", Quiet())
    assert kills >= 1, "no process was killed while it ran: the study is too short"
    for name in ("main", "drawn"):
        xr.testing.assert_identical(load(tmp_path / "whole", name), load(tmp_path / "killed", name))
    whole, killed = (
        load_file(next((tmp_path / which / "main").glob("cohort-*/segment-*/state.safetensors")))
        for which in ("whole", "killed")
    )
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


class Listening(Quiet):
    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


def test_a_compiled_run_says_so_and_can_be_proved(tmp_path, monkeypatch):
    listening = Listening()
    monkeypatch.setattr("ontogeny.training.footprint.CORE_BYTES", 1)  # cohorts of 2 and 1 on several threads
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        run(dataclasses.replace(prepared(), mode="compiled"), tmp_path / "run", listening)
    finally:
        torch.set_num_threads(before)
    assert len(read_about(tmp_path / "run")["experiments"]["main"]["cohorts"]) > 1
    assert listening.said[0].startswith("compiling the updates")
    assert {plan["mode"] for plan in read_about(tmp_path / "run")["experiments"].values()} == {"compiled"}
    *_, proof = prove(tmp_path / "run", 1)
    assert proof.holds
    assert proof.compared
    with pytest.raises(UserError, match="holds a run in mode compiled: choose another folder"):
        run(dataclasses.replace(prepared(), mode="eager"), tmp_path / "run", Quiet())


def test_without_a_compiler_updates_are_made_one_by_one(tmp_path, monkeypatch):
    def none(*_, **__):
        raise RuntimeError("no compiler found")

    monkeypatch.setattr("torch._inductor.compile", none)
    monkeypatch.setattr("ontogeny.training.compiled._programs", {})
    with pytest.raises(UserError, match="cannot be compiled here .*no compiler found.*: use --mode eager"):
        run(dataclasses.replace(prepared(), mode="compiled"), tmp_path / "asked", Quiet())
    monkeypatch.setattr(Training, "pays_to_compile", lambda *_: True)
    listening = Listening()
    run(prepared(), tmp_path / "run", listening)
    assert "no compiler found): they are made operation by operation" in listening.said[-1]
    assert {plan["mode"] for plan in read_about(tmp_path / "run")["experiments"].values()} == {"eager"}


def test_an_unknown_mode_is_refused():
    with pytest.raises(UserError, match="no mode 'fast'"):
        prepare(find(STUDY), "smoke", {}, None, "cpu", "fast")


def test_a_run_in_bf16_says_so_goes_on_so_and_can_be_proved(tmp_path, finished):
    single, rounded = prepared(), prepare(find(STUDY), "smoke", {}, None, "cpu", precision="bf16")
    assert rounded.folder != single.folder
    assert rounded.digest != single.digest
    folder = tmp_path / "run"
    run(rounded, folder, Quiet())
    assert read_about(folder)["precision"] == "bf16"
    ours, theirs = (load(where, "main").train_loss.sel(lr=0.01) for where in (folder, finished))
    assert (ours != theirs).any()
    np.testing.assert_allclose(ours, theirs, rtol=0.02)
    xr.testing.assert_identical(load(folder, "drawn"), load(finished, "drawn"))
    *_, proof = prove(folder, 2)
    assert proof.holds
    write_report(rounded, folder, judge_run(rounded, folder))
    assert "<dt>precision</dt><dd>bf16</dd>" in (folder / "report.html").read_text()
    assert command_of(reopen(folder)).endswith("--precision bf16")
    with pytest.raises(UserError, match="holds a run in precision bf16: ask for it"):
        run(single, folder, Quiet())


def test_a_run_from_before_precisions_is_one_in_float32(tmp_path, finished):
    shutil.copytree(finished, tmp_path / "run")
    about = read_about(finished)
    del about["precision"]
    (tmp_path / "run" / "run.json").write_text(json.dumps(about))
    run(prepared(), tmp_path / "run", Quiet())
    assert reopen(tmp_path / "run").precision == "float32"


def test_precisions_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(UserError, match="no precision 'half': known: bf16, float32, tf32"):
        prepare(find(STUDY), "smoke", {}, None, "cpu", precision="half")
    with pytest.raises(UserError, match="tf32 is a precision of GPUs"):
        run(prepare(find(STUDY), "smoke", {}, None, "cpu", precision="tf32"), tmp_path / "run", Quiet())
    with pytest.raises(UserError, match="nothing of loo-map is trained in float32: leave out --precision bf16"):
        prepare(find("loo-map"), "smoke", {}, None, "cpu", precision="bf16")
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())


def test_cohorts_side_by_side_give_what_they_give_one_by_one(tmp_path):
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            run(prepared(), tmp_path / str(threads), Quiet())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for name in ("main", "drawn"):
        xr.testing.assert_identical(load(tmp_path / "1", name), load(tmp_path / "3", name))


def test_a_segment_that_was_not_finished_does_not_count(tmp_path):
    store = CohortStore(tmp_path / "cohort-0000")
    record = Record(1, {"x": Labelled(torch.ones(2), ("member",))})
    store.commit([record], {"a": torch.ones(1)})
    half = tmp_path / "cohort-0000" / ".segment-00000001"
    half.mkdir()
    (half / "values.safetensors").write_bytes(b"half a file")
    assert store.dataset().x.values.tolist() == [[1], [1]]
    store.commit([Record(2, {"x": Labelled(2 * torch.ones(2), ("member",))})], {"a": torch.zeros(1)})
    assert store.dataset().x.values.tolist() == [[1, 2], [1, 2]]
    assert store.state() == {"a": torch.zeros(1)}


def test_a_state_that_was_replaced_goes_though_its_writer_was_killed(tmp_path):
    store = CohortStore(tmp_path / "cohort-0000")
    for step in (1, 2, 3):
        store.commit([Record(step, {"x": Labelled(torch.ones(2), ("member",))})], {"a": torch.tensor(step)})
    left = tmp_path / "cohort-0000" / "segment-00000001" / "state.safetensors"
    save_file({"a": torch.tensor(2)}, left)
    CohortStore(tmp_path / "cohort-0000").tidy()
    assert not left.exists()
    assert CohortStore(tmp_path / "cohort-0000").state() == {"a": torch.tensor(3)}


def test_one_slow_commit_does_not_put_off_the_next_for_hours(tmp_path, monkeypatch):
    """A commit of ten hours, as one to a disk that was away: a tenth of the time would be one every hundred hours."""
    now = [0.0]
    monkeypatch.setattr("ontogeny.advance.time", SimpleNamespace(monotonic=lambda: now[0]))
    commit, commits = CohortStore.commit, []

    def slow(store, *given):
        commit(store, *given)
        commits.append(now[0])
        now[0] += 36_000.0 if len(commits) == 1 else 0.0

    class Waits(Quiet):
        def look(self, index, seen):
            now[0] += 600.0

    monkeypatch.setattr(CohortStore, "commit", slow)
    run(
        dataclasses.replace(prepared(), experiments={"main": prepared().experiments["main"]}), tmp_path / "run", Waits()
    )
    pauses = np.diff(commits[1:-1])
    # Ten minutes a record: the fourth is past half an hour; then five seconds are again what it takes.
    assert commits[1] - 36_000.0 - commits[0] == 2_400.0
    assert (pauses == 600.0).all()


def test_a_finished_run_is_not_run_again(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file() and path.name != ".lock"}
    watcher = Quiet()
    run(prepared(), finished, watcher)
    assert before == {p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file() and p.name != ".lock"}


@pytest.mark.parametrize("choice", range(10))
def test_every_member_proves_the_run(finished, choice):
    proof = list(prove(finished, choice))[-1]
    assert isinstance(proof, Proof)
    assert proof.holds, proof.where
    assert proof.compared >= 1


def test_a_changed_number_is_found_out(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "copy")
    path = next((tmp_path / "copy" / "main").glob("cohort-*/segment-*/values.safetensors"))
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    values = load_file(path)
    name = next(name for name in values if name.endswith("/size"))
    values[name] *= 1 + 2**-20  # a few units in the last place
    save_file(values, path, metadata=metadata)
    proof = list(prove(tmp_path / "copy", 2))[-1]
    assert isinstance(proof, Proof)
    assert proof.differing == 1
    assert proof.where.startswith("size at step")


def test_another_definition_is_refused(finished):
    with pytest.raises(UserError, match="holds a run with another definition"):
        run(prepared(lr=(0.5,)), finished, Quiet())


def test_another_version_is_refused(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "old")
    path = tmp_path / "old" / "run.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "versions": {**about["versions"], "torch": "1.0"}}))
    with pytest.raises(UserError, match="was begun with torch 1.0"):
        run(prepared(), tmp_path / "old", Quiet())
    path.write_text(json.dumps({**about, "format": 99}))
    with pytest.raises(UserError, match="run format 99, this ontogeny reads format 2"):
        load(tmp_path / "old", "main")


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_corrupt_file_is_named(finished, tmp_path, damage):
    shutil.copytree(finished, tmp_path / "damaged")
    path = next((tmp_path / "damaged" / "main").glob("cohort-*/segment-*/values.safetensors"))
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(UserError, match=r"values.safetensors is missing or corrupt.*delete .*cohort-0000"):
        load(tmp_path / "damaged", "main")


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"there is no .*run.json: give the folder of a run"):
        load(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UserError, match="is corrupt"):
        load(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty and not a run"):
        run(prepared(), tmp_path / "other", Quiet())


def test_an_unfinished_run_is_not_proved(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "half")
    path = tmp_path / "half" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "finished": False}))
    with pytest.raises(UserError, match="is not finished"):
        list(prove(tmp_path / "half", 0))


def test_a_second_process_is_refused(tmp_path):
    class Intruder(Quiet):
        def begin(self, experiment, cohorts):
            with pytest.raises(UserError, match="another process is writing"):
                run(prepared(), tmp_path / "one", Quiet())

    run(prepared(), tmp_path / "one", Intruder())


def test_a_full_disk_keeps_what_was_committed(tmp_path, monkeypatch):
    real = ontogeny.store.save_file
    calls = []

    def full(tensors, path, **kwargs):
        calls.append(path)
        if len(calls) > 2:
            raise OSError(28, "No space left on device")
        real(tensors, path, **kwargs)

    monkeypatch.setattr(ontogeny.store, "save_file", full)
    store = CohortStore(tmp_path / "cohort-0000")
    record = Record(1, {"x": Labelled(torch.ones(2), ("member",))})
    store.commit([record], {"a": torch.ones(1)})
    with pytest.raises(RunFailed, match="no space left.*what was committed is kept"):
        store.commit([Record(2, {"x": Labelled(torch.ones(2), ("member",))})], {"a": torch.zeros(1)})
    monkeypatch.undo()
    assert store.dataset().step.values.tolist() == [1]
    assert store.state() == {"a": torch.ones(1)}


@pytest.mark.parametrize("kind", ["netcdf", "zarr", "parquet", "csv"])
def test_exports_hold_the_same_numbers(finished, tmp_path, kind):
    import pandas as pd

    written = export(finished, kind, tmp_path / "out")
    ds = load(finished, "main")
    if kind in ("netcdf", "zarr"):
        path = next(p for p in written if p.stem == "main")
        opened = xr.open_dataset(path, engine={"netcdf": "h5netcdf", "zarr": "zarr"}[kind])
        np.testing.assert_array_equal(opened["size"].values, ds["size"].values)
        assert opened.lr.values.tolist() == ds.lr.values.tolist()
        opened.close()
    else:
        path = next(p for p in written if p.stem == "size" and p.parent.name == "main")
        table = pd.read_csv(path) if kind == "csv" else pd.read_parquet(path)
        got = table.set_index(["member", "step"])["size"].sort_index().to_numpy()
        np.testing.assert_allclose(got.reshape(6, 3), ds["size"].values, rtol=1e-6)
        assert set(table.columns) == {"member", "step", "lr", "seed", "size"}
    with pytest.raises(UserError, match="is there already"):
        export(finished, kind, tmp_path / "out")


def test_an_unknown_export_is_refused(finished, tmp_path):
    with pytest.raises(UserError, match="no export 'netcfd': did you mean 'netcdf'"):
        export(finished, "netcfd", tmp_path / "out")


def test_dimensions_that_differ_between_populations_are_filled_with_nan(tmp_path):
    for i, width in enumerate((2, 3)):
        record = Record(0, {"x": Labelled(torch.ones(1, width), ("member", "unit"), {"unit": list(range(width))})})
        CohortStore(tmp_path / "main" / f"cohort-{i:04d}").commit([record], {})
    rows = (vary(width=(2, 3)) * seeds(1)).rows()
    about = dict(format=2, study="s", scale="desk", experiments=dict(main=dict(rows=rows, cohorts=[[0], [1]])))
    (tmp_path / "run.json").write_text(json.dumps(about))
    ds = load(tmp_path)
    assert np.isnan(ds.x.sel(member=0, unit=2)).all()
    assert (ds.x.sel(member=1) == 1).all()
