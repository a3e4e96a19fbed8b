r"""Fixed points and ghosts of a one-dimensional field, such as the reduced field of a rank-one recurrent network.

In a rank-one network the overlap kappa = n x obeys $\dot\kappa = F(\kappa)$ with

$$F(\kappa) = -\kappa + n \cdot \tanh(m \kappa + b)$$

in units of a unit's own time (a step of a network with leak alpha is alpha long). Where F crosses zero there is a fixed
point; where it nearly does there is a *ghost*, which the state passes slowly.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure


def reduced_field(
    kappa: Float[Tensor, "*member point"],
    m: Float[Tensor, "*member unit"],
    n: Float[Tensor, "*member unit"],
    b: Float[Tensor, "*member unit"],
) -> Float[Tensor, "*member point"]:
    """F(kappa) = -kappa + n tanh(m kappa + b).

    Cost: point * unit hyperbolic tangents a member.
    """
    active = torch.tanh(torch.addcmul(b[..., None, :], kappa[..., None], m[..., None, :]))
    # Summed over units as a product with n in two columns: with one column it takes another path for one member.
    pair = torch.stack([n, n], -1)
    return torch.matmul(active, pair)[..., 0] - kappa


def enclosing_grid(n: Float[Tensor, "*member unit"], points: int = 2_000) -> Float[Tensor, "*member point"]:
    """Evenly spaced points over +-(1 + sum |n|), which holds every zero of the reduced field.

    With an even number of points 0 is none of them, so that a field that is zero there is seen to change sign.

    Raises: `UserError` for an odd number of points, or fewer than 4.
    """
    if points < 4 or points % 2:
        raise UserError(f"fixed points are counted on an even number of points, 4 or more, got {points}")
    reach = 1 + torch.stack([n, torch.zeros_like(n)], -2).abs().sum(-1)[..., :1]
    return reach * torch.linspace(-1, 1, points, dtype=n.dtype, device=n.device)


def count_fixed_points(field: Float[Tensor, "*member point"]) -> Int[Tensor, "*member"]:
    """How often the field changes sign along the points: the number of fixed points, if none share an interval.

    An exact zero counts with the negative numbers. Odd whenever the field points inwards at both ends.
    """
    positive = field > 0
    return (positive[..., 1:] != positive[..., :-1]).sum(-1)


class Ghost(NamedTuple):
    """A slow place on the way to the attractor. NaN where there is none.

    `speed` is the smallest |F| there, `curvature` the second derivative of |F|, and `passage_time` the time that the
    way past it takes, pi / sqrt(speed curvature / 2), in the time units of the field.
    """

    location: Tensor
    speed: Tensor
    curvature: Tensor
    passage_time: Tensor


def ghost(
    kappa: Float[Tensor, "*member point"], field: Float[Tensor, "*member point"], start: Float[Tensor, "*member"]
) -> Ghost:
    """The slowest interior local minimum of |F| between the starting point and the fixed point that it flows to.

    `kappa` is evenly spaced and symmetric about 0. Location, speed and curvature are those of the parabola through the
    lowest point and its neighbours. NaN where |F| falls all the way from the start to the attractor.

    Source: the passage time of a saddle-node's ghost is in Strogatz, Nonlinear Dynamics and Chaos, section 4.3.
    """
    here = torch.searchsorted(kappa.contiguous(), start[..., None]).clamp_max(kappa.shape[-1] - 1)
    falling = field.gather(-1, here) < 0
    # A state that moves down sees the mirror image of one that moves up.
    speed = torch.where(falling, -field.flip(-1), field)
    begin = torch.where(falling, -start[..., None], start[..., None])
    ahead = kappa >= begin
    moving = torch.cumprod(torch.where(ahead, speed > 0, True).int(), -1).bool() & ahead
    left, middle, right = speed[..., :-2], speed[..., 1:-1], speed[..., 2:]
    lowest = (middle < left) & (middle <= right) & moving[..., :-2] & moving[..., 2:]
    slowness, place = torch.where(lowest, middle, math.inf).min(-1, keepdim=True)
    a, b, c = (side.gather(-1, place) for side in (left, middle, right))
    gap = kappa[..., 1:2] - kappa[..., 0:1]
    bend, slope = (a - 2 * b + c) / gap**2, (c - a) / (2 * gap)
    location = kappa.gather(-1, place + 1) - slope / bend
    bottom = b - slope.square() / (2 * bend)
    passage = math.pi / (bottom * bend / 2).sqrt()
    location = torch.where(falling, -location, location)
    exists = slowness.isfinite()
    return Ghost(*(torch.where(exists, v, math.nan)[..., 0] for v in (location, bottom, bend, passage)))


class FixedPoints(Measure):
    """Fixed points and ghost of a rank-one network's reduced field, at each measured step.

    Gives `fixed_points` (their number), `ghost_location` (in kappa), `ghost_speed` (kappa per unit of time) and
    `ghost_passage` (units of time).
    """

    points: int = 2_000

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Counts along the whole axis.

        Raises: `UserError` for a network that is not a `LowRankRNN` of rank one.
        """
        m, n, b, start = rank_one(at)
        kappa = enclosing_grid(n, self.points)
        field = reduced_field(kappa, m, n, b)
        slow = ghost(kappa, field, start)
        values = {
            "fixed_points": Labelled(count_fixed_points(field), ("member",), unit="fixed points"),
            "ghost_location": Labelled(slow.location, ("member",), unit="kappa"),
            "ghost_speed": Labelled(slow.speed, ("member",), unit="kappa per unit of time"),
            "ghost_passage": Labelled(slow.passage_time, ("member",), unit="units of time"),
        }
        return values


class FieldAlong(Measure):
    """The reduced field of a rank-one network at fixed places, as `field` with an axis `kappa`."""

    low: float = -4.0
    high: float = 4.0
    points: int = 161

    def check(self) -> None:
        if not self.low < self.high or self.points < 2:
            raise UserError(f"a field is seen from low to high at 2 points or more, got {self}")

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """F at every place.

        Raises: `UserError` for a network that is not a `LowRankRNN` of rank one.
        """
        m, n, b, _ = rank_one(at)
        kappa = torch.linspace(self.low, self.high, self.points, dtype=m.dtype, device=m.device)
        field = reduced_field(kappa.expand(m.shape[0], -1), m, n, b)
        labels = torch.linspace(self.low, self.high, self.points, dtype=torch.float64).tolist()
        return {"field": Labelled(field, ("member", "kappa"), {"kappa": labels}, unit="kappa per unit of time")}


def rank_one(
    at: Checkpoint,
) -> tuple[
    Float[Tensor, "member unit"], Float[Tensor, "member unit"], Float[Tensor, "member unit"], Float[Tensor, "member"]
]:
    """m, n and b of a population of rank-one networks, and the kappa that each starts from.

    Raises: `UserError` for any other network.
    """
    parameters = at.population.parameters()
    if set(parameters) != {"m", "n", "b"} or parameters["m"].shape[1] != 1:
        raise UserError("a reduced field of one dimension needs LowRankRNN(rank=1): measure no fixed points here")
    m, n = parameters["m"][:, 0], parameters["n"][:, 0]
    start = float(at.population.network.start)  # type: ignore[arg-type]
    total = torch.stack([n, torch.zeros_like(n)], -2).sum(-1)[..., 0]
    return m, n, parameters["b"], total * start
