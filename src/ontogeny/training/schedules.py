"""Learning-rate schedules: what the rate is multiplied by at each update."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.parts import Part, PerMember

Updates = Float[Tensor, "update 1"]


class Schedule(Part):
    """Abstract: gives `__call__`."""

    def __call__(self, update: Updates) -> float | Float[Tensor, "update _"]:
        """The factor at each of some updates, counted from 1: `[update, member]`, or what broadcasts to it."""
        raise NotImplementedError


class Constant(Schedule):
    """The rate as it is."""

    def __call__(self, update: Updates) -> float | Float[Tensor, "update _"]:
        """1."""
        return 1.0


class Warmup(Schedule):
    """Linear rise over `updates`, then constant: min(1, u / updates)."""

    updates: PerMember = 0.0

    def __call__(self, update: Updates) -> float | Float[Tensor, "update _"]:
        """min(1, u / updates); 1 without warm-up."""
        return (update / torch.as_tensor(self.updates, dtype=torch.float64).clamp_min(1.0)).clamp_max(1.0)


class Cosine(Schedule):
    """Linear rise over `warmup`, then half a cosine down to `floor` at `updates`."""

    updates: PerMember
    warmup: PerMember = 0.0
    floor: PerMember = 0.0

    def __call__(self, update: Updates) -> float | Float[Tensor, "update _"]:
        """u / warmup, then floor + (1 - floor) (1 + cos(pi (u - warmup) / (updates - warmup))) / 2."""
        total, warmup, floor = (
            torch.as_tensor(v, dtype=torch.float64) for v in (self.updates, self.warmup, self.floor)
        )
        along = ((update - warmup) / (total - warmup).clamp_min(1.0)).clamp(0.0, 1.0)
        fall = floor + (1.0 - floor) * 0.5 * (1.0 + torch.cos(math.pi * along))
        return torch.where(update < warmup, update / warmup.clamp_min(1.0), fall)


class WarmupStableDecay(Schedule):
    """Linear rise over `warmup`, then the full rate, and over the last `share` of `updates` a line down to 0."""

    updates: PerMember
    warmup: PerMember = 0.0
    share: PerMember = 0.3

    def __call__(self, update: Updates) -> float | Float[Tensor, "update _"]:
        """min(u / warmup, 1, (updates - u) / (share updates)), not below 0."""
        total, warmup, share = (
            torch.as_tensor(v, dtype=torch.float64) for v in (self.updates, self.warmup, self.share)
        )
        rise = update / warmup.clamp_min(1.0)
        fall = (total - update) / (share * total).clamp_min(1.0)
        return torch.minimum(rise, fall).clamp(0.0, 1.0)
