"""The store: a run as a folder that describes itself, in which what belongs to a checkpoint appears as one.

    run.json                              study, definition, factors, plan, versions, hardware
    <experiment>/cohort-0000/
        segment-00000050/values.safetensors   everything measured since the segment before
                         state.safetensors    weights and all that resuming needs; kept in the last segment only
                         weights.safetensors  the states at its measured steps, on their way into or out of the cache
    verdicts.json  report.html            written when everything has been measured

A run stands on a disk or in an object store (see `ontogeny.folder`); a segment appears there whole or not at all.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as read_safetensors
from safetensors.torch import save_file
from torch import Tensor

from ontogeny.errors import UserError, nearest
from ontogeny.files import parse_json, sync
from ontogeny.folder import Folder, Place, folder_at
from ontogeny.labelled import Labelled, Record

FORMAT = 2
VALUES, STATE = FILES = ("values.safetensors", "state.safetensors")  # of a segment
WEIGHTS = "weights.safetensors"  # of some

Piece = tuple[np.ndarray, tuple[str, ...], dict[str, list[Any]], str]


def cohort_name(index: int) -> str:
    """The name of a cohort's folder."""
    return f"cohort-{index:04d}"


class CohortStore:
    """The segments of one cohort.

    Each follows on the one before it that this object has read or written: a second writer of the same cohort, who
    works from the same state, is refused when it commits.
    """

    def __init__(self, folder: Place) -> None:
        self.folder = folder_at(folder)
        self.known: list[str] | None = None  # the segments that the next one follows
        self.stateful: list[str] = []  # those that may still have a state

    def segments(self) -> list[str]:
        """What was committed, oldest first."""
        return [name for name in self.folder.added() if name.startswith("segment-")]

    def state(self) -> dict[str, Tensor] | None:
        """The state to go on from; None for a cohort that has not begun."""
        self.known = self.stateful = self.segments()
        if not self.known:
            return None
        with self._reading(self.known[-1], STATE) as path:
            return _read_tensors(path)

    def glance(self, *names: str) -> dict[str, Tensor]:
        """Those of the named tensors that the state has, without reading all of it; empty for one that has not begun.

        Raises: `UserError` for a state that is missing or corrupt.
        """
        segments = self.segments()
        if not segments:
            return {}
        with self._naming(segments[-1], STATE):
            return _read_some(lambda start, end: self.folder.part(segments[-1], STATE, start, end), names)

    def commit(
        self, records: Sequence[Record], state: dict[str, Tensor], weights: Mapping[str, Tensor] | None = None
    ) -> None:
        """Adds a segment, whole or not at all, and then drops the state that it replaces.

        `weights` are states at measured steps, by the names that `named` gives.

        Raises: `UserError` when another process has added it, or the folder cannot be written.
        """
        if self.known is None:
            self.known = self.stateful = self.segments()
        name = f"segment-{len(self.known):08d}"
        with self.folder.adding(name) as beside:
            write_segment(beside, records, state)
            if weights:
                save_file(dict(weights), beside / WEIGHTS)
        for old in self.stateful:
            self.folder.drop(old, STATE)
        self.known, self.stateful = [*self.known, name], [name]

    def tidy(self) -> None:
        """Drops the state that the last one replaced, where its writer was killed in between."""
        for old in self.segments()[-2:-1]:
            self.folder.drop(old, STATE)

    def records(self) -> list[Record]:
        """Everything that was measured, in order."""
        found: list[Record] = []
        for segment in self.segments():
            with self._reading(segment, VALUES) as path:
                found += _read_records(path)
        return found

    def dataset(self) -> xr.Dataset:
        """Everything that was measured, with dims `member`, `step` and the measures' own."""
        stepped: dict[str, dict[int, Piece]] = {}
        single: dict[str, list[Piece]] = {}
        for segment in self.segments():
            with self._reading(segment, VALUES) as path:
                values = list(_read_values(path))
            for step, name, piece in values:
                if step is None or "update" in piece[1]:
                    single.setdefault(name, []).append(piece)
                else:
                    stepped.setdefault(name, {})[step] = piece
        arrays = {name: _along_steps(pieces) for name, pieces in stepped.items()}
        for name, pieces in single.items():
            arrays[name] = _joined(pieces)
        return xr.Dataset(arrays)

    @contextmanager
    def weights(self) -> Iterator["Weights"]:
        """The states at measured steps that its segments hold, to be read as long as the context lasts."""
        with ExitStack() as opened:
            files = []
            for segment in self.segments():
                with suppress(FileNotFoundError), self._naming(segment, WEIGHTS, but=FileNotFoundError):
                    path = opened.enter_context(self.folder.opened(segment, WEIGHTS))
                    files.append(opened.enter_context(safe_open(path, framework="pt")))
            yield Weights(self.folder, files)

    def drop_weights(self) -> None:
        """Removes those states."""
        for segment in self.segments():
            self.folder.drop(segment, WEIGHTS)

    @contextmanager
    def _reading(self, segment: str, file: str) -> Iterator[Path]:
        with self._naming(segment, file), self.folder.opened(segment, file) as path:
            yield path

    @contextmanager
    def _naming(self, segment: str, file: str, but: type[Exception] | tuple[()] = ()) -> Iterator[None]:
        """Turns what reading a bad file raises into a line that names it, save one kind."""
        try:
            yield
        except but:
            raise
        except (SafetensorError, OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self.folder}/{segment}/{file} is missing or corrupt ({error}): delete {self.folder} and run the "
                "same command to redo its members"
            ) from None


class Weights:
    """States of a cohort at measured steps, in files that are open."""

    def __init__(self, folder: Folder, files: Sequence[Any]) -> None:
        self.folder = folder
        self._places: dict[int, dict[str, Any]] = {}
        for file in files:
            for place in file.keys():  # noqa: SIM118 - not a mapping
                step, _, name = place.partition("/")
                self._places.setdefault(int(step), {})[name] = file.get_slice(place)

    @property
    def steps(self) -> list[int]:
        """Those at which there is a state."""
        return sorted(self._places)

    def at(self, step: int, members: slice = slice(None)) -> dict[str, Tensor]:
        """The state at a step, of all members or some.

        Raises: `UserError` for a step without one.
        """
        if step not in self._places:
            raise UserError(
                f"{self.folder} holds no weights of step {step}: delete it and run the same command to redo its members"
            )
        return {name: place[members] for name, place in self._places[step].items()}


def named(step: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state's arrays by the names that they have among those of other steps; single numbers are left out."""
    return {f"{step}/{name}": v.detach().cpu().clone().contiguous() for name, v in state.items() if v.ndim}


def write_segment(folder: Path, records: Sequence[Record], state: dict[str, Tensor]) -> None:
    """Writes both files of a segment into a folder, and waits until they are on the disk."""
    tensors, labels = _flatten(records)
    save_file(tensors, folder / VALUES, metadata={"records": json.dumps(labels)})
    save_file({k: v.detach().cpu().contiguous() for k, v in state.items()}, folder / STATE)
    for name in FILES:
        sync(folder / name)


def read_segment(folder: Path) -> tuple[list[Record], dict[str, Tensor]]:
    """What `write_segment` wrote.

    Raises: what safetensors and JSON raise for a file that is missing or corrupt.
    """
    return list(_read_records(folder / VALUES)), _read_tensors(folder / STATE)


def load(run: Place, experiment: str | None = None) -> xr.Dataset:
    """The labelled dataset of a run.

    Its dims are `member`, `step`, then the measures' own; the factors are coordinates of `member`.

    `experiment` names one where a study has several. A run that is not finished gives what it has so far.

    Raises: `UserError` for a folder that is no run, from another format, or corrupt, and for an unknown experiment.
    """
    folder = folder_at(run)
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
        part = CohortStore(folder.inside(name, cohort_name(i))).dataset()
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


def read_about(run: Place) -> dict[str, Any]:
    """What a run says of itself.

    Raises: `UserError` when it is no run, or one of another format.
    """
    folder = folder_at(run)
    about = parse_json(
        lambda: folder.read("run.json"), f"{folder}/run.json", "give the folder of a run, or run the study again"
    )
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
    with safe_open(path, framework="np") as file:
        for i, record in enumerate(json.loads(file.metadata()["records"])):
            for name, label in record["values"].items():
                values = file.get_tensor(f"{i}/{name}")
                yield record["step"], name, (values, tuple(label["dims"]), label["coords"], label["unit"])


def _read_records(path: Path) -> Iterator[Record]:
    with safe_open(path, framework="pt") as file:
        for i, record in enumerate(json.loads(file.metadata()["records"])):
            arrays = {
                name: Labelled(file.get_tensor(f"{i}/{name}"), tuple(label["dims"]), label["coords"], label["unit"])
                for name, label in record["values"].items()
            }
            yield Record(record["step"], arrays)


def _read_tensors(path: Path) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping


def _read_some(read: Callable[[int, int], bytes], names: Sequence[str]) -> dict[str, Tensor]:
    """Some tensors of a safetensors file, of which `read` gives the bytes from one place to another.

    The format: eight bytes that say how long the header is, the header as JSON, the tensors' bytes one by one.
    """
    start = 8 + int.from_bytes(read(0, 8), "little")
    header = json.loads(read(8, start))
    found: dict[str, Tensor] = {}
    for name in set(names) & set(header):
        begin, end = header[name]["data_offsets"]
        alone = json.dumps({name: {**header[name], "data_offsets": [0, end - begin]}}).encode()
        content = read(start + begin, start + end)
        found |= read_safetensors(len(alone).to_bytes(8, "little") + alone + content)
    return found


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
