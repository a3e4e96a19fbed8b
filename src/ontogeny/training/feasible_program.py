"""A linear program that looks for a long vector which satisfies given constraints."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import linprog
from torch import Tensor

from ontogeny.errors import UserError

UNBOUNDED = 3  # SciPy's status of a program without a largest value


def farthest_along(
    halfspaces: Float[Tensor, "point dimension"], margin: float, direction: Float[Tensor, "dimension"]
) -> Float[Tensor, "dimension"] | None:
    r"""The theta that maximises <v, theta> subject to <z_i, theta> >= margin for every point; None if unbounded.

    For a margin of 0 or less, so that theta = 0 is feasible. A solution of length 1 or more, or none because there is
    no end to it, means that a unit vector with this margin exists: shorten it. A shorter one must not be lengthened,
    which lowers the margin below the one asked for, and proves nothing either: there may be others.

    Raises: `UserError` for a positive margin, or a program that HiGHS gives up on.
    """
    if margin > 0:
        raise UserError(
            f"the program needs a margin of 0 or less, so that 0 is feasible, got {margin}: use largest_margin"
        )
    z, v = (t.double().cpu().numpy() for t in (halfspaces, direction))
    limits = np.full(len(z), -float(margin))
    # Presolve may say "unbounded or infeasible" without saying which; 0 being feasible, we want a clear answer.
    for presolve in (True, False):
        found = linprog(-v, A_ub=-z, b_ub=limits, bounds=(None, None), method="highs", options={"presolve": presolve})
        if found.status == 0:
            return torch.as_tensor(found.x, dtype=torch.float64, device=halfspaces.device)
        if found.status == UNBOUNDED:
            return None
    raise UserError(f"the linear program was not solved: {found.message}")
