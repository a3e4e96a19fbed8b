"""Held-out loss and accuracy of classifiers."""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.stacked import member_mean


def accuracy(
    outputs: Float[Tensor, "member sample *position option"], targets: Int[Tensor, "member sample *position"]
) -> Float[Tensor, "member"]:
    """Share of targets that have the largest output, from 0 to 1; of equal outputs the first counts."""
    return member_mean((outputs.argmax(-1) == targets).to(outputs.dtype))


class HeldOut(Measure):
    """`held_out_loss` (mean cross-entropy, nats) and `held_out_accuracy` (a share), on `samples` held-out samples."""

    samples: int

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Reads the network's outputs once."""
        batch = at.batch("held_out", self.samples)
        inputs = batch.inputs
        dtype = at.population.flat.dtype
        outputs = at.population(inputs.to(dtype) if inputs.is_floating_point() else inputs)
        loss = F.cross_entropy(outputs.flatten(0, -2), batch.targets.flatten(), reduction="none")
        return {
            "held_out_loss": Labelled(member_mean(loss.view(batch.targets.shape)), ("member",), unit="nats"),
            "held_out_accuracy": Labelled(accuracy(outputs, batch.targets), ("member",), unit="share"),
        }
