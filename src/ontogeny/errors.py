"""The one error a user can mend: a line that says what is wrong, what was got and what to do."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right. The command line prints it bare, without a traceback, and exits with 2."""


class RunFailed(UserError):
    """A run that broke on the way; what was committed is kept. The command line exits with 1."""


class CannotCompile(Exception):
    """Why updates cannot be compiled here: a run then makes them operation by operation."""


class CannotCapture(Exception):
    """Why operations cannot be recorded and launched together: they are launched one by one then."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint to end an "unknown name" error with: the nearest known name, or all of them when none is near."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"
