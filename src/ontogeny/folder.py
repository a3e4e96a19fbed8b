"""Folders: where a run lives, on a disk or in an object store, so that what is added appears whole or not at all."""

import fcntl
import os
import shutil
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from ontogeny.errors import UserError
from ontogeny.files import HALF, create_text, sync, write_bytes, writing

DONE = "done"  # the object that is written last, and says which objects belong to what was added


class Folder(ABC):
    """A place for files, and for groups of files that are added as one.

    Two writers never mix: of several who add something under one name, one succeeds and the others get a `UserError`.
    A folder can be sent to another process.
    """

    @abstractmethod
    def inside(self, *names: str) -> "Folder":
        """A folder in this one; it need not be there."""

    @abstractmethod
    def names(self) -> list[str]:
        """What stands in it, sorted, without what is hidden; nothing for a folder that is not there."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """A file. Raises: `FileNotFoundError`."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Writes a file, or replaces it as one. Raises: `UserError` for a place that cannot be written."""

    @abstractmethod
    def create(self, name: str, text: str) -> bool:
        """Writes a file unless it is there already; says whether it did. Of several who try at once, one does."""

    @abstractmethod
    def added(self) -> list[str]:
        """Names of what was added whole, sorted."""

    @abstractmethod
    def adding(self, name: str) -> AbstractContextManager[Path]:
        """A context with an empty local folder: when it is left, its files are added under the name, as one.

        Raises: `UserError` when something is there under this name, for another writer was faster.
        """

    @abstractmethod
    def opened(self, name: str, file: str) -> AbstractContextManager[Path]:
        """A context with the local path of a file that was added under a name. Raises: `FileNotFoundError`."""

    @abstractmethod
    def part(self, name: str, file: str, start: int, end: int) -> bytes:
        """Some bytes of a file that was added under a name. Raises: `FileNotFoundError`."""

    @abstractmethod
    def drop(self, name: str, file: str) -> None:
        """Removes a file of what was added under a name, where it is still there."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Removes a folder in this one with all that it holds, where it is there."""

    @abstractmethod
    def locked(self, *, shared: bool = False) -> AbstractContextManager[None]:
        """A context in which no other process has this folder locked, save that any number may share it.

        Raises: `UserError` when another has. An object store has no locks: there the second of two writers is only
        found out when it adds what the first has added.
        """


Place = str | Path | Folder


def folder_at(place: Place) -> Folder:
    """The folder of a path, or of a URL that fsspec knows: `s3://bucket/run`, `gs://...`, `memory://...`.

    Raises: `UserError` for a protocol that is unknown, or whose package is missing.
    """
    if isinstance(place, Folder):
        return place
    protocol, separator, path = str(place).partition("://")
    if not separator or protocol in ("file", "local"):
        return LocalFolder(Path(path if separator else place))
    return ObjectFolder(str(place))


def _taken(folder: Folder, name: str) -> UserError:
    return UserError(
        f"another process has written {folder}/{name}: wait for it and run the same command again, "
        "or choose another folder with --out"
    )


class LocalFolder(Folder):
    """A folder on a disk, or one that several machines share. What is added is written beside, and renamed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return LocalFolder, (self.path.absolute(),)  # as the other process works elsewhere

    def inside(self, *names: str) -> "LocalFolder":
        return LocalFolder(self.path.joinpath(*names))

    def names(self) -> list[str]:
        if not self.path.is_dir():
            return []
        return sorted(path.name for path in self.path.iterdir() if not path.name.startswith("."))

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        write_bytes(self.path / name, content)

    def create(self, name: str, text: str) -> bool:
        return create_text(self.path / name, text)

    def added(self) -> list[str]:
        return [name for name in self.names() if (self.path / name).is_dir()]

    @contextmanager
    def adding(self, name: str) -> Iterator[Path]:
        beside, place = self.path / f".{name}.{uuid.uuid4().hex}{HALF}", self.path / name
        with writing(self):
            try:
                beside.mkdir(parents=True)
                yield beside
                for path in (*beside.iterdir(), beside):
                    sync(path)
                beside.rename(place)  # which fails where there is a folder with files in it
            except BaseException as error:
                shutil.rmtree(beside, ignore_errors=True)
                if isinstance(error, OSError) and place.exists():
                    raise _taken(self, name) from None
                raise
            sync(self.path)
        for half in self.path.glob(f".{name}.*"):  # of a process that was killed
            shutil.rmtree(half, ignore_errors=True)

    @contextmanager
    def opened(self, name: str, file: str) -> Iterator[Path]:
        yield self.path / name / file

    def part(self, name: str, file: str, start: int, end: int) -> bytes:
        with open(self.path / name / file, "rb") as opened:
            opened.seek(start)
            return opened.read(end - start)

    def drop(self, name: str, file: str) -> None:
        (self.path / name / file).unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        with writing(self), suppress(FileNotFoundError):
            shutil.rmtree(self.path / name)

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        with writing(self):
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path / ".lock", os.O_CREAT | os.O_RDWR)
        try:
            try:
                fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except OSError:
                raise UserError(
                    f"another process is writing {self}: wait for it, or choose another folder with --out"
                ) from None
            if not shared:
                self._sweep()
            yield
        finally:
            os.close(handle)

    def _sweep(self) -> None:
        """Removes what processes that were killed left half-written, here and in all folders inside."""
        for folder, names, files in os.walk(self.path):
            for name in files:
                if name.startswith(".") and name.endswith(HALF):
                    with suppress(OSError):
                        Path(folder, name).unlink()
            for name in [name for name in names if name.startswith(".") and name.endswith(HALF)]:
                names.remove(name)
                shutil.rmtree(Path(folder, name), ignore_errors=True)


class ObjectFolder(Folder):
    """A prefix in an object store, which has no rename and no locks.

    What is added under a name lies under `<name>/<token of the writer>/`, and counts once the small object
    `<name>/done` is there. That holds the token and is only ever created, never replaced, which the store decides.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            self.fs, self.path = url_to_fs(self.url, use_listings_cache=False)  # other processes write there, too
        except ImportError as error:
            protocol = self.url.partition("://")[0]
            extra = "pip install 'ontogeny[s3]'" if protocol in ("s3", "s3a") else str(error)
            raise UserError(f"{self.url} needs a package that is not installed: {extra}") from None
        except ValueError as error:
            raise UserError(f"{self.url} is no address of a folder ({error}): write it like s3://bucket/run") from None

    def __str__(self) -> str:
        return self.url

    def __reduce__(self) -> tuple[Any, ...]:
        return ObjectFolder, (self.url,)  # so that another process connects with credentials of its own

    def inside(self, *names: str) -> "ObjectFolder":
        return ObjectFolder("/".join((self.url, *names)))

    def names(self) -> list[str]:
        with self._reached():
            try:
                found = self.fs.ls(self.path, detail=False)
            except FileNotFoundError:
                return []
        names = {path.rstrip("/").rpartition("/")[2] for path in found if path.rstrip("/") != self.path.rstrip("/")}
        return sorted(name for name in names if not name.startswith("."))

    def read(self, name: str) -> bytes:
        with self._reached():
            return self.fs.cat_file(f"{self.path}/{name}")

    def write(self, name: str, content: bytes) -> None:
        with self._reached(creating=True):
            self.fs.pipe_file(f"{self.path}/{name}", content)

    def create(self, name: str, text: str) -> bool:
        with self._reached(creating=True):
            try:
                self.fs.pipe_file(f"{self.path}/{name}", text.encode(), mode="create")
            except FileExistsError:
                # A request that was sent again after its answer got lost finds what it wrote itself.
                return self.read(name) == text.encode()
        return True

    def added(self) -> list[str]:
        with self._reached():
            try:
                found = self.fs.find(self.path)  # one flat listing: a glob asks for every folder
            except FileNotFoundError:
                return []
        inside = (str(path)[len(self.path) :].strip("/").split("/") for path in found)
        return sorted(names[0] for names in inside if names[1:] == [DONE])

    @contextmanager
    def adding(self, name: str) -> Iterator[Path]:
        token = uuid.uuid4().hex
        with tempfile.TemporaryDirectory(prefix="ontogeny-") as beside:
            with writing(beside):
                yield Path(beside)
            with self._reached(creating=True):
                for path in Path(beside).iterdir():
                    self.fs.put_file(str(path), f"{self.path}/{name}/{token}/{path.name}")
        added = self.inside(name)
        if not added.create(DONE, token):
            added.remove(token)
            raise _taken(self, name)
        # With it goes what a process that was killed left half-written.
        for other in added.names():
            if other not in (DONE, token):
                added.remove(other)

    @contextmanager
    def opened(self, name: str, file: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="ontogeny-") as here:
            with self._reached():
                self.fs.get_file(self._place(name, file), f"{here}/{file}")
            yield Path(here) / file

    def part(self, name: str, file: str, start: int, end: int) -> bytes:
        with self._reached():
            return self.fs.cat_file(self._place(name, file), start=start, end=end)

    def drop(self, name: str, file: str) -> None:
        with suppress(FileNotFoundError), self._reached():
            self.fs.rm_file(self._place(name, file))

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError), self._reached():
            self.fs.rm(f"{self.path}/{name}", recursive=True)

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        yield

    def _place(self, name: str, file: str) -> str:
        token = self.fs.cat_file(f"{self.path}/{name}/{DONE}").decode()
        return f"{self.path}/{name}/{token}/{file}"

    @contextmanager
    def _reached(self, *, creating: bool = False) -> Iterator[None]:
        """Turns whatever a store's package raises into one line, save that something is not there to be read."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if isinstance(error, FileNotFoundError) and not creating:
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(
                f"{self.url} cannot be reached ({reason}): check the address and your credentials"
            ) from error
