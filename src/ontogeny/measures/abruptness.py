"""Abruptness: how short the drop of a loss is beside the plateau before it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

HIGH = 0.8  # of the first loss: above it the plateau goes on
LOW = 0.35  # of the first loss: below it the drop is over


class Drop(NamedTuple):
    """When and how fast a loss fell, each `[...]`, in updates. All NaN for a loss that never fell."""

    plateau: np.ndarray
    width: np.ndarray
    abruptness: np.ndarray


def drop(loss: Float[np.ndarray, "*any update"], high: float = HIGH, low: float = LOW) -> Drop:
    """The last drop of each loss trace, with l the loss over its first value.

    - `plateau`: the last update with l > `high`;
    - `width`: updates from there to the first later one with l < `low`;
    - `abruptness`: width / (plateau + width), from 0 (all at once) to 1 (falling from the start). Small is abrupt.

    Updates are counted from 0, the first entry of the trace. NaN where there is no such later update, as for a trace
    that stays up, comes back up for good, or is not finite at its start. The loss is compared with its own beginning
    because a read-out without confidence does not start at the loss of silence.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = loss / loss[..., :1]
    count = loss.shape[-1]
    updates = np.arange(count)
    # The first entry is 1 by definition, so there is always a last one above `high` unless it is not finite.
    plateau = count - 1 - np.argmax((relative > high)[..., ::-1], axis=-1)
    over = (relative < low) & (updates > plateau[..., None])
    fell = over.any(-1) & np.isfinite(relative[..., 0])
    end = np.argmax(over, axis=-1)
    undefined = np.where(fell, 0.0, np.nan)
    width = end - plateau
    return Drop(plateau + undefined, width + undefined, width / np.maximum(end, 1) + undefined)


def abruptness(loss: Float[np.ndarray, "*any update"]) -> Float[np.ndarray, "*any"]:
    """`drop(loss).abruptness`: the width of the drop over the time of its end; NaN for a loss that never fell."""
    return np.asarray(drop(loss).abruptness)
