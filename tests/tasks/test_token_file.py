"""Oracles: files written by hand whose tokens are known, and where windows may and may not come from."""

import hashlib
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.token_file import TokenFile


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        elif isinstance(content, np.ndarray):
            np.save(path, content)
        else:
            pq.write_table(pa.table(content), path)
        return path

    return write


def tokens(task):
    return task.corpus.tokens.tolist()


def test_characters_are_numbered_by_code_point(write):
    task = TokenFile(path=write("a.txt", "banané" * 5), length=2)
    assert tokens(task)[:6] == [1, 0, 2, 0, 2, 3]  # a, b, n, é
    assert task.shape.vocabulary == task.shape.outputs == 4


def test_bytes_are_their_own_numbers(write):
    task = TokenFile(path=write("a.txt", "é\n" * 10), length=2, level="bytes")
    assert tokens(task)[:3] == [0xC3, 0xA9, 0x0A]
    assert task.shape.vocabulary == 256


@pytest.mark.parametrize("dtype", [np.uint16, np.int64])
def test_an_array_holds_tokens_as_they_are(write, dtype):
    task = TokenFile(path=write("a.npy", np.array([5, 0, 7] * 10, dtype)), length=2)
    assert tokens(task)[:3] == [5, 0, 7]
    assert task.shape.vocabulary == 8
    assert TokenFile(path=task.path, length=2, vocabulary=100).shape.vocabulary == 100


def test_parquet_columns_of_numbers_lists_and_texts(write):
    path = write("a.parquet", {"ids": [3, 1] * 20, "lists": [[3, 1], [2]] * 20, "texts": ["ab", "b"] * 20})
    assert tokens(TokenFile(path=path, length=2, column="ids"))[:3] == [3, 1, 3]
    assert tokens(TokenFile(path=path, length=2, column="lists"))[:6] == [3, 1, 2, 3, 1, 2]
    # a column of texts is joined by newlines: a b \n b \n a b ..., with \n first in the order of code points
    assert tokens(TokenFile(path=path, length=2, column="texts"))[:7] == [1, 2, 0, 2, 0, 1, 2]


def test_targets_are_inputs_one_further_and_parts_do_not_meet(write, seed):
    # Every token is its own place, so a window tells where it comes from.
    task = TokenFile(path=write("a.npy", np.arange(200)), length=8, held_out=0.25)
    streams = Streams((seed, seed + 1))
    world = task.world(streams.of("world"))
    for purpose, low, high in (("data", 0, 149), ("evaluation", 150, 199)):
        batch = task.sample(world, streams.of(purpose).of("x"), 500)
        assert batch.inputs.shape == (2, 500, 8)
        assert torch.equal(batch.targets, batch.inputs + 1)
        # 500 draws from at most 142 places miss a given end with probability (141/142)^500 = 3 %, a margin of 10 never
        assert low <= batch.inputs.min() < low + 10
        assert high - 10 < batch.targets.max() <= high


def test_windows_start_everywhere_alike(write, seed):
    task = TokenFile(path=write("a.npy", np.arange(20)), length=4, held_out=0.3)
    streams = Streams((seed,)).of("data")
    starts = task.sample(task.world(streams), streams, 10_000).inputs[0, :, 0]
    counts = torch.bincount(starts, minlength=10)
    assert len(counts) == 10  # 14 places, of which a window and its target take 5
    assert (counts - 1000).abs().max() < 4 * (10_000 * 0.1 * 0.9) ** 0.5


def test_a_member_draws_the_same_alone_and_in_blocks(write, seed):
    task = TokenFile(path=write("a.txt", "to be or not to be " * 20), length=6)
    streams = Streams((seed, 7, 13)).of("data")
    world = task.world(streams)
    block = task.sample(world, streams.at(4, 5), 20)
    alone = task.sample(world, streams.take([2]).at(5), 10)
    assert torch.equal(block.inputs[2:, 10:], alone.inputs)


def test_a_run_remembers_the_file(write):
    path = write("a.txt", "abc" * 20)
    task = TokenFile(path=path, length=2)
    assert task.sha256 == hashlib.sha256(b"abc" * 20).hexdigest()
    assert TokenFile(path=path, length=2, sha256=task.sha256) == task
    write("a.txt", "abd" * 20 + "e")
    with pytest.raises(UserError, match="it is another file"):
        TokenFile(path=path, length=2, sha256=task.sha256)


def test_nothing_is_unpickled(write, tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").mkdir, ())

    for path in (write("a.npy", np.array([Trap()], object)), write("b.npy", pickle.dumps(Trap()))):
        with pytest.raises(UserError, match=r"not a plain \.npy array"):
            TokenFile(path=path, length=2)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "content", "fields", "line"),
    [
        ("a.csv", "abc", {}, "must end in .txt, .npy, .parquet"),
        ("a.txt", "abc", {}, "3 tokens, 0 of them held out: too few for windows of 2"),
        ("a.txt", "", {}, "0 tokens"),
        ("a.txt", b"abc\xff", {}, "not UTF-8 at byte 3"),
        ("a.txt", "abc", {"level": "byte"}, "no level 'byte': did you mean 'bytes'"),
        ("a.txt", "abc", {"length": 0}, "windows of 1 token or more"),
        ("a.txt", "abc", {"held_out": 1.0}, "between 0 and 1"),
        ("a.npy", np.ones(9), {}, "tokens are whole numbers"),
        ("a.npy", np.ones((3, 3), int), {}, r"shape (3, 3)"),
        ("a.npy", np.array([1, -1, 2]), {}, "from -1 to 2"),
        ("a.npy", np.array([1, 2**40]), {}, "2**31"),
        ("a.npy", np.arange(50), {"vocabulary": 10}, "a vocabulary of 50, not 10"),
        ("a.npy", b"no array", {}, "not a plain .npy array"),
        ("a.parquet", b"no table", {}, "not a Parquet file"),
        ("a.parquet", {"a": [1], "b": [2]}, {}, "2 columns: say which"),
        ("a.parquet", {"text": ["a"]}, {"column": "txt"}, "no column 'txt': did you mean 'text'"),
        ("a.parquet", {"text": ["a", None]}, {}, "1 empty cells"),
        ("a.parquet", {"x": [0.5, 1.5]}, {}, "tokens are whole numbers"),
    ],
)
def test_bad_files_get_a_line(write, name, content, fields, line):
    with pytest.raises(UserError) as caught:
        TokenFile(path=write(name, content), **{"length": 2} | fields)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_gets_a_line(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        TokenFile(path=tmp_path / "none.txt", length=2)
