"""A user's own table of numbers: read safely, and refused with one clear line where it cannot be used."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ontogeny.errors import UserError, nearest

KINDS = (".npy", ".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Numbers:
    """Rows of numbers, where each row stood in the file, and what was left out on the way."""

    values: np.ndarray  # [row, column] float64
    rows: np.ndarray  # index of each row in the file
    columns: tuple[str, ...]
    notes: tuple[str, ...]


def read_frame(path: str | Path) -> pd.DataFrame:
    """The table in a `.npy`, `.csv`, `.tsv` or Parquet file; the columns of an array are called 0, 1, ...

    Nothing is ever unpickled. Raises: `UserError` for a file that is missing, of another kind, broken, or holds an
    array that is not a table.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise UserError(f"{path.name} is not a table that can be read: give one that ends in {', '.join(KINDS)}")
    try:
        if kind == ".npy":
            array = np.load(path, allow_pickle=False)
        elif kind == ".parquet":
            return pd.read_parquet(path)
        else:
            return pd.read_csv(path, sep="\t" if kind == ".tsv" else ",")
    except (ValueError, OSError, EOFError, KeyError) as error:  # pandas, pyarrow and NumPy derive theirs from these
        raise UserError(f"{path.name} cannot be read: {str(error).strip().splitlines()[0]}") from None
    if array.ndim != 2:
        raise UserError(f"{path.name} holds an array of shape {array.shape}: it takes rows and columns, so two axes")
    return pd.DataFrame(array, columns=[str(i) for i in range(array.shape[1])])


def numbers(frame: pd.DataFrame, columns: Sequence[str] | None = None, *, name: str = "the table") -> Numbers:
    """The numbers in a table's columns (all of them with None), without rows that have a gap and constant columns.

    Raises: `UserError` for a column that is not there, one that is not numeric (all such are named), or when no row
    or no column is left.
    """
    known = [str(c) for c in frame.columns]
    frame = frame.set_axis(known, axis=1)
    for column in columns or ():
        if column not in known:
            raise UserError(f"{name} has no column {column!r}: {nearest(column, known)}")
    frame = frame.loc[:, list(columns)] if columns else frame
    odd = [c for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c].dtype)]
    odd += [c for c in frame.columns if c not in odd and np.issubdtype(frame[c].dtype.type, np.complexfloating)]
    if odd:
        shown = ", ".join(repr(c) for c in odd[:5]) + (f" and {len(odd) - 5} more" if len(odd) > 5 else "")
        raise UserError(f"{name} has columns that are not numeric: {shown}; drop them or turn them into numbers")
    values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    whole = np.isfinite(values).all(axis=1)
    notes = []
    if not whole.all():
        notes.append(f"{int((~whole).sum()):,} of {len(values):,} rows have a gap or an infinite number: left out")
    if not whole.any():
        raise UserError(f"{name} has no row without gaps: fill them or drop the columns that have them")
    values = values[whole]
    varies = (values != values[0]).any(axis=0)
    if not varies.any():
        raise UserError(f"{name} has the same numbers in every row: there is nothing to draw")
    if not varies.all():
        notes.append(f"{int((~varies).sum())} of {values.shape[1]} columns never change: left out")
    kept = tuple(c for c, v in zip(frame.columns, varies, strict=True) if v)
    return Numbers(values[:, varies], np.flatnonzero(whole), kept, tuple(notes))
