r"""Weight growth: whether updates lengthen a weight matrix, pull along it, or turn it.

If the loss does not depend on the length of W, as in front of a normalisation, then <W, gradient> = 0 (Euler), and an
update $-\eta u$ along the gradient turns W by about $\eta |u| / |W|$ and lengthens it by Pythagoras:
$|W'|^2 = |W|^2 + \eta^2 |u|^2$. The longer W, the less it turns: an adaptive learning rate that no optimizer asked for.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError, nearest
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.update_size import last_update
from ontogeny.models.stacked import member_sum
from ontogeny.parts import PerMember

Rows = Float[Tensor, "member ..."]
Each = Float[Tensor, "member"]


def alignment(weight: Rows, update: Rows) -> Each:
    r"""$\langle W, u \rangle / (|W| |u|)$, from -1 to 1; 0 for an update that only turns W. NaN where either is 0."""
    return member_sum(weight * update) / (member_sum(weight.square()) * member_sum(update.square())).sqrt()


def rotation(weight: Rows, update: Rows, rate: Tensor | float) -> Each:
    r"""The angle between W and $W - \eta u$, in radians from 0 to pi; 0 where neither moves. NaN where W is 0."""
    square = member_sum(weight.square())
    along = member_sum(weight * update) / square.sqrt()
    across = (member_sum(update.square()) - along.square()).clamp_min(0.0).sqrt()
    # Not the arc cosine, which loses half of its digits for the small angles that steps are.
    return torch.atan2(rate * across, square.sqrt() - rate * along)


class WeightGrowth(Measure):
    """Of each matrix named, at every measured step: its squared length and what the last update did to it.

    `weight_square`: |W|^2 after the update; `update_square`: |u|^2; `alignment` and `rotation` of the update with the
    weights before it. `rate` is the learning rate, which must be constant and without weight decay. Before the first
    update the alignment is NaN and the rotation 0.
    """

    matrices: tuple[str, ...]
    rate: PerMember

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Reads the optimizer's last update.

        Raises: `UserError` for a parameter that is not there, and for a checkpoint that shows no last update.
        """
        values: dict[str, list[Tensor]] = {}
        weights, table = at.population.parameters(), last_update(at)
        for name in self.matrices:
            if name not in weights:
                raise UserError(f"the network has no parameter {name!r}: {nearest(name, weights)}")
            after = weights[name]
            rate = torch.as_tensor(self.rate, device=after.device).to(after.dtype).expand(at.members)
            start, shape = at.population.layout[name]
            update = table[:, start : start + shape.numel()].view(after.shape)
            before = after + update * rate.view(-1, *[1] * (after.ndim - 1))
            values.setdefault("weight_square", []).append(member_sum(after.square()))
            values.setdefault("update_square", []).append(member_sum(update.square()))
            values.setdefault("alignment", []).append(alignment(before, update))
            values.setdefault("rotation", []).append(rotation(before, update, rate))
        units = dict(weight_square="", update_square="learning rates squared", alignment="cosine", rotation="radians")
        coords = {"matrix": self.matrices}
        return {
            name: Labelled(torch.stack(v, -1), ("member", "matrix"), coords, unit=units[name])
            for name, v in values.items()
        }
