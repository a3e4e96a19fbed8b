"""Downstream change: what a projector does to classification from a few labelled samples behind it."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.linear_readout import gaussian_accuracy, max_margin, mean_difference, ridge, to_unit_scale
from ontogeny.measures.signal_gain import projection
from ontogeny.streams import Streams
from ontogeny.tasks.two_gaussian_views import TwoGaussianViews

STRONG, LIGHT = 10.0, 0.1  # penalties of ridge
PROBES = {
    "mean difference": mean_difference,
    "ridge": lambda z, y: ridge(z, y, STRONG),
    "light ridge": lambda z, y: ridge(z, y, LIGHT),
    "max margin": max_margin,
}
INVARIANT = "least squares"


def expected_accuracy(
    gain: Float[Tensor, "*any"], signal: Float[Tensor, "*any"], labelled: int, dimensions: int
) -> Float[Tensor, "*any"]:
    r"""Accuracy of the mean-difference read-out behind diag(R, 1, ..., 1), from n labelled samples of p dimensions.

    $$\mathrm{acc}(R) = \Phi\left(\mu \Big/ \sqrt{1 + \frac{p}{n \mu^2 R^4}}\right)$$

    Rises with R, to the best possible $\Phi(\mu)$. Left out is the fluctuation of the signal's own mean, of relative
    order 1 / sqrt(n): good from about 16 samples on. R to the fourth, for the map acts on the samples that the read-out
    is fitted to and on those that it reads.
    """
    noise = dimensions / (labelled * signal.square() * gain.square().square())
    return 0.5 * (1.0 + torch.erf(signal / (1.0 + noise).sqrt() / math.sqrt(2.0)))


class DownstreamChange(Measure):
    """Accuracy of linear read-outs of h W less that of h, on the same labelled samples; exact, without test samples.

    `accuracy_change` and `accuracy_before`, by `probe`, are means over `draws` sets of `labelled` clean samples. The
    read-out "least squares" has ten samples a dimension, and a fifth of the draws: no invertible map changes it.
    """

    labelled: int = 16
    draws: int = 50

    def check(self) -> None:
        """Values that can work."""
        if self.labelled < 1 or self.draws < 5:
            raise UserError(f"downstream change needs labelled samples and 5 draws, got {self}")

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Both.

        Raises: `UserError` for a task or a model without a signal on the first axis.
        """
        if not isinstance(at.task, TwoGaussianViews):
            raise UserError(f"{type(at.task).__name__} has no signal on the first axis: train on TwoGaussianViews")
        weight, task = projection(at), at.task
        signal = torch.as_tensor(task.signal).to(weight).expand(at.members)[:, None]
        streams = at.streams.of("downstream")
        few = labelled_sets(task, streams.of("few"), self.draws, self.labelled)
        many = labelled_sets(task, streams.of("many"), self.draws // 5, 10 * task.dimensions)
        before, after = [], []
        for probe, (h, y) in [(p, few) for p in PROBES.values()] + [(lambda z, y: ridge(z, y, 0.0), many)]:
            before.append(gaussian_accuracy(probe(to_unit_scale(h), y), signal).mean(-1))
            w = probe(to_unit_scale(torch.einsum("mdsi,mij->mdsj", h, weight)), y)
            # w reads x W: its direction in the space of x is W w.
            after.append(gaussian_accuracy(torch.einsum("mij,mdj->mdi", weight, w), signal).mean(-1))
        dims, coords = ("member", "probe"), {"probe": [*PROBES, INVARIANT]}
        was, now = torch.stack(before, -1), torch.stack(after, -1)
        return {
            "accuracy_before": Labelled(was, dims, coords, unit="share"),
            "accuracy_change": Labelled(now - was, dims, coords, unit="share"),
        }


def labelled_sets(
    task: TwoGaussianViews, streams: Streams, sets: int, size: int
) -> tuple[Float[Tensor, "member set sample dimension"], Float[Tensor, "member set sample"]]:
    """`sets` sets of `size` clean samples with their labels -1 or 1, float64."""
    h, y = task.clean(streams, sets * size)
    return h.double().unflatten(1, (sets, size)), y.double().unflatten(1, (sets, size))
