"""Addresses: what determines the numbers of a member, as one digest.

Two members with one address have the same numbers, bit for bit on a CPU. It holds the member's own experiment (no other
rows, no scale, no claims), its factors and seed, the code that could run (`ontogeny.addresses.sources`), versions, the
kind of device and processor, and the numerical mode. What cannot be told for sure raises `Unaddressable`; what code
reads without being given it (a file by a name of its own, the network, the clock) is not seen.
"""

import dataclasses
import enum
import functools
import hashlib
import json
import os
import subprocess
import types
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ontogeny.addresses.imports import Unaddressable
from ontogeny.addresses.sources import Sources, bytecode
from ontogeny.experiment import Experiment, Row
from ontogeny.machine import hardware, versions

FORMAT = 1  # of addresses and entries: raised when entries that were made before should not be found again
PLAIN = ("builtins.", "numpy.")
SWITCHES = ("ATEN_", "CUBLAS_", "DNNL_", "MKL_", "NVIDIA_TF32", "ONEDNN_", "OPENBLAS_", "TORCH")
HARMLESS = ("_NUM_THREADS", "_DIR", "_HOME", "_LOGS", "_VERBOSE")  # ends of those that are no switches


class Addresses:
    """The addresses of a run's members. Looks at every file of code once: make a new one for every run."""

    def __init__(self, device: torch.device) -> None:
        self.sources = Sources()
        self.surroundings = {"format": FORMAT, "versions": versions(), **_numerics(device)}

    def of(self, experiment: Experiment, row: Row, mode: str) -> str:
        """32 hexadecimal digits; `mode` is how updates are made, eager or compiled.

        Raises: `Unaddressable` for a member that holds a value, or rests on code, that cannot be told for sure.
        """
        code: list[type | types.FunctionType] = []
        try:
            member = canonical([experiment.member(row), dict(sorted(row.items()))], code.append)
        except RecursionError:
            raise Unaddressable("it holds something that holds itself") from None
        how = {"mode": mode, "compiler": _compiler() if mode == "compiled" else None}
        content = {**self.surroundings, **how, "member": member, "code": self.sources.digest(code)}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def canonical(value: Any, uses: Callable[[Any], None]) -> Any:
    """A value as plain data that differs when the value does; `uses` is called with each class and function in it.

    A text or path that names a file counts with the file's content.

    Raises: `Unaddressable` for a value of a kind that is not known, or the path of a folder.
    """
    inner = functools.partial(canonical, uses=uses)
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    match value:
        case enum.Enum():
            uses(type(value))
            return [kind, value.name]
        case str() | Path():
            return [kind, str(value), _content(value)]
        case None | bool() | int() | float() | complex() | bytes() | range() | np.generic() if kind.startswith(PLAIN):
            return [kind, repr(value)]
        case torch.dtype() | torch.device():
            return [kind, str(value)]
        case np.ndarray() if value.dtype.hasobject:
            return [kind, list(value.shape), inner(value.ravel().tolist())]
        case np.ndarray():
            return [kind, str(value.dtype), list(value.shape), _sha256(np.ascontiguousarray(value).tobytes())]
        case Tensor():
            plain = value.detach().cpu().contiguous()
            return [kind, str(value.dtype), list(value.shape), _sha256(plain.view(-1).view(torch.uint8).numpy())]
        case type():
            uses(value)
            return ["class", value.__module__, value.__qualname__]
        case types.FunctionType():
            return _function(value, uses)
        case types.MethodType() if isinstance(value.__self__, type):  # a class's own
            return [kind, inner(value.__self__), value.__name__]
        case functools.partial():
            return [kind, inner(value.func), inner(value.args), inner(value.keywords)]
        case tuple() | list():
            uses(type(value))
            return [kind, *map(inner, value)]
        case set() | frozenset():
            return [kind, *sorted((inner(v) for v in value), key=json.dumps)]
        case dict() | types.MappingProxyType():
            return [kind, *([inner(k), inner(v)] for k, v in value.items())]
        case _ if dataclasses.is_dataclass(value):
            uses(type(value))
            fields = {f.name for f in dataclasses.fields(value)}
            return [kind, {name: inner(getattr(value, name)) for name in sorted(fields)}]
    raise Unaddressable(f"it holds {value!r}, a {kind}, whose content cannot be told")


def _function(function: types.FunctionType, uses: Callable[[Any], None]) -> Any:
    """A function of a file by its name; one made by a function, or without a name, by all that it was made with."""
    uses(function)
    name = [function.__module__, function.__qualname__]
    if "<" not in function.__qualname__:
        return ["function", *name]
    try:
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:
        raise Unaddressable(f"{function.__qualname__} was made before all that it uses") from None
    made = [cells, function.__defaults__, function.__kwdefaults__, vars(function)]
    return ["function", *name, bytecode(function.__code__), canonical(made, uses)]


def _content(value: str | Path) -> str | None:
    """The digest of the file that a text or path names; None when it names none."""
    try:
        path = Path(value).expanduser()
        if str(value) and path.is_dir() and path != Path("."):
            raise Unaddressable(f"it holds {str(value)!r}, the name of a folder, whose content could change")
        return _file_digest(path.resolve(), path.stat().st_ctime_ns, path.stat().st_size) if path.is_file() else None
    except (OSError, ValueError, RuntimeError):  # no name of a file, or no home
        return None


@functools.lru_cache(maxsize=64)
def _file_digest(path: Path, changed: int, size: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256(content: Any) -> str:
    return hashlib.sha256(content).hexdigest()


@functools.cache
def _compiler() -> list[str]:
    """What compiles updates: the C++ compiler, as TorchInductor looks for it, and Triton."""
    try:
        command = [os.environ.get("CXX", "g++"), "--version"]
        compiler = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        compiler = "none"
    try:
        return [compiler, metadata.version("triton")]
    except metadata.PackageNotFoundError:
        return [compiler]


def _numerics(device: torch.device) -> dict[str, Any]:
    """What decides about the last bits of a number, beside the code."""
    here = hardware(device)
    return {
        "device": device.type,
        "processor": [here["processor"], torch.backends.cpu.get_cpu_capability(), here.get("gpu")],
        "dtype": str(torch.get_default_dtype()),
        "precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "switches": {
            name: value
            for name, value in os.environ.items()
            if name.startswith(SWITCHES) and not name.endswith(HARMLESS)
        },
    }
