"""Last step: a model that answers once, when all of its sequence has gone by."""

from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.models.contract import Model
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


class LastStep(Model):
    """What `model`, which answers at every step, says at the last one."""

    model: Model

    def build(self, shape: Shape, streams: Streams) -> "LastStepNetwork":
        """The model's network, read at the end. Raises whatever the model raises."""
        return LastStepNetwork(self.model.build(shape, streams))


class LastStepNetwork(nn.Module):
    """A stacked network read at its last step. Sites are those of the network inside, which is called `every`."""

    def __init__(self, every: nn.Module) -> None:
        super().__init__()
        self.every = every

    def forward(self, inputs: Tensor) -> Float[Tensor, "member sample output"]:
        """The last of the outputs `[member, sample, step, output]`."""
        return self.every(inputs)[:, :, -1]
