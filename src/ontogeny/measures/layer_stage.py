"""Layer stage: the layer at which a quantity that grows along the layers of a network is there."""

import numpy as np
from jaxtyping import Float


def stage(
    curve: Float[np.ndarray, "*any layer"], *, chance: float = 0.5, share: float = 0.8, least: float = 0.8
) -> Float[np.ndarray, "*any"]:
    """The first layer, counted from 0, at which a curve has made `share` of its way from `chance` to its maximum.

    NaN for a curve whose maximum is below `least` (it is nowhere there), or that holds NaN.
    """
    top = curve.max(-1)
    with np.errstate(invalid="ignore"):
        there = curve >= (chance + share * (top - chance))[..., None]
        return np.where(top >= least, there.argmax(-1).astype(float), np.nan)
