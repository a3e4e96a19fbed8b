"""Collapse: training that ends at the loss of a network that does nothing."""

import numpy as np
from jaxtyping import Bool, Float

SILENT = 0.95  # the loss above which a network is as good as silent, where silence costs 1


def final(trace: Float[np.ndarray, "*any update"], share: float = 0.1) -> Float[np.ndarray, "*any"]:
    """Mean over the last share of a trace, at least over its last entry. NaN for a trace with NaN there."""
    return np.asarray(trace[..., -max(1, round(share * trace.shape[-1])) :].mean(-1))


def never_left(loss: Float[np.ndarray, "*any update"], silent: float = SILENT) -> Bool[np.ndarray, "*any"]:
    """Whether the loss was never below that of silence: training failed to begin, or was only slow."""
    return np.asarray(~(loss < silent).any(-1))


def collapsed(
    loss: Float[np.ndarray, "*any update"], silent: float = SILENT, share: float = 0.1
) -> Bool[np.ndarray, "*any"]:
    """Whether the loss had been below that of silence, and stayed above it for the whole last share of training.

    False for a loss that never left (see `never_left`), and for one that is not finite at its end.
    """
    last = loss[..., -max(1, round(share * loss.shape[-1])) :]
    return np.asarray(~never_left(loss, silent) & (last > silent).all(-1))
