"""Flow sampler: draws from a conditional generator, all members and conditions at once."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError

Network = Callable[[Tensor], Tensor]


def flow_samples(
    network: Network,
    noise: Float[Tensor, "*batch data"],
    conditions: Float[Tensor, "*batch condition"],
    steps: int = 16,
) -> Float[Tensor, "*batch data"]:
    r"""Follows the flow from noise at t = 0 to data at t = 1, by Euler's method in equal steps.

    $$x \leftarrow x + \frac{1}{K} \frac{\hat x(x, t, c) - x}{1 - t}, \qquad t = 0, \frac1K, \ldots, 1 - \frac1K$$

    `network` turns `[x, t, c]`, side by side, into $\hat x$, as the denoisers of
    `ontogeny.tasks.flow_matching.FlowMatching` do. One step is the network's answer to pure noise; the last of any
    number ends at its answer. Edits of the network's sites hold at every step.

    Raises: `UserError` for less than one step.
    Cost: `steps` passes forward.
    """
    if steps < 1:
        raise UserError(f"a flow is followed in 1 step or more, got {steps}")
    x = noise
    for k in range(steps):
        t = torch.full_like(x[..., :1], k / steps)
        x = x + (network(torch.cat([x, t, conditions], -1)) - x) / (steps - k)
    return x
