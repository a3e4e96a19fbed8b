"""Concept vector: hidden units moved along what a concept changes on average, and as far in a random direction."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.models.stacked import member_sum
from ontogeny.streams import Streams

Edit = Callable[[Tensor], Tensor]


def concept_vector(absent: slice, present: slice, moved: slice, strengths: Float[Tensor, "sample"]) -> Edit:
    r"""An edit for `population.edit`: $h + \beta (\bar h_{\text{present}} - \bar h_{\text{absent}})$, unit by unit.

    The two groups are samples of the very same pass, so that in a generator the vector is of the same time. `strengths`
    are of the samples `moved`, which should be in neither group; all others stay as they were, and so do those of
    strength 0.
    """

    def edit(h: Float[Tensor, "member every unit"]) -> Float[Tensor, "member every unit"]:
        return _moved(h, _difference(h, absent, present), moved, strengths)

    return edit


def random_vector(
    streams: Streams, absent: slice, present: slice, moved: slice, strengths: Float[Tensor, "sample"]
) -> Edit:
    """The control: as far as `concept_vector` moves, in a direction of each member's own, uniform over the sphere.

    The direction is the same at every pass; how far it goes is the length of the concept's vector in this one.
    """

    def edit(h: Float[Tensor, "member every unit"]) -> Float[Tensor, "member every unit"]:
        direction = streams.normal("direction", (1, h.shape[-1])).to(h)
        length, own = (member_sum(x.square()).sqrt() for x in (_difference(h, absent, present), direction))
        return _moved(h, direction * (length / own)[:, None, None], moved, strengths)

    return edit


def _difference(h: Float[Tensor, "member every unit"], absent: slice, present: slice) -> Float[Tensor, "member 1 unit"]:
    return h[:, present].mean(1, keepdim=True) - h[:, absent].mean(1, keepdim=True)


def _moved(
    h: Float[Tensor, "member every unit"],
    vector: Float[Tensor, "member 1 unit"],
    moved: slice,
    strengths: Float[Tensor, "sample"],
) -> Float[Tensor, "member every unit"]:
    edited, by = h.clone(), strengths.to(h)[:, None]
    edited[:, moved] = torch.where(by != 0, h[:, moved] + by * vector, h[:, moved])
    return edited
