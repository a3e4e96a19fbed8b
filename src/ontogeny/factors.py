"""Factors: what a study varies, as a table of conditions with a row a member."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from ontogeny.errors import UserError, nearest

FIRST_SEED = 1_000  # settings are tried out below it, verdicts are registered from it on


@dataclass(frozen=True)
class Table:
    """Conditions, a row a member. `*` is the product of two tables, `+` puts one under the other."""

    columns: tuple[str, ...]
    parts: tuple[Any, ...] = field(repr=False)  # ("zip", {name: levels}) | ("*", a, b) | ("+", a, b)

    def rows(self) -> list[dict[str, Any]]:
        """The conditions, in order; the last factor of a product runs fastest."""
        match self.parts:
            case ("zip", levels):
                return [dict(zip(levels, values, strict=True)) for values in zip(*levels.values(), strict=True)]
            case ("*", a, b):
                return [x | y for x, y in product(a.rows(), b.rows())]
            case (_, a, b):
                return a.rows() + b.rows()
        raise AssertionError(self.parts)

    def __mul__(self, other: "Table") -> "Table":
        if twice := set(self.columns) & set(other.columns):
            raise UserError(f"factor {sorted(twice)[0]!r} is on both sides of a product: vary it once")
        return Table(self.columns + other.columns, ("*", self, other))

    def __add__(self, other: "Table") -> "Table":
        if odd := set(self.columns) ^ set(other.columns):
            raise UserError(f"factor {sorted(odd)[0]!r} stands in one of two joined tables: give it in both")
        return Table(self.columns, ("+", self, other))

    def __len__(self) -> int:
        return len(self.rows())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows())

    def replace(self, levels: Mapping[str, Sequence[Any]]) -> "Table":
        """The same table with other levels for some factors.

        Raises: `UserError` for an unknown factor, or one that is zipped with others or joined from several tables.
        """
        for name in levels:
            if name not in self.columns:
                raise UserError(f"no factor {name!r} in this study: {nearest(name, self.columns)}")
        return self._replace(levels)

    def _replace(self, levels: Mapping[str, Sequence[Any]]) -> "Table":
        here = [name for name in levels if name in self.columns]
        if not here:
            return self
        match self.parts:
            case ("zip", old) if len(old) == 1:
                return vary(**{name: levels[name] for name in here})
            case ("*", a, b):
                return a._replace(levels) * b._replace(levels)
            case ("+", a, b) if here == ["seed"]:
                return a._replace(levels) + b._replace(levels)
        raise UserError(f"factor {here[0]!r} is tied to others in this study: change it in the study's file")


EMPTY = Table((), ("zip", {}))


def vary(**levels: Sequence[Any]) -> Table:
    """The product of the factors named: `vary(noise=(0, 0.1), width=(16, 32))` has four rows.

    Raises: `UserError` for a factor without levels or with one level twice.
    """
    table: Table | None = None
    for name, values in levels.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not len(values):
            raise UserError(f"factor {name!r} needs a sequence of levels, got {values!r}")
        if len(set(values)) < len(values):
            raise UserError(f"factor {name!r} has a level twice: {values!r}")
        column = Table((name,), ("zip", {name: tuple(values)}))
        table = table * column if table else column
    if table is None:
        raise UserError("vary() needs at least one factor: vary(noise=(0, 0.1))")
    return table


def zipped(**levels: Sequence[Any]) -> Table:
    """Factors that change together, level by level: `zipped(width=(16, 64), lr=(1e-2, 2e-3))` has two rows.

    Raises: `UserError` when they have different numbers of levels.
    """
    if len({len(values) for values in levels.values()}) != 1:
        counts = ", ".join(f"{name} {len(values)}" for name, values in levels.items())
        raise UserError(f"zipped factors need equally many levels, got {counts}")
    return Table(tuple(levels), ("zip", {name: tuple(values) for name, values in levels.items()}))


def seeds(count: int, *, first: int = FIRST_SEED) -> Table:
    """The factor `seed`: `count` seeds from `first` on.

    Settings are tried out on seeds below 1,000; what is registered as a verdict uses seeds from 1,000 on.
    """
    if count < 1:
        raise UserError(f"a study needs at least one seed, got {count}")
    return vary(seed=tuple(range(first, first + count)))
