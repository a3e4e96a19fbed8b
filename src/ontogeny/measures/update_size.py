"""Update size: how far the boldest coordinate moved at the last update, in units of the learning rate."""

from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.adam_stability import update_bound
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.parts import PerMember


class UpdateSize(Measure):
    """`largest_update`: max |u| over a member's coordinates; `bound_share`: that over the most Adam can reach so far.

    Both are 0 before the first update. `beta` and `gamma` are the decays of the optimizer's last stage. A share above 1
    would mean that the optimizer is not Adam; eps makes it smaller.
    """

    beta: PerMember = 0.9
    gamma: PerMember = 0.999

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Reads the optimizer's last update.

        Raises: `UserError` for a checkpoint that shows no last update: train with such an optimizer.
        """
        largest = last_update(at).abs().amax(-1)
        bound = update_bound(self.beta, self.gamma, max(at.step, 1)).to(largest.device)
        return {
            "largest_update": Labelled(largest, ("member",), unit="learning rates"),
            "bound_share": Labelled(largest / bound.expand(at.members), ("member",), unit="share"),
        }


def last_update(at: Checkpoint) -> Float[Tensor, "member parameter"]:
    """The last update of every parameter, in units of the learning rate: 0 before the first.

    Raises: `UserError` for a checkpoint that does not show it.
    """
    if "update" not in at.memory:
        raise UserError("this measure reads the last update: train with KAdam or NetworkRMS")
    return at.memory["update"]
