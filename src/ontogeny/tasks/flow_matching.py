r"""Flow matching: another task's targets behind noise, to be seen through: how a generator of them is trained.

inputs    x_t ... t c ...   the target mixed with noise, $x_t = (1 - t) \epsilon + t x$, the time, and the condition
targets   x ...             the target itself
latents   those of the task
"""

from typing import Any

import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.tasks.shared_draws import each_seed_once


class FlowMatching(Task):
    r"""Denoising of `task`'s targets, given its inputs as the condition; t is uniform on [0, 1), noise is normal.

    A network that minimises the squared error gives the mean of x given x_t and the condition, and with it the velocity
    $v = (E[x | x_t] - x_t) / (1 - t)$ of the flow that carries noise at t = 0 to data at t = 1
    (`ontogeny.models.flow_sampler.flow_samples`). Measures look at the task itself.

    Source: Lipman et al., arXiv 2210.02747, equation 23 with no noise left at t = 1, and the data predicted instead of
    the velocity.
    """

    task: Task

    def check(self) -> None:
        """A condition and targets that are vectors."""
        if self.task.shape.features is None or self.task.shape.length is not None:
            raise UserError(f"flow matching needs a task with features without positions, got {self.task.shape}")

    @property
    def shape(self) -> Shape:
        """Targets, time and condition in, targets out."""
        within = self.task.shape
        assert within.features is not None
        return Shape(features=within.outputs + 1 + within.features, outputs=within.outputs)

    def world(self, streams: Streams) -> Any:
        """That of the task."""
        return self.task.world(streams)

    def evaluated(self, world: Any) -> tuple[Task, Any]:
        """The task itself."""
        return self.task.evaluated(world)

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """`size` mixtures a member."""
        batch = self.task.sample(world, streams, size)
        own, place = each_seed_once(streams)
        t = own.uniform("time", (size, 1))[place]
        noise = own.normal("noise", (size, self.task.shape.outputs))[place]
        mixed = (1.0 - t) * noise + t * batch.targets
        inputs = torch.cat([mixed, t, batch.inputs], -1)
        return Batch(inputs=inputs, targets=batch.targets, weights=batch.weights, latents=batch.latents)
