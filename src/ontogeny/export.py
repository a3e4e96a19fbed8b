"""Exports: a run's dataset as Zarr, netCDF, Parquet or CSV."""

import shutil
from collections.abc import Callable
from pathlib import Path

import xarray as xr

from ontogeny.errors import UserError, nearest
from ontogeny.files import writing
from ontogeny.folder import Place
from ontogeny.store import load, read_about


def export(run: Place, kind: str, out: Path) -> list[Path]:
    """Writes the dataset of every experiment of a run under `out`; gives what was written.

    Zarr and netCDF keep the dataset as it is. Parquet and CSV are tables: one a variable, a row a number, with its
    coordinates and the member's factors as columns.

    Raises: `UserError` for an unknown kind, a run that is none, or a place that is taken.
    """
    writers: dict[str, Callable[[xr.Dataset, Path], list[Path]]] = {
        "zarr": _zarr,
        "netcdf": _netcdf,
        "parquet": _tables,
        "csv": _tables,
    }
    if kind not in writers:
        raise UserError(f"no export {kind!r}: {nearest(kind, writers)}")
    if out.exists():
        raise UserError(f"{out} is there already: choose another place with --out")
    written: list[Path] = []
    beside = out.with_name(f".{out.name}.tmp")
    with writing(out.parent):
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        for name in read_about(run)["experiments"]:
            written += writers[kind](load(run, name), beside / f"{name}.{kind}")
        beside.rename(out)
    return [out / path.relative_to(beside) for path in written]


def _zarr(dataset: xr.Dataset, path: Path) -> list[Path]:
    dataset.to_zarr(path, zarr_format=2, consolidated=True)
    return [path]


def _netcdf(dataset: xr.Dataset, path: Path) -> list[Path]:
    path = path.with_suffix(".nc")
    dataset.to_netcdf(path, engine="h5netcdf")
    return [path]


def _tables(dataset: xr.Dataset, path: Path) -> list[Path]:
    path = path.with_name(path.name)
    written = []
    folder = path.with_suffix("")
    folder.mkdir()
    for name, array in dataset.data_vars.items():
        table = array.to_dataframe(name=str(name)).reset_index()
        target = folder / f"{name}{path.suffix}"
        if path.suffix == ".csv":
            table.to_csv(target, index=False)
        else:
            table.to_parquet(target, index=False)
        written.append(target)
    return written
