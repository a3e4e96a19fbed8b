"""Uniform MLP: a ReLU network whose kinks start spread over the inputs, for functions of few variables."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.errors import UserError
from ontogeny.models import initial
from ontogeny.models.contract import Model
from ontogeny.models.stacked import affine
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


class UniformMLP(Model):
    """A ReLU network of `hidden` layers of `units`; weights start uniform within sqrt(6 / fan_in), biases within 1."""

    hidden: int = 1
    units: int = 64

    def check(self) -> None:
        """A hidden layer and a unit at least."""
        if self.hidden < 1 or self.units < 1:
            raise UserError(f"UniformMLP: hidden and units are 1 or more, got {self.hidden} and {self.units}")

    def build(self, shape: Shape, streams: Streams) -> "UniformNetwork":
        """The network for a task of this shape.

        Raises: `UserError` for a task without features.
        """
        if shape.features is None or shape.length is not None:
            raise UserError(f"UniformMLP: the task needs features, one vector a sample, got {shape}")
        return UniformNetwork([shape.features, *[self.units] * self.hidden, shape.outputs], streams)


class UniformNetwork(nn.Module):
    """A stacked ReLU network of given layer sizes."""

    def __init__(self, sizes: list[int], streams: Streams) -> None:
        super().__init__()
        pairs = list(enumerate(pairwise(sizes)))
        own = [streams.of(f"layers.{i}") for i, _ in pairs]
        self.weights = nn.ParameterList(
            [initial.uniform(own[i], "weight", (a, b), (6 / a) ** 0.5) for i, (a, b) in pairs]
        )
        self.biases = nn.ParameterList([initial.uniform(own[i], "bias", (b,), 1.0) for i, (_, b) in pairs])

    def forward(self, inputs: Float[Tensor, "member sample feature"]) -> Float[Tensor, "member sample output"]:
        """Outputs for features."""
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            inputs = affine(inputs, weight, bias)
            if i < last:
                inputs = torch.relu(inputs)
        return inputs


def tent_network(depth: int) -> UniformNetwork:
    """A network of one member, `depth` hidden layers of two units, that is the tent map iterated `depth` times.

    relu(h) and relu(h - 1/2) make the tent on [0, 1]: next h = 2 relu(h) - 4 relu(h - 1/2). So 2 * depth units make
    2**depth linear pieces, where one hidden layer would need a unit a kink.

    Source: Telgarsky, arXiv 1602.04485.
    """
    network = UniformNetwork([1, *[2] * depth, 1], Streams((0,)))
    with torch.no_grad():
        for i in range(depth):
            first = torch.tensor([[1.0, 1.0]]) if i == 0 else torch.tensor([[2.0, 2.0], [-4.0, -4.0]])
            network.weights[i].copy_(first[None])
            network.biases[i].copy_(torch.tensor([[0.0, -0.5]]))
        network.weights[depth].copy_(torch.tensor([[[2.0], [-4.0]]]))
        network.biases[depth].zero_()
    return network
