"""Linear pieces of a function of one number, and how far it is from the tent map."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.stacked import member_mean
from ontogeny.tasks.tent_map import tent


def count_pieces(
    x: Float[Tensor, "point"], y: Float[Tensor, "*lead point"], tolerance: float = 1e-3
) -> Int[Tensor, "*lead"]:
    """Number of linear pieces of a piecewise linear function seen at rising points, from 1 on.

    A kink is where the slope changes by more than `tolerance`. One that lies between two points changes it twice, and
    counts once; two kinks between the same points, or at neighbouring ones, are not told apart. Fewer than three points
    give 1.
    """
    bent = ((y[..., 1:] - y[..., :-1]) / (x[1:] - x[:-1])).diff(dim=-1).abs() > tolerance
    fresh = bent[..., :1].sum(-1) + (bent[..., 1:] & ~bent[..., :-1]).sum(-1)
    return 1 + fresh


class TentError(Measure):
    """How far networks are from the tent map iterated `times` times, on 2,001 even points from 0 to 1.

    `tent_error` is the mean absolute distance, `pieces` the number of linear pieces seen, and `curve` every fourth
    point.
    """

    times: int

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Reads the networks once."""
        flat = at.population.flat
        x = torch.linspace(0.0, 1.0, 2_001, dtype=flat.dtype, device=flat.device)
        y = at.population(x.view(1, -1, 1).expand(at.members, -1, 1))[..., 0]
        return {
            "tent_error": Labelled(member_mean((y - tent(x, self.times)).abs()), ("member",)),
            "pieces": Labelled(count_pieces(x, y, 0.1), ("member",)),
            "curve": Labelled(y[:, ::4], ("member", "x"), {"x": x[::4].tolist()}),
        }
