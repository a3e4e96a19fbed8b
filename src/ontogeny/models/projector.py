"""Projector: the square linear map behind an encoder that contrastive learning trains and then throws away."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.errors import UserError
from ontogeny.models.contract import Model
from ontogeny.models.linear import Linear
from ontogeny.models.sites import Site
from ontogeny.models.stacked import affine
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


class Projector(Model):
    """h W, with W square and the identity at the start: the encoder's output h is the input."""

    def build(self, shape: Shape, streams: Streams) -> "Projection":
        """The map for a task whose outputs are like its inputs.

        Raises: `UserError` for another task.
        """
        return Projection(streams.members, _size("Projector", shape), streams.device)


class EncodedProjector(Model):
    """A projector behind an encoder of two layers: linear with bias to `hidden`, ReLU, linear without to the size.

    `projector` "identity" leaves it out. The encoder's output is at the site `hook_features`.
    """

    hidden: int = 64
    projector: Literal["linear", "identity"] = "linear"

    def check(self) -> None:
        """Values that can work."""
        if self.hidden < 1 or self.projector not in ("linear", "identity"):
            raise UserError(
                f"an encoder has 1 hidden unit or more and a projector that is linear or identity, got {self}"
            )

    def build(self, shape: Shape, streams: Streams) -> "EncodedProjection":
        """The network for a task whose outputs are like its inputs.

        Raises: `UserError` for another task.
        """
        size = _size("EncodedProjector", shape)
        head = Projection(streams.members, size, streams.device) if self.projector == "linear" else nn.Identity()
        first = Linear(streams.of("input"), size, self.hidden)
        return EncodedProjection(first, Linear(streams.of("output"), self.hidden, size, bias=False), head)


class Projection(nn.Module):
    """x W, from W = I. `weight` is `[member, input, output]`."""

    def __init__(self, members: int, size: int, device: torch.device) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(size, device=device).repeat(members, 1, 1))

    def forward(self, inputs: Float[Tensor, "member *rows size"]) -> Float[Tensor, "member *rows size"]:
        """The map, over any number of row axes."""
        return affine(inputs, self.weight)


class EncodedProjection(nn.Module):
    """Encoder and projector."""

    def __init__(self, input: Linear, output: Linear, projector: nn.Module) -> None:
        super().__init__()
        self.input, self.output, self.projector = input, output, projector
        self.hook_features = Site()

    def forward(self, inputs: Float[Tensor, "member *rows size"]) -> Float[Tensor, "member *rows size"]:
        """What the projector gives, over any number of row axes."""
        return self.projector(self.hook_features(self.output(torch.relu(self.input(inputs)))))


def _size(owner: str, shape: Shape) -> int:
    if shape.features is None or shape.features != shape.outputs:
        raise UserError(f"{owner}: it maps vectors to vectors of one size, the task has {shape}")
    return shape.features
