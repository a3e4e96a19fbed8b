"""Gradient sequences: what an optimizer is fed to see how it responds, without any network.

burst       1 0 0 0 ...             one gradient, then silence
geometric   1 r r^2 r^3 ...         gradients that fall steadily
constant    1 1 1 1 ...
normal      independent N(0, 1)
worst       (beta / gamma)^(n - k)  the k-th of n: what makes Adam's n-th update as large as it can be
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.streams import Streams


def burst(steps: int) -> Float[Tensor, "step"]:
    """1, then 0."""
    return geometric(0.0, steps)


def geometric(ratio: float, steps: int) -> Float[Tensor, "step"]:
    """1, r, r^2, ...: constant for r = 1, a burst for r = 0."""
    return torch.tensor(ratio, dtype=torch.float64) ** torch.arange(steps, dtype=torch.float64)


def normal(streams: Streams, steps: int) -> Float[Tensor, "member step"]:
    """Independent N(0, 1)."""
    return streams.normal("gradient", (steps,)).double()


def worst(beta: Float[Tensor, "member"], gamma: Float[Tensor, "member"], steps: int) -> Float[Tensor, "member step"]:
    """(beta / gamma)^age, scaled so that the largest is 1: equality of Cauchy and Schwarz at the last step.

    Meant for horizons over which it does not underflow: |steps ln(beta / gamma)| below 300.
    """
    age = torch.arange(steps - 1, -1, -1, dtype=torch.float64, device=beta.device)
    log = torch.log(beta / gamma)[:, None] * age
    return torch.exp(log - log.amax(-1, keepdim=True))
