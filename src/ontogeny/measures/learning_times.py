"""Learning times: when each of several skills is learned for good, and whether they come in a given order."""

import numpy as np
from jaxtyping import Bool, Float, Real


def lasting_time(
    trace: Float[np.ndarray, "*any step"], steps: Real[np.ndarray, "step"], level: float
) -> Float[np.ndarray, "*any"]:
    """The first recorded step from which on a trace stays above `level`, in the unit of `steps`.

    Not the first crossing: what was reached and lost again had been borrowed, not learned. Infinite for a trace that
    ends at or below the level (it is not learned within the record), NaN for one that was never recorded. Entries that
    are NaN count as not recorded.
    """
    recorded = ~np.isnan(trace)
    below = recorded & ~(trace > level)
    count = trace.shape[-1]
    # The last entry that is not above; -1 where all are.
    last = np.where(below.any(-1), count - 1 - np.argmax(below[..., ::-1], axis=-1), -1)
    after = recorded & (np.arange(count) > last[..., None])
    found = np.where(after.any(-1), np.asarray(steps, float)[np.argmax(after, axis=-1)], np.inf)
    return np.where(recorded.any(-1), found, np.nan)


def in_order(times: Float[np.ndarray, "*any event"]) -> Bool[np.ndarray, "*any"]:
    """Whether each event came strictly before the next.

    The last one may not have come at all (infinite): it is later than all others. False for two that have not come,
    whose order nobody knows, for ties, and where a time is NaN.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray((np.diff(times, axis=-1) > 0).all(-1))


def amount_until(
    error: Float[np.ndarray, "*any step"], amount: Real[np.ndarray, "*any step"], level: float
) -> tuple[Float[np.ndarray, "*any"], Bool[np.ndarray, "*any"]]:
    """How much had been spent at the first of two successive records with an error of `level` or less; and whether.

    `amount` rises along the records: steps, or samples of one kind that were seen. Two in succession, so that one lucky
    record is not learning. Where there are none, all that was spent, a lower bound: the second array is False there. A
    record that is NaN is none of the two.
    """
    low = error <= level
    both = low[..., :-1] & low[..., 1:]
    reached = both.any(-1)
    first = np.where(reached, np.argmax(both, -1), error.shape[-1] - 1)
    found = np.take_along_axis(np.asarray(amount, float), first[..., None], -1)[..., 0]
    return found, np.asarray(reached)
