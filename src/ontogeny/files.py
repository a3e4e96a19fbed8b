"""Files that are the old one or the new one, whatever happens while they are written."""

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ontogeny.errors import RunFailed, UserError


def write_text(path: Path, text: str) -> None:
    """Writes beside the place, syncs, and renames into it.

    Raises: `UserError` for a place that cannot be written; `RunFailed` when there is no space.
    """
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(handle, "w", encoding="utf-8") as file:
                os.fchmod(handle, 0o644)
                file.write(text)
                file.flush()
                os.fsync(handle)
            os.replace(beside, path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        sync(path.parent)


def write_json(path: Path, content: Any) -> None:
    """Writes plain data as JSON.

    Raises: as `write_text`.
    """
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n")


def read_json(path: Path, otherwise: str) -> Any:
    """Reads a JSON file.

    Raises: `UserError` when it is missing, cannot be read, or is not JSON; `otherwise` ends the line, and says what to
    do.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"there is no {path}: {otherwise}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise UserError(f"{path} is corrupt ({error}): {otherwise}") from None


@contextmanager
def writing(folder: Path) -> Iterator[None]:
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
