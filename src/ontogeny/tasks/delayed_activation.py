"""Delayed activation: stay silent for a while, then switch on, with nothing to tell the moment but time itself."""

import torch
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


class DelayedActivation(Task):
    """Silent for `delay` time steps, then active for as many. There is no input and a single trial.

        step     1  2 ...  T | T+1 ... 2T
        input    -  - ...  - |  -  ...  -      (a vector of no features)
        target   0  0 ...  0 |  1  ...  1

    Every sample is this trial, so there is nothing to generalise to: the optimal prediction is the target itself.

    Source: Dinc, Cirakman et al., "A ghost mechanism: an analytical model of abrupt learning", arXiv 2501.02378.
    """

    delay: int

    def check(self) -> None:
        if not isinstance(self.delay, int) or self.delay < 1:
            raise UserError(f"a delayed activation waits for a whole number of steps from 1 on, got delay={self.delay}")

    @property
    def shape(self) -> Shape:
        """No features, `2 delay` positions, one output."""
        return Shape(outputs=1, features=0, length=2 * self.delay)

    def sample(self, world: None, streams: Streams, size: int) -> Batch:
        """The trial, `size` times."""
        length = 2 * self.delay
        active = (torch.arange(length, device=streams.device) >= self.delay).float()
        return Batch(
            inputs=active.new_zeros(streams.members, size, length, 0),
            targets=active[:, None].expand(streams.members, size, length, 1).contiguous(),
        )


class DelayedSwitch(Task):
    """Delayed activation in continuous time: the target is the moment `delay` at which to switch, each member its own.

    The observation ends at twice the delay.
    """

    delay: PerMember

    def check(self) -> None:
        if not isinstance(self.delay, Tensor) and not self.delay > 0:
            raise UserError(f"a delayed switch waits for a positive time, got delay={self.delay}")

    @property
    def shape(self) -> Shape:
        """No features, one output."""
        return Shape(outputs=1, features=0)

    def sample(self, world: None, streams: Streams, size: int) -> Batch:
        """The moment to switch, `size` times, in float64."""
        moment = torch.as_tensor(self.delay, dtype=torch.float64, device=streams.device).expand(streams.members)
        targets = moment[:, None, None].expand(-1, size, 1).contiguous()
        return Batch(inputs=targets.new_zeros(streams.members, size, 0), targets=targets)
