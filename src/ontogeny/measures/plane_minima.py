"""Minima in the plane: thousands of small two-dimensional minimisations at once."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

Landscape = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
"""(positions [problem, 2], which query each belongs to [problem]) -> value, gradient [., 2], Hessian [., 2, 2]."""


def _newton_move(gradient: Tensor, hessian: Tensor, damping: Tensor, reach: float) -> Tensor:
    """Downhill moves no longer than `reach`: Newton's where the Hessian is positive, lifted until it is elsewhere."""
    a, b, c = hessian[:, 0, 0], hessian[:, 0, 1], hessian[:, 1, 1]
    middle, radius = (a + c) / 2, (((a - c) / 2).square() + b.square()).sqrt()
    lift = damping + (-2.0 * (middle - radius)).clamp_min(0.0)
    a, c = a + lift, c + lift
    determinant = (a * c - b.square()).clamp_min(torch.finfo(a.dtype).tiny)
    gx, gy = gradient.unbind(-1)
    move = torch.stack([b * gy - c * gx, b * gx - a * gy], -1) / determinant[:, None]
    length = move.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(a.dtype).tiny)
    return move * (reach / length).clamp_max(1.0)


def _saddle_exits(hessian: Tensor, reach: float) -> Tensor:
    """A short move along the direction of most negative curvature."""
    _, axes = torch.linalg.eigh(hessian)
    return axes[..., 0] * (reach / 10)


def minimise(
    landscape: Landscape,
    start: Float[Tensor, "problem 2"],
    query: Int[Tensor, "problem"],
    *,
    reach: float,
    tolerance: float = 1e-9,
    steps: int = 200,
) -> tuple[Float[Tensor, "problem 2"], Float[Tensor, "problem"]]:
    """A minimum next to each start, and the value there.

    Newton steps with damping of their own for each problem: a step that does not descend is not taken and damps the
    next, one that does makes it bolder; none is longer than `reach`, so that a start stays in its valley. A saddle is
    left along its falling direction. A problem is done when its next step would be shorter than `tolerance * reach`
    and the curvature there is not negative; done problems cost nothing more.

    Cost: one evaluation of the landscape, for the problems still under way, in each of typically 10 to 30 steps.
    """
    best, value = start.clone(), torch.empty_like(start[:, 0])
    open_ = torch.arange(len(start), device=start.device)
    y, which = start.clone(), query
    f, g, h = landscape(y, which)
    scale = h.flatten(1).norm(dim=-1).clamp_min(torch.finfo(f.dtype).tiny)
    damping = scale.clone()
    for _ in range(steps):
        move = _newton_move(g, h, damping, reach)
        still = _newton_move(g, h, torch.zeros_like(damping), reach).norm(dim=-1) < tolerance * reach
        lowest = torch.linalg.eigvalsh(h)[:, 0] if bool(still.any()) else torch.zeros_like(f)
        saddle = still & (lowest < -1e-9 * scale)
        done = (still & ~saddle) | (damping > 1e9 * scale)
        if bool(done.any()):
            best[open_[done]], value[open_[done]] = y[done], f[done]
            keep = ~done
            open_, y, which, f, g, h = open_[keep], y[keep], which[keep], f[keep], g[keep], h[keep]
            damping, scale, move, saddle = damping[keep], scale[keep], move[keep], saddle[keep]
            if not len(open_):
                break
        if bool(saddle.any()):
            move = torch.where(saddle[:, None], _saddle_exits(h, reach), move)
        trial = y + move
        f1, g1, h1 = landscape(trial, which)
        # Near the bottom the values differ by less than their rounding: there, a flatter place is the better one.
        level = (f1 - f).abs() <= 1e-13 * f.abs()
        better = torch.where(level, g1.norm(dim=-1) < g.norm(dim=-1), f1 < f)
        y, f = torch.where(better[:, None], trial, y), torch.where(better, f1, f)
        g, h = torch.where(better[:, None], g1, g), torch.where(better[:, None, None], h1, h)
        damping = torch.where(better, damping / 8, damping.clamp_min(1e-6 * scale) * 4)
    best[open_], value[open_] = y, f
    return best, value
