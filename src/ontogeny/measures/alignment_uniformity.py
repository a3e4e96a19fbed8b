"""Alignment and uniformity: the two halves of a contrastive loss, closeness of views and spread over the sphere."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.stacked import matmul, member_mean, member_sum

TINY = 1e-12  # the least length that a vector is divided by


def unit(z: Float[Tensor, "*rows feature"]) -> Float[Tensor, "*rows feature"]:
    """Rows of length 1; rows of zeros stay zeros."""
    return z / z.square().sum(-1, keepdim=True).sqrt().clamp_min(TINY)


def alignment(views: Float[Tensor, "member sample 2 feature"]) -> Float[Tensor, "member"]:
    """Mean squared distance of the two views on the unit sphere, from 0 (alike) to 4 (opposite); 2 for chance."""
    z = unit(views)
    return member_mean((z[:, :, 0] - z[:, :, 1]).square().sum(-1))


def uniformity(views: Float[Tensor, "member sample 2 feature"]) -> Float[Tensor, "member"]:
    r"""$\ln \mathrm{mean}_{i \ne j}\, e^{-2 |z_i - z_j|^2}$ over pairs of samples, first views on the unit sphere.

    0 when all are alike, and the lower the more evenly they cover the sphere, at least -8.

    Raises: `UserError` with fewer than two samples.
    """
    z = unit(views[:, :, 0])
    count = z.shape[1]
    if count < 2:
        raise UserError(f"uniformity is about pairs of samples, got {count}: give 2 or more")
    # |z_i - z_j|^2 = 2 - 2 z_i z_j on the sphere
    exponent = 4.0 * (matmul(z.contiguous(), z.mT.contiguous()) - 1.0)
    itself = torch.eye(count, dtype=torch.bool, device=z.device)
    rows = exponent.masked_fill(itself, -math.inf).logsumexp(2)
    # Not a second logsumexp, which would be a sum to one number a member.
    return member_sum(rows.exp()).log() - math.log(count * (count - 1))


class AlignmentUniformity(Measure):
    """`alignment` and `uniformity` of the outputs for `samples` pairs of views."""

    samples: int = 256

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Both. Source: Wang & Isola, arXiv 2005.10242."""
        views = at.population(at.batch("alignment", self.samples).inputs.to(at.population.flat))
        return {
            "alignment": Labelled(alignment(views), ("member",), unit="squared distance"),
            "uniformity": Labelled(uniformity(views), ("member",), unit="nats"),
        }
