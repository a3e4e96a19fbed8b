"""InfoNCE: the contrastive loss that pulls two views of a sample together and all other samples apart."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.measures.alignment_uniformity import unit
from ontogeny.models.stacked import matmul, member_mean
from ontogeny.parts import PerMember
from ontogeny.tasks.contract import Batch
from ontogeny.training.objectives import Objective


class InfoNCE(Objective):
    r"""Symmetric InfoNCE of two views, in nats, the other samples of the batch being the negatives:

    $$\frac{1}{2n} \sum_i \left[-\ln \frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}} - \ln \frac{e^{s_{ii}}}{\sum_j e^{s_{ji}}}
    \right], \qquad s_{ij} = z^1_i \cdot z^2_j / \tau$$

    Outputs are `[member, sample, view, feature]` with two views. `normalised` takes them to the unit sphere first. It
    is ln n when all s are alike. Source: van den Oord, Li & Vinyals, arXiv 1807.03748; symmetric as in Radford et al.,
    arXiv 2103.00020.
    """

    temperature: PerMember = 0.1
    normalised: bool = True

    def __call__(self, outputs: Float[Tensor, "member sample 2 feature"], batch: Batch) -> Float[Tensor, "member"]:
        """The loss of every member."""
        z = unit(outputs) if self.normalised else outputs
        heat = torch.as_tensor(self.temperature).to(z).expand(z.shape[0])[:, None, None]
        scores = matmul(z[:, :, 0].contiguous(), z[:, :, 1].mT.contiguous()) / heat
        own = torch.diagonal(scores, dim1=1, dim2=2)
        return 0.5 * member_mean(scores.logsumexp(2) + scores.logsumexp(1) - 2.0 * own)
