r"""Projected gradient descent for a unit vector with a given margin, which may be negative.

$$L(\theta) = \tfrac12 \sum_i (\kappa + s - \langle z_i, \theta \rangle)_+^2, \qquad |\theta| = 1$$

with a little slack s on top of the margin that is asked for. The gradient's part along theta is taken out, and theta
brought back to length 1. The step is measured by the curvature of the constraints that are violated at the moment,
which changes by orders of magnitude on the way.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SLACK = 0.03  # aimed at above the margin asked for, so that it is reached in finitely many steps
FIRST, LAST = 0.26, 0.01  # steps, in units of dimensions / (4 lambda_max)
EVERY = 20  # iterations between two removals of the problems that are solved


def hinge_descent(
    halfspaces: Float[Tensor, "problem point dimension"],
    kappa: float,
    start: Float[Tensor, "problem dimension"],
    iterations: int = 2_000,
) -> tuple[Float[Tensor, "problem dimension"], Bool[Tensor, "problem"]]:
    """A unit vector a problem, and whether its margin is `kappa` or more. A problem that is solved rests.

    That a problem is not solved proves nothing: the loss is not convex on the sphere, and steps are finite.

    Steps shrink linearly over the iterations. The largest eigenvalue of Z^T Z over the violated constraints is
    followed by one step of power iteration an update.
    """
    result = start / start.norm(dim=-1, keepdim=True)
    solved = torch.zeros(len(start), dtype=torch.bool, device=start.device)
    here = torch.arange(len(start), device=start.device)
    z, theta, probe = halfspaces, result, result
    for i in range(iterations + 1):
        along = _apply(z, theta)
        done = along.amin(-1) >= kappa
        if i == iterations or i % EVERY == 0 or bool(done.all()):
            result = result.index_copy(0, here, theta)
            solved = solved.index_copy(0, here, done)
            left = torch.nonzero(~done)[:, 0]
            if i == iterations or not len(left):
                break
            if len(left) < len(here):
                z, theta, probe, along = z[left], theta[left], probe[left], along[left]
                here, done = here[left], done[left]
        missing = (kappa + SLACK - along).clamp_min(0.0)
        seen = _apply(z, probe) * (missing > 0)
        pull, image = _combine(z, missing), _combine(z, seen)
        curvature = image.norm(dim=-1, keepdim=True)
        probe = torch.where(curvature > 0, image / curvature, probe)
        tangent = pull - (pull * theta).sum(-1, keepdim=True) * theta
        step = (LAST + (FIRST - LAST) * (1 - i / iterations)) * theta.shape[-1] / (4 * curvature)
        moved = theta + torch.where(curvature > 0, step * tangent, 0.0)
        theta = torch.where(done[:, None], theta, moved / moved.norm(dim=-1, keepdim=True))
    return result, solved


def _apply(z: Float[Tensor, "p n d"], theta: Float[Tensor, "p d"]) -> Float[Tensor, "p n"]:
    return torch.bmm(z, theta[..., None])[..., 0]


def _combine(z: Float[Tensor, "p n d"], weights: Float[Tensor, "p n"]) -> Float[Tensor, "p d"]:
    return torch.bmm(weights[:, None], z)[:, 0]
