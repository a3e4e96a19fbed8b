r"""Gradient through time: how much what came k steps ago still matters to the loss.

$$g(k) = \mathrm{E}\, \lVert \partial \ell / \partial x_{T-k} \rVert$$

with respect to the input, which means the same in every recurrent network (a state does not: an LSTM has two). In a
network that forgets, g falls like a power of k: the gradient vanishes, and what happened long ago cannot be learned.
Sources: Bengio, Simard & Frasconi (1994); Pascanu, Mikolov & Bengio, arXiv 1211.5063.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure


def gradient_through_time(
    network: Callable[[Tensor], Tensor],
    inputs: Float[Tensor, "member sample step feature"],
    targets: Int[Tensor, "member sample"],
) -> Float[Tensor, "member lag"]:
    """g(k) for k = 0 (the last step), 1, ...: mean over samples, in nats a unit of input.

    The loss is each sample's own cross-entropy of one answer a sequence.
    """
    with torch.enable_grad():
        x = inputs.detach().clone().requires_grad_()
        outputs = network(x)
        loss = F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
        (slope,) = torch.autograd.grad(loss, x, torch.ones_like(loss))
    return slope.norm(dim=-1).mean(1).flip(-1)


def log_slope(profile: Float[np.ndarray, "*lead lag"]) -> Float[np.ndarray, "*lead"]:
    """Slope of ln g over the lag, by least squares: ln of what a step leaves of the gradient, 0 where nothing vanishes.

    NaN where a gradient is 0 or not finite, and for fewer than two lags.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(np.isfinite(profile) & (profile > 0), profile, np.nan))
        lag = np.arange(profile.shape[-1]) - (profile.shape[-1] - 1) / 2
        return (logs * lag).sum(-1) / np.asarray((lag**2).sum())


class GradientThroughTime(Measure):
    """`gradient_through_time` of the last `lags` steps on `samples` held-out sequences, or of as many as there are."""

    samples: int = 64
    lags: int = 20

    def check(self) -> None:
        """A sample and a lag at least."""
        if self.samples < 1 or self.lags < 1:
            raise UserError(f"GradientThroughTime: samples and lags are 1 or more, got {self.samples} and {self.lags}")

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """One pass forward and one back."""
        batch = at.batch("gradient_through_time", self.samples)
        found = gradient_through_time(at.population, batch.inputs, batch.targets)[:, : self.lags]
        lags = {"lag": range(found.shape[1])}
        return {"gradient": Labelled(found, ("member", "lag"), lags, unit="nats a unit of input")}
