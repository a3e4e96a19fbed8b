"""Parts: the frozen, described, comparable values that studies are made of (tasks, models, optimizers, measures)."""

import dataclasses
import functools
import hashlib
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, dataclass_transform

import torch
from torch import Tensor

from ontogeny.errors import UserError, nearest
from ontogeny.sources import collect_sources

P = TypeVar("P")
Self = TypeVar("Self", bound="Part")  # typing.Self, which beartype cannot check method by method


@dataclass(frozen=True)
class Factor:
    """A place that a study fills with a factor's value: `AdamW(lr=factor("lr"))`."""

    name: str


def factor(name: str) -> Any:
    """The value of the factor `name`, member by member."""
    return Factor(name)


STACKED = "stacked"
PerMember = Annotated[float | Tensor, STACKED]
"""A field that may differ between members of one population: a number, or in a population a tensor `[member]`.

Factors that only touch such fields are *stacked*: they vary inside a population. All others are *structural*: they
split it.
"""


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Part:
    """A value made of named fields. A subclass becomes a frozen, keyword-only dataclass by itself.

    Fields may hold `factor(...)` until `resolve` fills them. `check` sees concrete values only.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True, repr=False)(cls)
        made = cls.__init__

        @functools.wraps(made)
        def init(self: Any, *args: Any, **fields: Any) -> None:
            known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
            for name in fields:
                if name not in known:
                    raise UserError(f"{cls.__name__} has no field {name!r}: {nearest(name, known)}")
            made(self, *args, **fields)

        cls.__init__ = init

    def __post_init__(self) -> None:
        if not factors_of(self) and not any(isinstance(v, Tensor) for v in vars(self).values()):
            self.check()

    def check(self) -> None:
        """Raises `UserError` when the values cannot work together."""

    def replace(self: Self, **fields: Any) -> Self:
        """A copy with other values in the named fields."""
        for name in fields:
            if name not in (known := {f.name for f in dataclasses.fields(self)}):  # type: ignore[arg-type]
                raise UserError(f"{type(self).__name__} has no field {name!r}: {nearest(name, known)}")
        return dataclasses.replace(self, **fields)  # type: ignore[type-var]

    def __repr__(self) -> str:
        shown = (f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(shown)})"


def _fields(part: Part) -> dict[str, Any]:
    return {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}  # type: ignore[arg-type]


def _map(value: Any, leaf: Any) -> Any:
    """`value` with `leaf` applied to everything in it that is not a part or a plain collection."""
    match value:
        case Part():
            return value.replace(**{name: _map(v, leaf) for name, v in _fields(value).items()})
        case tuple() | list():
            return tuple(_map(v, leaf) for v in value)
        case dict():
            return {k: _map(v, leaf) for k, v in value.items()}
        case _:
            return leaf(value)


def factors_of(value: Any) -> set[str]:
    """Names of the factors that a value still waits for."""
    names: set[str] = set()
    match value:
        case Factor():
            names.add(value.name)
        case Part():
            for v in _fields(value).values():
                names |= factors_of(v)
        case tuple() | list():
            for v in value:
                names |= factors_of(v)
        case dict():
            for v in value.values():
                names |= factors_of(v)
    return names


def resolve(value: P, row: Mapping[str, Any]) -> P:
    """`value` with every `factor(name)` replaced by `row[name]`.

    Raises: `UserError` for a name that the row has not, or values that cannot work (with the row's factors).
    """

    def leaf(v: Any) -> Any:
        if not isinstance(v, Factor):
            return v
        if v.name not in row:
            raise UserError(f"no factor {v.name!r} in this study: {nearest(v.name, row)}")
        return row[v.name]

    try:
        return _map(value, leaf)
    except UserError as error:
        values = ", ".join(f"{k}={v}" for k, v in row.items())
        raise UserError(f"{error} (in the member with {values})") from None


@functools.cache
def stacked_fields(kind: type) -> frozenset[str]:
    """Names of the fields of a part that may vary inside a population."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return frozenset(name for name, hint in hints.items() if STACKED in _annotations(hint))


def _annotations(hint: Any) -> list[Any]:
    found = list(getattr(hint, "__metadata__", ()))
    if typing.get_origin(hint) in (typing.Union, types.UnionType, tuple):
        for option in typing.get_args(hint):
            found += _annotations(option)
    return found


def stack(values: Sequence[P], *, device: torch.device | str = "cpu") -> P:
    """One value for a whole population: per-member fields become tensors `[member]`, float64, all others stay.

    Raises: `AssertionError` when the values differ elsewhere, for the caller groups members by `structure` first.
    """
    first = values[0]
    match first:
        case Part():
            stacked = stacked_fields(type(first))
            merged: dict[str, Any] = {}
            for name, v in _fields(first).items():
                column = [getattr(p, name) for p in values]
                if name in stacked and _numeric(v):
                    merged[name] = _table(column, device)
                else:
                    merged[name] = stack(column, device=device)
            return first.replace(**merged)
        case tuple():
            return tuple(stack(column, device=device) for column in zip(*values, strict=True))  # type: ignore[return-value]
        case dict():
            return {k: stack([v[k] for v in values], device=device) for k in first}  # type: ignore[index,return-value]
        case _:
            assert all(v is first or v == first for v in values), f"{first!r} differs inside a population"
            return first


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) or (
        isinstance(value, tuple) and len(value) > 0 and all(isinstance(v, int | float) for v in value)
    )


def _table(column: list[Any], device: torch.device | str) -> Any:
    if isinstance(column[0], tuple):
        return tuple(_table(list(c), device) for c in zip(*column, strict=True))
    return torch.tensor(column, dtype=torch.float64, device=device)


def structure(value: Any) -> Any:
    """What two members must share to stand in one population: the description without per-member numbers."""
    return json.dumps(describe(value, per_member=False), sort_keys=True)


def describe(value: Any, *, per_member: bool = True) -> Any:
    """A value as plain JSON data: what a run's folder keeps and what addresses are made of.

    Functions and classes are described by the syntax trees of their source and of what they use of their own module, or
    of another that is the user's and not an installed package's. So an edit of the code changes the description while
    an edit of its comments, layout or docstrings does not.
    """
    match value:
        case Part():
            kind = type(value)
            hidden = frozenset[str]() if per_member else stacked_fields(kind)
            fields = {
                k: STACKED if k in hidden and _numeric(v) else describe(v, per_member=per_member)
                for k, v in _fields(value).items()
            }
            return {"part": f"{kind.__module__}.{kind.__qualname__}", **fields}
        case Factor():
            return {"factor": value.name}
        case bool() | int() | float() | str() | None:
            return value
        case tuple() | list():
            return [describe(v, per_member=per_member) for v in value]
        case dict():
            return {str(k): describe(v, per_member=per_member) for k, v in value.items()}
        case functools.partial():
            return {"function": describe(value.func), "arguments": describe([*value.args, value.keywords])}
        case types.FunctionType():
            return {"function": value.__qualname__, "source": source_digest(value)}
        case types.MethodType() if isinstance(value.__self__, type):
            return {"function": describe(value.__func__), "of": describe(value.__self__)}
        case type():
            return {"class": f"{value.__module__}.{value.__qualname__}", "source": source_digest(value)}
        case _ if dataclasses.is_dataclass(value):
            return describe({f.name: getattr(value, f.name) for f in dataclasses.fields(value)}, per_member=per_member)
        case _:
            return str(value)


def source_digest(code: types.FunctionType | type) -> str:
    """16 hexadecimal digits of a function's or class's source, and of what it uses."""
    sources, constants = collect_sources(code, plain=(bool, int, float, str, tuple, Part))
    told = {name: json.dumps(describe(value), sort_keys=True) for name, value in constants.items()}
    return hashlib.sha256(json.dumps({**sources, **told}, sort_keys=True).encode()).hexdigest()[:16]


def digest(value: Any) -> str:
    """16 hexadecimal digits that change with anything `describe` sees."""
    return hashlib.sha256(json.dumps(describe(value), sort_keys=True).encode()).hexdigest()[:16]
