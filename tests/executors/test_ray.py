"""Ray on a real cluster of two nodes: workers and a node are killed in the middle of a cohort; no number changes."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr

from ontogeny.errors import RunFailed, UserError
from ontogeny.executors.ray import Board, Ray
from ontogeny.locate import find
from ontogeny.prepared import prepare
from ontogeny.run import run
from ontogeny.store import load, read_about

HERE = Path(__file__).parents[1]
SLOW, SMALL, LARGE = (str(HERE / f"{name}_study.py") for name in ("slow", "small", "endurance"))

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra ray")


class Watches:
    """Calls `act` once, when some cohort's first segment has been committed and it still has much to do."""

    def __init__(self, folder: Path, act) -> None:
        self.folder, self.act, self.acted, self.looks = folder, act, False, 0

    def say(self, text):
        pass

    def begin(self, experiment, cohorts):
        pass

    def look(self, index, seen):
        self.looks += 1
        committed = list(self.folder.glob(f"main/cohort-{index:04d}/segment-*"))
        if committed and seen["done"] < 0.9 * seen["total"] and not self.acted:
            self.acted = True
            self.act(index)

    def end(self, experiment, diverged):
        self.diverged = diverged


@pytest.fixture(scope="module")
def cluster(s3_server):  # whose environment the workers inherit
    """Two nodes with a CPU each; gives the cluster and its second node."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made, second
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    run(prepare(find(SLOW), "desk", {}, None, "cpu"), folder, Watches(folder, lambda _: None))
    return folder


def workers(of: int) -> list[int]:
    """Processes that are at a cohort, among the grandchildren of a process."""
    parents, tasks = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if (folder / "cmdline").read_bytes().startswith(b"ray::_do"):
                tasks.append(int(folder.name))
        except OSError:
            continue
    return [pid for pid in tasks if parents.get(parents.get(pid, 0)) == of]


def segments(folder: Path) -> dict[Path, float]:
    return {p: p.stat().st_mtime for p in folder.glob("main/cohort-*/segment-*/values.safetensors")}


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_killed_workers_and_a_lost_node_change_no_number(cluster, whole, tmp_path):
    made, second = cluster
    kept: dict[Path, float] = {}

    def lose(_) -> None:
        victims = workers(os.getpid())
        assert victims, "no worker is at a cohort"
        kept.update(segments(tmp_path / "run"))
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        made.remove_node(second, allow_graceful=False)

    watcher = Watches(tmp_path / "run", lose)
    executor = Ray()
    assert str(executor) == "Ray: 2 nodes, 2 CPUs"
    run(prepare(find(SLOW), "desk", {}, None, "cpu"), tmp_path / "run", watcher, executor=executor)
    assert watcher.acted, "nothing was killed: the study is too short"
    assert str(executor) == "Ray: 1 node, 1 CPUs"
    after = segments(tmp_path / "run")
    assert kept
    assert all(after[path] == kept[path] for path in kept), "what was committed is not done again"
    assert len(after) > len(kept)
    xr.testing.assert_identical(load(whole), load(tmp_path / "run"))
    assert [row["lr"] for row in watcher.diverged] == [1e30] * 4
    assert watcher.looks > 20, "progress is live"


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_users_functions_and_a_store_of_objects(cluster, bucket, tmp_path):
    """Its study is in a file that no worker has on its path, and its results go to an S3 server."""
    quiet = Watches(tmp_path, lambda _: None)
    prepared = prepare(find(SMALL), "smoke", {}, None, "cpu")
    run(prepared, f"{bucket}/run", quiet, executor=Ray())
    run(prepared, tmp_path / "here", quiet)
    for name in ("main", "drawn"):
        xr.testing.assert_identical(load(f"{bucket}/run", name), load(tmp_path / "here", name))


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cohort_without_memory_on_its_worker_goes_on_in_pieces(cluster, tmp_path, monkeypatch):
    prepared = prepare(find(LARGE), "smoke", {}, None, "cpu", "eager")
    run(prepared, tmp_path / "whole", Watches(tmp_path, lambda _: None))
    watcher, said = Watches(tmp_path, lambda _: None), []
    watcher.say = said.append
    monkeypatch.setenv("ONTOGENY_TEST_MOST", "6")
    run(prepared, tmp_path / "run", watcher, executor=Ray())
    (line,) = said
    assert line.startswith("out of memory in 2 of 2 cohorts of main")
    for name in ("main", "drawn"):
        xr.testing.assert_identical(load(tmp_path / "whole", name), load(tmp_path / "run", name))


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_breaks_is_the_same_line_as_here(cluster, tmp_path):
    source = Path(SMALL).read_text().replace('{"number"', '1 / 0, {"number"')
    (tmp_path / "broken_study.py").write_text(source)
    prepared = prepare(find(str(tmp_path / "broken_study.py")), "smoke", {}, None, "cpu")
    with pytest.raises(RunFailed, match=r"experiment 'drawn' broke in the members from lr=.*ZeroDivisionError"):
        run(prepared, tmp_path / "run", Watches(tmp_path, lambda _: None), executor=Ray())
    prepared = prepare(find(SMALL), "smoke", {}, None, "cpu")
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match="has run format None"):
        run(prepared, tmp_path, Watches(tmp_path, lambda _: None), executor=Ray())


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_interruption_takes_back_what_waits_and_ends_what_has_begun(cluster, whole, tmp_path):
    """One node is left by now, with one CPU: of two cohorts one waits."""

    def interrupt(_) -> None:
        kept.update(segments(tmp_path / "run"))
        raise KeyboardInterrupt

    kept: dict[Path, float] = {}
    with pytest.raises(KeyboardInterrupt):
        run(
            prepare(find(SLOW), "desk", {}, None, "cpu"),
            tmp_path / "run",
            Watches(tmp_path / "run", interrupt),
            executor=Ray(),
        )
    assert len(segments(tmp_path / "run")) == len(kept) + 1, "the one that has begun commits its last record"
    assert not workers(os.getpid())
    run(prepare(find(SLOW), "desk", {}, None, "cpu"), tmp_path / "run", Watches(tmp_path, lambda _: None))
    xr.testing.assert_identical(load(whole), load(tmp_path / "run"))


@needs_ray
@pytest.mark.slow
def test_ctrl_c_keeps_what_was_done_and_the_same_run_goes_on(whole, tmp_path):
    """Through the command, which starts a cluster of its own and takes it along when it leaves."""
    folder = tmp_path / "run"
    command = [sys.executable, "-W", "ignore", "-c", "from ontogeny.cli import main; main()"]
    command += ["run", SLOW, "--scale", "desk", "--executor", "ray", "--address", "local", "--out", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    started = time.monotonic()
    while not segments(folder) and process.poll() is None and time.monotonic() - started < 300:
        time.sleep(0.1)
    committed = segments(folder)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2, said
    assert said.strip().splitlines()[-1].startswith("error: interrupted: what was committed is kept")
    assert "Traceback" not in said
    assert not read_about(folder)["finished"]
    assert len(segments(folder)) > len(committed), "every cohort commits its last record before it leaves"
    assert not workers(process.pid)
    run(prepare(find(SLOW), "desk", {}, None, "cpu"), folder, Watches(folder, lambda _: None))
    xr.testing.assert_identical(load(whole), load(folder))


@needs_ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:6379"])
def test_an_address_where_nobody_answers_is_a_line(address, monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(UserError, match=f"no Ray cluster answers at {address} \\(.*\\): give its head's HOST:PORT"):
        Ray(address)


def test_without_the_extra_there_is_a_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"--executor ray needs Ray: pip install 'ontogeny\[ray\]'"):
        Ray()


def test_the_board_gives_what_is_new_and_tells_all_to_stop():
    board = Board()
    assert board.put(0, None) is False
    assert board.put(1, {"done": 1}) is False
    assert board.put(1, {"done": 2}) is False
    assert board.take() == {1: {"done": 2}}
    assert board.take() == {}
    assert board.close() == {0, 1}
    assert board.put(1, {"done": 3}) is True
