"""A discriminator against the best one there is."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.stacked import member_sum, sigmoid


def discriminator_gap(
    logits: Float[Tensor, "member sample 1"],
    best: Float[Tensor, "member sample 1"],
    among: Float[Tensor, "member sample 1"],
) -> Float[Tensor, "member"]:
    """Mean of |D - D*| over the samples that `among` marks with 1, from 0 to 1. NaN where it marks none."""
    return member_sum((sigmoid(logits) - best).abs() * among) / member_sum(among)


class DiscriminatorGap(Measure):
    """`discriminator_gap` on the data among `samples` held-out samples of a task that knows the best discriminator."""

    samples: int

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Also, on a grid from -4 to 8, what the networks say (`discriminator`)."""
        batch = at.batch("discriminator", self.samples)
        gap = discriminator_gap(at.population(batch.inputs), batch.latents["best"], batch.targets)
        grid = torch.linspace(-4.0, 8.0, 61, device=batch.inputs.device)
        said = sigmoid(at.population(grid.view(1, -1, 1).expand(at.members, -1, 1)))[..., 0]
        return {
            "discriminator_gap": Labelled(gap, ("member",)),
            "discriminator": Labelled(said, ("member", "x"), {"x": grid.tolist()}),
        }
