"""Stacked areas: shares of a whole along an axis, one on top of the other."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Real

from ontogeny.report.figure import Band, category


def stacked(
    x: Real[np.ndarray, "place"], shares: Real[np.ndarray, "place part"], names: Sequence[str], opacity: float = 0.75
) -> list[Band]:
    """An area a part, the first at the bottom, each in the next of the colours for categories.

    The top of the last area is the sum of the shares. A place where a share is NaN is left out from that part upwards.
    """
    edges = np.c_[np.zeros(len(shares)), np.cumsum(shares, axis=1)]
    return [
        Band(x, edges[:, i], edges[:, i + 1], name=name, colour=category(i), opacity=opacity)
        for i, name in enumerate(names)
    ]
