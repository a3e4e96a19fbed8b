"""The cache: members that were measured before, kept by their address so that no run makes them again.

    members/<first two digits>/<address>/
        values.safetensors   everything measured, as in a segment of a run (see `ontogeny.store`)
        state.safetensors    the member's weights, and all else that its cohort kept at the end
        entry.json           whose it is, and the digests of both files
    weights/                 the same, of states at many steps: see `ontogeny.trajectories`

An entry is written beside its place, synced, and renamed into it: it is there whole or not at all, whoever else writes
or prunes at the same time. Its files are checked when it is read. Nothing is pickled.
"""

import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from ontogeny.addresses.address import FORMAT
from ontogeny.errors import UserError
from ontogeny.files import sync
from ontogeny.labelled import Labelled, Record
from ontogeny.pieces import joined
from ontogeny.store import FILES, read_segment, write_segment

ENTRY = "entry.json"
MEMBERS, WEIGHTS = KINDS = ("members", "weights")  # of entries, a folder each
COHORT_BYTES = 64 << 20  # of entries that are written as one cohort, and held at once
LEFT_SECONDS = 86_400.0  # after which something half-written is nobody's any more
FAILURES = (OSError, RuntimeError, SafetensorError, UserError, ValueError, KeyError, TypeError, AttributeError)


def place() -> Path:
    """Where the cache is: `$ONTOGENY_CACHE`, or the folder `ontogeny` among the user's caches."""
    if chosen := os.environ.get("ONTOGENY_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ontogeny"


@dataclass(frozen=True)
class Member:
    """What was measured on one member, every array with an axis `member` of size 1 in front, and its last state.

    A state's arrays have `member` in front too; its single numbers are the cohort's.
    """

    records: tuple[Record, ...]
    state: dict[str, Tensor]

    @property
    def bytes(self) -> int:
        """How large it is."""
        arrays = [a.values for r in self.records for a in r.values.values()]
        return sum(v.nbytes for v in [*arrays, *self.state.values()])


@dataclass(frozen=True)
class Entry:
    """An entry as it is listed."""

    folder: Path
    kind: str
    study: str
    bytes: int
    used: float  # when it was written, or last found by a run, in seconds since 1970


def split(records: Sequence[Record], state: dict[str, Tensor], members: int) -> Iterator[Member]:
    """The members of a cohort, one by one.

    Raises: `UserError` when an array has no axis of its members.
    """
    arrays = [(name, a.values) for r in records for name, a in r.values.items()]
    for name, value in [*arrays, *((n, v) for n, v in state.items() if v.ndim)]:
        if not value.ndim or value.shape[0] != members:
            raise UserError(f"{name} has shape {tuple(value.shape)}, which does not begin with {members} members")
    for i in range(members):
        one = slice(i, i + 1)
        own = tuple(Record(r.step, {name: _cut(a, one) for name, a in r.values.items()}) for r in records)
        yield Member(own, {name: value[one] if value.ndim else value for name, value in state.items()})


def _cut(array: Labelled, members: slice) -> Labelled:
    coords = {d: labels[members] if d == array.dims[0] else labels for d, labels in array.coords.items()}
    return replace(array, values=array.values[members], coords=coords)


def cohort_of(members: Sequence[Member]) -> tuple[list[Record], dict[str, Tensor]]:
    """The records and the state of a cohort of these members."""
    records = [
        Record(first.step, {name: joined([r.values[name] for r in same]) for name in first.values})
        for first, *others in zip(*(m.records for m in members), strict=True)
        for same in [[first, *others]]
    ]
    states = [m.state for m in members]
    state = {name: torch.cat([s[name] for s in states]) if v.ndim else v for name, v in states[0].items()}
    return records, state


class MemberCache:
    """A folder of members. `say` gets a line for everything that a user should know of; nothing here breaks a run.

    Entries of one `kind` are put and taken; those of all kinds are listed and pruned.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], kind: str = MEMBERS) -> None:
        self.folder, self.say, self.kind = folder, say, kind
        self.closed = False  # something is wrong with the place: nothing more is written

    def has(self, address: str) -> bool:
        """Whether there is an entry: it may still turn out to be corrupt."""
        return (self._folder(address) / ENTRY).exists()

    def about(self, address: str) -> dict[str, Any] | None:
        """What an entry says of itself; None when there is none that can be read."""
        return _about(self._folder(address) / ENTRY)

    def abouts(self) -> Iterator[dict[str, Any]]:
        """What the entries of this kind say of themselves."""
        for path in self.folder.glob(f"{self.kind}/??/[0-9a-f]*/{ENTRY}"):
            if about := _about(path):
                yield about

    def take(self, address: str) -> Member | None:
        """The member of an address; None when there is none. A corrupt entry is removed, with a line."""
        folder = self._folder(address)
        try:
            opened = os.open(folder, os.O_RDONLY)
        except OSError:
            return None
        try:
            about = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
            for name in FILES:
                if _sha256(folder / name) != about["sha256"][name]:
                    raise ValueError(f"{name} has changed")
            records, state = read_segment(folder)
        except FAILURES as error:
            # While it is open nothing else gets its number: another one there now was put by another process.
            if self.has(address) and _number(folder) == os.fstat(opened).st_ino:
                self.say(f"ignored a corrupt entry of the cache ({folder}: {error}): its member is made again")
                with suppress(OSError):  # of a cache that can only be read
                    _remove(folder)
            return None
        finally:
            os.close(opened)
        with suppress(OSError):
            os.utime(folder / ENTRY)
        return Member(tuple(records), state)

    def put(self, address: str, member: Member, about: dict[str, Any], *, instead: bool = False) -> None:
        """Keeps a member, unless it is there already, or `instead` of what is there.

        When that fails there is a line, and nothing more is kept.
        """
        folder = self._folder(address)
        if self.closed or (self.has(address) and not instead):
            return
        beside = _beside(folder)
        try:
            beside.mkdir(parents=True)
            if folder.exists() and not instead:  # without its description: a power cut
                _remove(folder)
            write_segment(beside, member.records, member.state)
            digests = {name: _sha256(beside / name) for name in FILES}
            entry = {"format": FORMAT, "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **about, "sha256": digests}
            (beside / ENTRY).write_text(json.dumps(entry, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            sync(beside / ENTRY)
            sync(beside)
            if instead:
                _remove(folder)
            os.rename(beside, folder)
        except FAILURES as error:
            faster = getattr(error, "errno", None) in (errno.ENOTEMPTY, errno.EEXIST)
            faster = faster or (self.has(address) and not instead)
            if not faster:  # than another process, which may even have pruned it since
                self.close(getattr(error, "strerror", None) or str(error))
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def close(self, reason: str) -> None:
        """Keeps nothing more in this run, and says why, once."""
        if not self.closed:
            what = "no more weights are" if self.kind == WEIGHTS else "nothing more is"
            self.say(f"{what} kept in the cache {self.folder} ({reason}): the run goes on without it")
        self.closed = True

    def entries(self) -> list[Entry]:
        """What is there, that was used last first."""
        found = []
        for path in (path for kind in KINDS for path in self.folder.glob(f"{kind}/??/[0-9a-f]*/{ENTRY}")):
            kind = path.parts[-4]
            try:
                study = json.loads(path.read_text(encoding="utf-8")).get("study", "?")
                used = path.stat().st_mtime
                found.append(Entry(path.parent, kind, str(study), _size(path.parent), used))
            except OSError:  # pruned meanwhile
                continue
            except (ValueError, AttributeError):
                found.append(Entry(path.parent, kind, "corrupt", _size(path.parent), 0.0))
        return sorted(found, key=lambda entry: -entry.used)

    def prune(self, *, older: float | None = None, larger: int | None = None, everything: bool = False) -> list[Entry]:
        """Removes entries that were not used for `older` seconds, then those used longest ago until `larger` bytes are
        left; gives what was removed. Leftovers of processes that were killed go too.

        Raises: `UserError` when something cannot be removed.
        """
        now = time.time()
        removed, left, full = [], 0, everything
        try:
            for half in (half for kind in KINDS for half in self.folder.glob(f"{kind}/??/.*")):
                with suppress(FileNotFoundError):  # it has got its name meanwhile
                    if now - half.stat().st_mtime > LEFT_SECONDS:
                        shutil.rmtree(half)
            for entry in self.entries():
                full = full or (larger is not None and left + entry.bytes > larger)
                if full or (older is not None and now - entry.used > older):
                    _remove(entry.folder)
                    removed.append(entry)
                else:
                    left += entry.bytes
        except OSError as error:
            raise UserError(f"{error.filename} cannot be removed ({error.strerror})") from None
        return removed

    def _folder(self, address: str) -> Path:
        return self.folder / self.kind / address[:2] / address


def _about(entry: Path) -> dict[str, Any] | None:
    try:
        about = json.loads(entry.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) else None


def _remove(folder: Path) -> None:
    """Takes an entry away as one: a reader finds it whole or not at all."""
    gone = _beside(folder)
    with suppress(FileNotFoundError):  # another process was faster
        os.rename(folder, gone)
    shutil.rmtree(gone, ignore_errors=True)


def _number(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except OSError:
        return None


def _beside(folder: Path) -> Path:
    """A place beside an entry's that nobody else uses."""
    return folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except OSError:
        return 0


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
