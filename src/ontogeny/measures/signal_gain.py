"""Signal gain: whether a linear map stretches one direction, the signal's, more than the others or less."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.projector import Projection


def signal_gain(
    weight: Float[Tensor, "*member input output"], direction: Float[Tensor, "*member input"]
) -> Float[Tensor, "*member"]:
    r"""$R = \sqrt{e^T G e / ((\mathrm{tr}\,G - e^T G e) / (p - 1))}$ with $G = W W^T$ for rows x that become x W.

    Above 1 the map expands the direction e, below it shrinks it, whatever its overall scale; any rotation has 1.
    `direction` need not be of length 1. Infinite where nothing else is let through, NaN where nothing is.

    The direction is given beforehand: the one that a map stretches most always has a gain above 1.

    Raises: `UserError` for a single input.
    """
    if weight.shape[-2] < 2:
        raise UserError(f"a signal's gain is over other directions, got {weight.shape[-2]} input: give 2 or more")
    length = direction.square().sum(-1)
    own = (direction[..., None] * weight).sum(-2).square().sum(-1) / length
    others = (weight.square().sum((-2, -1)) - own).clamp_min(0.0) / (weight.shape[-2] - 1)
    return (own / others).sqrt()


class SignalGain(Measure):
    """Of a projector whose signal is the first axis: `log_gain`, ln R, and `singular_values`, the largest first."""

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Both.

        Raises: `UserError` for a model that is no `Projector`.
        """
        weight = projection(at)
        first = torch.zeros_like(weight[..., 0])
        first[:, 0] = 1.0
        # LAPACK refuses a whole batch for one NaN: a diverged member would take its neighbours along.
        finite = weight.isfinite().all(-1).all(-1)[:, None]
        values = torch.linalg.svdvals(weight.where(finite[..., None], 0.0)).where(finite, torch.nan)
        return {
            "log_gain": Labelled(signal_gain(weight, first).log(), ("member",), unit="nats"),
            "singular_values": Labelled(values, ("member", "rank")),
        }


def projection(at: Checkpoint) -> Float[Tensor, "member input output"]:
    """The projector's matrix, float64.

    Raises: `UserError` for a model that is no `Projector`.
    """
    if not isinstance(at.population.network, Projection):
        raise UserError(f"{type(at.population.network).__name__} is no projection: train a Projector")
    return at.population.parameters()["weight"].double()
