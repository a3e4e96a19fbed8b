"""The store: a run as a folder that describes itself, in which what belongs to a checkpoint appears as one.

    run.json                              study, definition, factors, plan, versions, hardware
    <experiment>/cohort-0000/
        segment-00000050/values.safetensors   everything measured since the segment before
                         state.safetensors    weights and all that resuming needs; kept in the last segment only
    verdicts.json  report.html            written when everything has been measured

A segment is written beside its place, synced, and renamed into it.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ontogeny.errors import UserError, nearest
from ontogeny.files import read_json, sync, writing
from ontogeny.labelled import Labelled, Record

FORMAT = 2
FILES = ("values.safetensors", "state.safetensors")  # of a segment

Piece = tuple[np.ndarray, tuple[str, ...], dict[str, list[Any]], str]


def cohort_name(index: int) -> str:
    """The name of a cohort's folder."""
    return f"cohort-{index:04d}"


class CohortStore:
    """The segments of one cohort."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def segments(self) -> list[Path]:
        """What was committed, oldest first."""
        return sorted(self.folder.glob("segment-*"))

    def state(self) -> dict[str, Tensor] | None:
        """The state to go on from; None for a cohort that has not begun."""
        segments = self.segments()
        return _read_tensors(segments[-1] / "state.safetensors") if segments else None

    def commit(self, records: Sequence[Record], state: dict[str, Tensor]) -> None:
        """Adds a segment, whole or not at all, and then drops the state that it replaces."""
        before = self.segments()
        name = f"segment-{len(before):08d}"
        beside = self.folder / f".{name}"
        with writing(self.folder):
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(parents=True)
            write_segment(beside, records, state)
            sync(beside)
            os.rename(beside, self.folder / name)
            sync(self.folder)
        for old in before:
            (old / "state.safetensors").unlink(missing_ok=True)

    def records(self) -> list[Record]:
        """Everything that was measured, in order."""
        return [record for segment in self.segments() for record in _read_records(segment / "values.safetensors")]

    def dataset(self) -> xr.Dataset:
        """Everything that was measured, with dims `member`, `step` and the measures' own."""
        stepped: dict[str, dict[int, Piece]] = {}
        single: dict[str, list[Piece]] = {}
        for segment in self.segments():
            for step, name, piece in _read_values(segment / "values.safetensors"):
                if step is None or "update" in piece[1]:
                    single.setdefault(name, []).append(piece)
                else:
                    stepped.setdefault(name, {})[step] = piece
        arrays = {name: _along_steps(pieces) for name, pieces in stepped.items()}
        for name, pieces in single.items():
            arrays[name] = _joined(pieces)
        return xr.Dataset(arrays)


def write_segment(folder: Path, records: Sequence[Record], state: dict[str, Tensor]) -> None:
    """Writes both files of a segment into a folder, and waits until they are on the disk."""
    tensors, labels = _flatten(records)
    save_file(tensors, folder / "values.safetensors", metadata={"records": json.dumps(labels)})
    save_file({k: v.detach().cpu().contiguous() for k, v in state.items()}, folder / "state.safetensors")
    for name in FILES:
        sync(folder / name)


def read_segment(folder: Path) -> tuple[list[Record], dict[str, Tensor]]:
    """What `write_segment` wrote.

    Raises: `UserError` for a file that is missing or corrupt.
    """
    return list(_read_records(folder / "values.safetensors")), _read_tensors(folder / "state.safetensors")


def load(run: str | Path, experiment: str | None = None) -> xr.Dataset:
    """The labelled dataset of a run.

    Its dims are `member`, `step`, then the measures' own; the factors are coordinates of `member`.

    `experiment` names one where a study has several. A run that is not finished gives what it has so far.

    Raises: `UserError` for a folder that is no run, from another format, or corrupt, and for an unknown experiment.
    """
    folder = Path(run)
    about = read_about(folder)
    names = list(about["experiments"])
    if experiment is None and len(names) > 1:
        raise UserError(f"{folder} has {len(names)} experiments: say which of {', '.join(names)}")
    name = experiment or names[0]
    if name not in names:
        raise UserError(f"no experiment {name!r} in {folder}: {nearest(name, names)}")
    plan = about["experiments"][name]
    parts, members = [], []
    for i, rows in enumerate(plan["cohorts"]):
        part = CohortStore(folder / name / cohort_name(i)).dataset()
        if part.sizes.get("member"):
            parts.append(part)
            members += rows
    if not parts:
        raise UserError(f"nothing has been measured in {folder} yet: run the study again to go on")
    joined = (
        parts[0] if len(parts) == 1 else xr.concat(parts, "member", join="outer", coords="minimal", compat="override")
    )
    rows = [plan["rows"][i] for i in members]
    factors = {factor: ("member", np.array([row[factor] for row in rows])) for factor in rows[0]}
    return (
        joined.assign_coords(member=members, **factors)
        .sortby("member")
        .assign_attrs(study=about["study"], scale=about["scale"], experiment=name)
    )


def read_about(folder: Path) -> dict[str, Any]:
    """What a run says of itself.

    Raises: `UserError` when it is no run, or one of another format.
    """
    about = read_json(folder / "run.json", "give the folder of a run, or run the study again")
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        found = about.get("format") if isinstance(about, dict) else None
        raise UserError(f"{folder} has run format {found}, this ontogeny reads format {FORMAT}: run the study again")
    return about


def _flatten(records: Sequence[Record]) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    tensors: dict[str, Tensor] = {}
    labels: list[dict[str, Any]] = []
    for i, record in enumerate(records):
        names = {}
        for name, array in record.values.items():
            tensors[f"{i}/{name}"] = array.values.detach().cpu().contiguous()
            coords = {dim: [_plain(v) for v in values] for dim, values in array.coords.items()}
            names[name] = {"dims": array.dims, "coords": coords, "unit": array.unit}
        labels.append({"step": record.step, "values": names})
    return tensors, labels


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _read_values(path: Path) -> Iterator[tuple[int | None, str, Piece]]:
    try:
        with safe_open(path, framework="np") as file:
            for i, record in enumerate(json.loads(file.metadata()["records"])):
                for name, label in record["values"].items():
                    values = file.get_tensor(f"{i}/{name}")
                    yield record["step"], name, (values, tuple(label["dims"]), label["coords"], label["unit"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise _corrupt(path, error) from None


def _read_records(path: Path) -> Iterator[Record]:
    try:
        with safe_open(path, framework="pt") as file:
            for i, record in enumerate(json.loads(file.metadata()["records"])):
                arrays = {
                    name: Labelled(file.get_tensor(f"{i}/{name}"), tuple(label["dims"]), label["coords"], label["unit"])
                    for name, label in record["values"].items()
                }
                yield Record(record["step"], arrays)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise _corrupt(path, error) from None


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise _corrupt(path, error) from None


def _corrupt(path: Path, error: Exception) -> UserError:
    cohort = path.parent.parent
    return UserError(
        f"{path} is missing or corrupt ({error}): delete {cohort} and run the same command to redo its members"
    )


def _joined(pieces: list[Piece]) -> xr.DataArray:
    """What was measured once, or the pieces of a trace along `update`."""
    values, dims, coords, unit = pieces[0]
    if "update" in dims:
        values = np.concatenate([piece[0] for piece in pieces], axis=dims.index("update"))
        coords = {**coords, "update": [update for piece in pieces for update in piece[2]["update"]]}
    return xr.DataArray(values, dims=dims, coords=coords, attrs={"unit": unit})


def _along_steps(pieces: dict[int, Piece]) -> xr.DataArray:
    steps = sorted(pieces)
    _, dims, coords, unit = pieces[steps[0]]
    values = np.stack([pieces[step][0] for step in steps], axis=1)
    return xr.DataArray(
        values, dims=(dims[0], "step", *dims[1:]), coords={**coords, "step": steps}, attrs={"unit": unit}
    )
