"""Linear pieces of a function of one number, and how far it is from the tent map."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.stacked import member_mean
from ontogeny.models.uniform_mlp import UniformMLP, tent_network
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape
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


def constructed_tent(streams: Streams, depth: int) -> dict[str, Labelled]:
    """What the network says that is the tent map by construction, in float32, with `depth` layers of two units.

    `pieces`, and `error`, the greatest distance from the map. Beside it `shallow_pieces`, of a random network with as
    many units in one layer, seen from -3 to 3; and `short_error`, of the construction that is a layer short.
    """
    even, odd = torch.linspace(0.0, 1.0, 4_097), torch.linspace(0.0, 1.0, 3_001)  # on the even ones it is exact
    wide = torch.linspace(-3.0, 3.0, 4_097, dtype=torch.float64)
    wanted, network = tent(odd.double(), depth), tent_network(depth)
    short = _along(tent_network(depth - 1), odd) if depth > 1 else odd[None]
    shallow = UniformMLP(units=2 * depth).build(Shape(features=1, outputs=1), streams).double()
    values = dict(
        pieces=count_pieces(even, _along(network, even), 0.1),
        error=(_along(network, odd) - wanted).abs().amax(-1),
        shallow_pieces=count_pieces(wide, _along(shallow, wide)),
        short_error=(short - wanted).abs().amax(-1),
    )
    return {name: Labelled(value, ("member",)) for name, value in values.items()}


def _along(network: torch.nn.Module, x: Float[Tensor, "point"]) -> Float[Tensor, "1 point"]:
    return network(x.view(1, -1, 1))[..., 0].detach()
