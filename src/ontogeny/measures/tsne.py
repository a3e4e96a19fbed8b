"""Exact t-SNE: its objective, its derivatives up to the Hessian, and maps that truly are at a minimum of it."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError

Progress = Callable[[str, int, int], None]  # what is being done, how much of it is done, out of how much


def kernel(y: Float[Tensor, "point 2"]) -> Float[Tensor, "point point"]:
    r"""Unnormalised map similarities $q_{ij} = 1 / (1 + \|y_i - y_j\|^2)$, 0 on the diagonal."""
    squared = (y[:, None, 0] - y[:, 0]).square() + (y[:, None, 1] - y[:, 1]).square()
    return squared.add_(1.0).reciprocal_().fill_diagonal_(0.0)


def kl_divergence(p: Float[Tensor, "point point"], y: Float[Tensor, "point 2"]) -> Float[Tensor, ""]:
    r"""t-SNE's objective, $\sum_{ij} P_{ij} \ln (P_{ij} Z / q_{ij})$ with $Z = \sum_{k \ne l} q_{kl}$, in nats."""
    q = kernel(y)
    near = torch.where(p > 0, p, 0.0)
    return torch.special.xlogy(near, near).sum() - torch.special.xlogy(near, q).sum() + p.sum() * q.sum().log()


def gradient(p: Float[Tensor, "point point"], y: Float[Tensor, "point 2"]) -> Float[Tensor, "point 2"]:
    r"""$\partial \mathrm{KL} / \partial y_i = 4 \sum_j (P_{ij} - q_{ij} / Z)\, q_{ij}\, (y_i - y_j)$.

    Summed over all points it is 0: forces come in opposite pairs. `p` must sum to 1, or be exaggerated as a whole.
    """
    q = kernel(y)
    force = (p - q / q.sum()).mul_(q)
    return 4.0 * (force.sum(-1, keepdim=True) * y - force @ y)


def _couplings(p: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The 2 x 2 second derivative of each pair's force, `[2, 2, i, j]`, then Z, then the pull g of the rest."""
    q = kernel(y)
    z = q.sum()
    dx, dy = y[:, None, 0] - y[:, 0], y[:, None, 1] - y[:, 1]
    straight = 4.0 * (p - q / z) * q
    bent = -8.0 * (p - 2.0 * q / z) * q.square()
    xy = bent * dx * dy
    blocks = torch.stack([torch.stack([straight + bent * dx**2, xy]), torch.stack([xy, straight + bent * dy**2])])
    squared = q.square()
    return blocks, z, squared.sum(-1, keepdim=True) * y - squared @ y


def hessian_blocks(p: Float[Tensor, "point point"], y: Float[Tensor, "point 2"]) -> Float[Tensor, "point 2 2"]:
    r"""Second derivative of the objective in each point's own position, all others held fast.

    $$H_i = 4 \sum_j [P q I - 2 P q^2 D] - \frac4Z \sum_j [q^2 I - 4 q^3 D] - \frac{16}{Z^2} g g^\top$$

    with $D = (y_i - y_j)(y_i - y_j)^\top$ and $g = \sum_j q^2 (y_i - y_j)$. Its smallest eigenvalue says how firmly the
    point sits where it is drawn. Cost: O(n^2). Source: Liu, Ma & Zhong (arXiv 2410.16608), singularity score.
    """
    blocks, z, g = _couplings(p, y)
    return blocks.sum(-1).permute(2, 0, 1) - 16.0 / z**2 * g[:, :, None] * g[:, None, :]


def hessian(p: Float[Tensor, "point point"], y: Float[Tensor, "point 2"]) -> Float[Tensor, "coordinate coordinate"]:
    """The whole second derivative; rows and columns run over the first coordinate of all points, then the second."""
    n = len(y)
    blocks, z, g = _couplings(p, y)
    whole = -blocks
    whole.diagonal(dim1=2, dim2=3).add_(blocks.sum(-1))
    flat = g.mT.reshape(-1)
    return whole.permute(0, 2, 1, 3).reshape(2 * n, 2 * n).addr_(flat, flat, alpha=float(-16.0 / z**2))


def principal_start(x: Float[Tensor, "point feature"]) -> Float[Tensor, "point 2"]:
    """First two principal components, the first with standard deviation 1e-4: the usual start of a t-SNE map.

    Each component's largest entry is positive. Data of one column gets a second coordinate of 0.
    """
    u, s, _ = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    scores = u[:, :2] * s[:2]
    if scores.shape[1] < 2:
        scores = torch.cat([scores, torch.zeros_like(scores)], -1)
    largest = scores.gather(0, scores.abs().argmax(0, keepdim=True))
    scores = scores * torch.where(largest < 0, -1.0, 1.0)
    spread = scores[:, 0].std()
    return scores * (1e-4 / spread if float(spread) > 0 else 1.0)


def descend(
    p: Float[Tensor, "point point"],
    start: Float[Tensor, "point 2"],
    *,
    steps: int = 1000,
    exaggeration: float = 12.0,
    exaggerated: int = 250,
    progress: Progress | None = None,
) -> Float[Tensor, "point 2"]:
    """t-SNE's own descent: early exaggeration, momentum 0.5 then 0.8, and a gain for each coordinate.

    Rate max(n / exaggeration / 4, 50), as in scikit-learn. Ends near a minimum, seldom at one: see `polish`.
    Cost: O(n^2) a step. Source: van der Maaten & Hinton (2008).
    """
    y, rate = start.clone(), max(len(p) / exaggeration / 4, 50.0)
    speed, gain = torch.zeros_like(y), torch.ones_like(y)
    strong = p * exaggeration
    for step in range(steps):
        early = step < exaggerated
        slope = gradient(strong if early else p, y)
        if step == exaggerated:
            speed, gain = torch.zeros_like(y), torch.ones_like(y)
        gain = torch.where(speed * slope < 0, gain + 0.2, gain * 0.8).clamp_min(0.01)
        speed = (0.5 if early else 0.8) * speed - rate * gain * slope
        y = y + speed
        if progress is not None:
            progress("drawing the map", step + 1, steps)
    return y - y.mean(0)


def polish(
    p: Float[Tensor, "point point"],
    y: Float[Tensor, "point 2"],
    *,
    tolerance: float = 1e-7,
    steps: int = 1000,
    progress: Progress | None = None,
) -> Float[Tensor, "point 2"]:
    """The minimum next to a map, by damped Newton steps, until every |gradient| is below the tolerance.

    Damping starts at the size that makes the Hessian positive and falls while steps succeed, so that the last steps
    double the number of right digits. May stop early where double precision sees no further descent: look at
    `gradient` before trusting what needs a minimum. Cost: O(n^3) a step.
    """
    value, slope = kl_divergence(p, y), gradient(p, y)
    curvature, damping = hessian(p, y), 1.0 / len(p)
    for step in range(steps):
        if float(slope.abs().max()) < tolerance:
            break
        damped = curvature.clone()
        damped.diagonal().add_(damping)
        factor, failed = torch.linalg.cholesky_ex(damped)
        better = False
        if int(failed) == 0:
            move = torch.cholesky_solve(-slope.mT.reshape(-1, 1), factor).reshape(2, -1).mT
            trial = y + move
            lower, least = kl_divergence(p, trial), gradient(p, trial)
            flat = bool((lower - value).abs() < 1e-13) and float(least.abs().max()) < float(slope.abs().max())
            better = bool(lower < value) or flat
            if better:
                y, value, slope, curvature = trial, lower, least, hessian(p, trial)
        damping = damping / 5 if better else damping * 4
        if damping > 1e6:
            break
        if progress is not None:
            progress("settling it at its minimum", step + 1, steps)
    return y - y.mean(0)


def require_minimum(p: Float[Tensor, "point point"], y: Float[Tensor, "point 2"], *, tolerance: float = 1e-5) -> None:
    """Refuses a map that is not at a minimum of t-SNE's objective for these similarities.

    Raises: `UserError` when any |gradient| is above the tolerance.
    """
    steepest = float(gradient(p, y).abs().max())
    if not steepest < tolerance:
        raise UserError(
            f"this map is not at a minimum of t-SNE's objective (largest |gradient| {steepest:.1e}, needs below "
            f"{tolerance:g}): polish it first"
        )
