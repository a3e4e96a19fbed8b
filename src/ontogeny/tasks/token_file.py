"""Token file: windows of a text or of a sequence of tokens of your own.

position   0     1     2    ...  length-1
inputs     t_s   t_s+1 t_s+2 ...           a window at a random place s
targets    t_s+1 t_s+2 t_s+3 ...           the same, one further
"""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Int
from torch import Tensor

from ontogeny.errors import UserError, nearest
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task

LEVELS = ("characters", "bytes")


@dataclass(frozen=True)
class Corpus:
    """What a file holds: tokens from 0 to `vocabulary` - 1, one after another."""

    tokens: Int[Tensor, "place"]
    vocabulary: int


class TokenFile(Task):
    """Next-token prediction on a file: `.txt`, `.npy` or `.parquet`.

    Text becomes one token a character (those that occur, in the order of their code points) or a byte (256 of them), as
    `level` says. Whole numbers, a one-dimensional `.npy` array or a Parquet column, are tokens as they are. A column of
    texts is joined by newlines, one of lists end to end; `column` names it where there are several. `vocabulary` is one
    more than the largest token unless it is given.

    Training draws windows from the front of the file; measures see windows of the last `held_out` share of it, which
    training never touches. There is no ground truth here: the best loss is not known.

    `sha256` is that of the file. It is found when left out, so that a run remembers what it was trained on; given, it
    must fit. The file is read once and kept in memory, 4 bytes a token.
    """

    path: str | Path
    length: int
    level: str = "characters"
    column: str = ""
    vocabulary: int | None = None
    held_out: float = 0.1
    sha256: str = ""

    def check(self) -> None:
        """The file is there, can be read, and is long enough.

        Raises: `UserError` for whatever is wrong with it, in a line.
        """
        if self.length < 1:
            raise UserError(f"TokenFile needs windows of 1 token or more, got length={self.length}")
        if self.level not in LEVELS:
            raise UserError(f"TokenFile has no level {self.level!r}: {nearest(self.level, LEVELS)}")
        if not 0 < self.held_out < 1:
            raise UserError(f"TokenFile holds out a share between 0 and 1, got held_out={self.held_out}")
        found = _sha256(*_stamp(self.path))
        if self.sha256 and found != self.sha256:
            raise UserError(f"{self.path} has sha256 {found[:12]}..., not {self.sha256[:12]}...: it is another file")
        object.__setattr__(self, "sha256", found)
        corpus = self.corpus
        if self.vocabulary is not None and self.vocabulary < corpus.vocabulary:
            raise UserError(
                f"{self.path} has tokens up to {corpus.vocabulary - 1}: they need a vocabulary of "
                f"{corpus.vocabulary}, not {self.vocabulary}"
            )
        places = len(corpus.tokens)
        if min(self._split, places - self._split) <= self.length:
            raise UserError(
                f"{self.path} has {places} tokens, {places - self._split} of them held out: "
                f"too few for windows of {self.length} in both parts; lower length or change held_out"
            )

    @property
    def corpus(self) -> Corpus:
        """The whole file as tokens."""
        return _read(*_stamp(self.path), self.level, self.column)

    @property
    def shape(self) -> Shape:
        """Tokens in, logits over tokens out."""
        size = self.vocabulary or self.corpus.vocabulary
        return Shape(vocabulary=size, outputs=size, length=self.length)

    def world(self, streams: Streams) -> Int[Tensor, "place"]:
        """The tokens, the same for every member."""
        return self.corpus.tokens.to(streams.device)

    def sample(self, world: Int[Tensor, "place"], streams: Streams, size: int) -> Batch:
        """Windows at uniformly random places of the part that training, or a measure, may see."""
        held_out = streams.within("evaluation")
        first, last = (self._split, len(world)) if held_out else (0, self._split)
        start = first + streams.integers("start", (size,), last - first - self.length)
        window = world[start[..., None] + torch.arange(self.length + 1, device=world.device)].long()
        return Batch(inputs=window[..., :-1], targets=window[..., 1:])

    @property
    def _split(self) -> int:
        """Where the held-out part begins."""
        return round(len(self.corpus.tokens) * (1 - self.held_out))


def _stamp(path: str | Path) -> tuple[Path, int, int]:
    """The path with the file's time and size: what was read is kept as long as these stay."""
    place = Path(path).expanduser().resolve()
    try:
        about = place.stat()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give the path of a token file") from None
    return place, about.st_mtime_ns, about.st_size


@functools.lru_cache(maxsize=8)
def _sha256(path: Path, changed: int, size: int) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give the path of a token file") from None


@functools.lru_cache(maxsize=8)
def _read(path: Path, changed: int, size: int, level: str, column: str) -> Corpus:
    readers: dict[str, Callable[[Path, str, str], Corpus]] = {
        ".txt": lambda path, level, column: _text(path, path.read_bytes(), level),
        ".npy": lambda path, level, column: _numbers(path, _npy(path)),
        ".parquet": _parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path} is no token file: its name must end in {', '.join(readers)}")
    return reader(path, level, column)


def _text(path: Path, raw: bytes, level: str) -> Corpus:
    if level == "bytes":
        return Corpus(torch.from_numpy(np.frombuffer(raw, np.uint8).astype(np.int32)), 256)
    try:
        points = np.frombuffer(raw.decode("utf-8").encode("utf-32-le"), np.uint32)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 at byte {error.start}: convert it, or take level='bytes'") from None
    alphabet, tokens = np.unique(points, return_inverse=True)
    return Corpus(torch.from_numpy(tokens.astype(np.int32)), len(alphabet))


def _npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)  # a pickle could run anything
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path} is not a plain .npy array ({error}): write it with numpy.save") from None


def _numbers(path: Path, numbers: np.ndarray) -> Corpus:
    if numbers.ndim != 1 or not np.issubdtype(numbers.dtype, np.integer):
        raise UserError(
            f"{path} holds {numbers.dtype} numbers of shape {numbers.shape}: tokens are whole numbers in a row"
        )
    low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, -1)
    if low < 0 or high >= 2**31:
        raise UserError(f"{path} has tokens from {low} to {high}: they must lie between 0 and 2**31 - 1")
    return Corpus(torch.from_numpy(numbers.astype(np.int32)), high + 1)


def _parquet(path: Path, level: str, column: str) -> Corpus:
    try:
        names = pq.read_schema(path).names
        if not column and len(names) != 1:
            raise UserError(f"{path} has {len(names)} columns: say which with column=, one of {', '.join(names)}")
        column = column or names[0]
        if column not in names:
            raise UserError(f"{path} has no column {column!r}: {nearest(column, names)}")
        values = pa.concat_arrays(pq.read_table(path, columns=[column])[column].chunks)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is not a Parquet file that can be read ({error})") from None
    if values.null_count:
        raise UserError(f"{path} has {values.null_count} empty cells in column {column!r}: drop or fill them")
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        values = values.flatten()
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return _text(path, "\n".join(values.to_pylist()).encode(), level)
    return _numbers(path, values.to_numpy(zero_copy_only=False))
