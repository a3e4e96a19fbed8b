"""Rows: values as points beside the name of what they were measured on, a row a kind."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ontogeny.report.figure import Axis, Points


def in_row(values: Any, row: float | int, height: float = 0.5, **look: Any) -> Points:
    """Values along x in a row, counted from 0 at the top, in their order over `height` of it, so that all are seen.

    One value stands in the middle. Values that are not finite are left out, and their places stay empty. `look` is
    what `Points` takes.
    """
    values = np.asarray(values, float)
    offset = np.linspace(height / 2, -height / 2, len(values)) if len(values) > 1 else np.zeros(len(values))
    shown = np.isfinite(values)
    return Points(values[shown], offset[shown] - row, **look)


def row_axis(names: Sequence[str]) -> Axis:
    """The axis beside rows 0, 1, ... from the top: their names."""
    return Axis(ticks={-float(row): name for row, name in enumerate(names)}, limits=(0.5 - len(names), 0.5))
