"""Folders: the same laws on a disk, in a store in memory and on an S3 server."""

import pickle
import threading
from pathlib import Path

import fsspec
import pytest
from places import memory

from ontogeny.errors import UserError
from ontogeny.folder import Folder, LocalFolder, ObjectFolder, folder_at

KINDS = ["disk", "memory", pytest.param("s3", marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore")])]


@pytest.fixture(params=KINDS)
def folder(request, tmp_path) -> Folder:
    if request.param == "disk":
        return folder_at(tmp_path / "run")
    if request.param == "memory":
        return folder_at(memory())
    return folder_at(f"{request.getfixturevalue('bucket')}/run")


def add(folder: Folder, name: str, **files: str) -> None:
    with folder.adding(name) as beside:
        for file, text in files.items():
            (beside / file).write_text(text)


def text(folder: Folder, name: str, file: str) -> str:
    with folder.opened(name, file) as path:
        return Path(path).read_text()


def test_a_path_or_a_url():
    assert isinstance(folder_at("runs/x"), LocalFolder)
    assert str(folder_at("file:///tmp/x").inside("a", "b")) == "/tmp/x/a/b"
    assert isinstance(folder_at("memory://bucket/x"), ObjectFolder)
    assert str(folder_at("memory://bucket/x/").inside("a", "b")) == "memory://bucket/x/a/b"


def test_what_is_added_is_there(folder):
    assert folder.names() == folder.added() == []
    add(folder, "b", x="0123456789", y="why")
    add(folder, "a", x="other")
    assert folder.added() == ["a", "b"]
    assert folder.names() == ["a", "b"]
    assert text(folder, "b", "x") == "0123456789"
    assert text(folder, "b", "y") == "why"
    assert folder.part("b", "x", 2, 5) == b"234"
    folder.drop("b", "y")
    folder.drop("b", "y")  # again is no error
    with pytest.raises(FileNotFoundError):
        text(folder, "b", "y")
    with pytest.raises(FileNotFoundError):
        folder.part("c", "x", 0, 1)
    assert text(folder, "b", "x") == "0123456789"


def test_the_second_of_two_writers_is_refused(folder):
    def both() -> None:
        with folder.adding("a") as second:
            (second / "x").write_text("second")
            add(folder, "a", x="first")

    with pytest.raises(UserError, match="another process has written .*/a: "):
        both()
    assert text(folder, "a", "x") == "first"
    with pytest.raises(UserError, match="another process has written"):
        add(folder, "a", x="third")
    assert text(folder, "a", "x") == "first"


def test_of_many_writers_at_once_one_succeeds(folder):
    refused, created = [], []
    barrier = threading.Barrier(8)

    def write(i: int) -> None:
        barrier.wait()
        created.append(folder.create("plan", f"plan {i}"))
        try:
            add(folder, "a", x=str(i))
        except UserError:
            refused.append(str(i))

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7
    assert text(folder, "a", "x") not in refused
    assert sum(created) == 1


def test_what_breaks_on_the_way_leaves_nothing(folder):
    def broken() -> None:
        with folder.adding("a") as beside:
            (beside / "x").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert folder.added() == []
    add(folder, "a", x="whole")
    assert text(folder, "a", "x") == "whole"


def test_what_was_left_half_written_does_not_count_and_goes(folder):
    if isinstance(folder, LocalFolder):
        half = folder.path / ".a.0123"
        half.mkdir(parents=True)
        (half / "x").write_text("half")
        there = half.exists
    else:
        half = f"{folder.path}/a/0123/x"
        folder.fs.pipe_file(half, b"half")
        there = lambda: folder.fs.exists(half)  # noqa: E731
    assert folder.added() == []
    assert there()
    add(folder, "a", x="whole")
    assert folder.added() == ["a"]
    assert text(folder, "a", "x") == "whole"
    assert not there()


def test_files_are_replaced_whole_and_created_once(folder):
    with pytest.raises(FileNotFoundError):
        folder.read("run.json")
    assert folder.create("run.json", "first")
    assert not folder.create("run.json", "second")
    assert folder.read("run.json") == b"first"
    folder.write("run.json", b"third")
    assert folder.read("run.json") == b"third"
    assert folder.names() == ["run.json"]


def test_it_can_be_sent_to_another_process(folder, monkeypatch, tmp_path):
    folder.create("run.json", "here")
    sent = pickle.dumps(folder)
    monkeypatch.chdir(tmp_path.parent)
    assert pickle.loads(sent).read("run.json") == b"here"


def test_a_relative_path_is_sent_as_an_absolute_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    sent = pickle.dumps(folder_at("run"))
    assert str(pickle.loads(sent)) == str(tmp_path / "run")


def test_locks_of_a_disk(tmp_path):
    folder = folder_at(tmp_path / "run")
    with folder.locked():
        for shared in (True, False):
            with pytest.raises(UserError, match="another process is writing"), folder.locked(shared=shared):
                pass
    with (
        folder.locked(shared=True),
        folder.locked(shared=True),
        pytest.raises(UserError, match="another process is writing"),
        folder.locked(),
    ):
        pass
    with folder.locked():
        pass


def test_a_disk_without_hard_links(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", refused)
    folder = folder_at(tmp_path / "run")
    assert folder.create("run.json", "first")
    assert not folder.create("run.json", "second")
    assert folder.read("run.json") == b"first"


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("nope://bucket/run", "nope://bucket/run is no address of a folder"),
        ("dropbox://bucket/run", "needs a package that is not installed"),
    ],
)
def test_an_unknown_store_is_a_line(url, line):
    with pytest.raises(UserError, match=line):
        folder_at(url)


def test_s3_without_its_extra_is_a_line(monkeypatch):
    def missing(*_, **__):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("ontogeny.folder.url_to_fs", missing)
    with pytest.raises(
        UserError, match=r"s3://b/r needs a package that is not installed: pip install 'ontogeny\[s3\]'"
    ):
        folder_at("s3://b/r")


def test_a_store_that_cannot_be_reached_is_a_line(monkeypatch):
    folder = folder_at(memory())

    def lost(*_, **__):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(fsspec.filesystem("memory").__class__, "pipe_file", lost)
    with pytest.raises(UserError, match=r"cannot be reached \(ConnectionError: no route to host\): check the address"):
        folder.write("run.json", b"x")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_bucket_that_is_not_there_is_a_line(bucket):
    with pytest.raises(UserError, match="s3://elsewhere/run cannot be reached"):
        folder_at("s3://elsewhere/run").create("run.json", "x")


def test_what_a_killed_process_left_goes_when_the_next_one_is_alone(tmp_path):
    folder = LocalFolder(tmp_path / "run")
    cohort = folder.inside("main", "cohort-0000")
    add(cohort, "segment-00000000", values="kept")
    for half in (tmp_path / "run", cohort.path):  # as `adding` and `write` leave them
        (half / ".segment-00000001.0123456789abcdef0123456789abcdef.half").mkdir()
        (half / ".segment-00000001.0123456789abcdef0123456789abcdef.half" / "values").write_text("half")
        (half / ".run.json.abcd1234.half").write_text("{")
        (half / ".mine").write_text("the user's own")
    with folder.locked(shared=True):
        assert len(list(tmp_path.rglob(".*.half"))) == 4, "another one may be at it"
    with folder.locked():
        assert not list(tmp_path.rglob(".*.half"))
    assert len(list(tmp_path.rglob(".mine"))) == 2
    assert text(cohort, "segment-00000000", "values") == "kept"


@pytest.mark.parametrize("write", ["write", "create", "adding"])
def test_what_is_being_written_has_such_a_name(tmp_path, monkeypatch, write):
    folder, seen = LocalFolder(tmp_path), []
    monkeypatch.setattr("os.fsync", lambda _: seen.append([path.name for path in tmp_path.iterdir()]))
    if write == "adding":
        add(folder, "name", values="1")
    else:
        getattr(folder, write)("name", b"1" if write == "write" else "1")
    ((name,), *_) = seen
    assert name.startswith(".name.")
    assert name.endswith(".half")
    assert [path.name for path in tmp_path.iterdir()] == ["name"]
