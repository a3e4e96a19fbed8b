"""Files that are the old one or the new one, whatever happens while they are written."""

import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ontogeny.errors import RunFailed, UserError

HALF = ".half"  # ends the hidden name of what is being written, and is left when its writer is killed
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # as file systems without hard links say it


def write_bytes(path: Path, content: bytes) -> None:
    """Writes beside the place, syncs, and renames into it.

    Raises: `UserError` for a place that cannot be written; `RunFailed` when there is no space.
    """
    with _beside(path, content) as beside:
        os.replace(beside, path)


def write_text(path: Path, text: str) -> None:
    """Writes text, as `write_bytes` does.

    Raises: as `write_bytes`.
    """
    write_bytes(path, text.encode())


def create_text(path: Path, text: str) -> bool:
    """Writes a file unless it is there already; says whether it did. Of several who try at once, one does.

    Raises: as `write_bytes`.
    """
    with _beside(path, text.encode()) as beside:
        try:
            os.link(beside, path)  # unlike a rename, it never replaces; and it is safe on a network's file system
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if path.exists():
                return False
            os.replace(beside, path)
    return True


@contextmanager
def _beside(path: Path, content: bytes) -> Iterator[Path]:
    """A synced file beside a place, to be moved into it."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=HALF, dir=path.parent)
        beside = Path(name)
        try:
            with open(handle, "wb") as file:
                os.fchmod(handle, 0o644)
                file.write(content)
                file.flush()
                os.fsync(handle)
            yield beside
        finally:
            beside.unlink(missing_ok=True)
        sync(path.parent)


def write_json(path: Path, content: Any) -> None:
    """Writes plain data as JSON.

    Raises: as `write_bytes`.
    """
    write_text(path, to_json(content))


def to_json(content: Any) -> str:
    """Plain data as the JSON that our files hold."""
    return json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n"


def read_json(path: Path, otherwise: str) -> Any:
    """Reads a JSON file.

    Raises: `UserError` when it is missing, cannot be read, or is not JSON; `otherwise` ends the line, and says what to
    do.
    """
    return parse_json(path.read_bytes, str(path), otherwise)


def parse_json(read: Callable[[], bytes], name: str, otherwise: str) -> Any:
    """The JSON that `read` gives, called `name` in an error.

    Raises: as `read_json`.
    """
    try:
        return json.loads(read().decode())
    except FileNotFoundError:
        raise UserError(f"there is no {name}: {otherwise}") from None
    except OSError as error:
        raise UserError(f"{name} cannot be read ({error.strerror})") from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise UserError(f"{name} is corrupt ({error}): {otherwise}") from None


@contextmanager
def writing(folder: object) -> Iterator[None]:
    """Turns a full disk, or a folder that cannot be written, into one line."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in reason:
            raise RunFailed(
                f"no space left for {folder}: what was committed is kept; free some and run the same command again"
            ) from None
        if isinstance(error, OSError):
            raise UserError(f"{folder} cannot be written ({reason}): choose another place with --out") from None
        raise


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
