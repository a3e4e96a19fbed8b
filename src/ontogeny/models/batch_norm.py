"""Batch normalisation: stacked units on the scale of their batch, without gain, bias or running statistics."""

from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.errors import UserError
from ontogeny.models.contract import Model
from ontogeny.models.linear import Linear
from ontogeny.models.sites import Site
from ontogeny.models.stacked import identity
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape, Task

EPSILON = 1e-5


def statistics(
    x: Float[Tensor, "member sample unit"],
) -> tuple[Float[Tensor, "member 1 unit"], Float[Tensor, "member 1 unit"]]:
    """Mean, and 1 / sqrt(variance + 1e-5), of every unit over its member's batch; the variance divides by samples."""
    mean = x.mean(1, keepdim=True)
    return mean, torch.rsqrt((x - mean).square().mean(1, keepdim=True) + EPSILON)


def batch_normalised(x: Float[Tensor, "member sample unit"]) -> Float[Tensor, "member sample unit"]:
    """`(x - mean) / sqrt(variance + 1e-5)` over each member's batch. A batch of one gives 0.

    Source: Ioffe & Szegedy, arXiv 1502.03167; `torch.nn.BatchNorm1d(affine=False, track_running_stats=False)`.
    """
    mean, scale = statistics(x)
    return (x - mean) * scale


class FrozenNorm(nn.Module):
    """The same map with the statistics of another batch, which training does not change."""

    def __init__(self, mean: Float[Tensor, "member 1 unit"], scale: Float[Tensor, "member 1 unit"]) -> None:
        super().__init__()
        self.mean = nn.Parameter(mean, requires_grad=False)
        self.scale = nn.Parameter(scale, requires_grad=False)

    def forward(self, x: Float[Tensor, "member sample unit"]) -> Float[Tensor, "member sample unit"]:
        """`(x - mean) * scale`."""
        return (x - self.mean) * self.scale


class BatchNormMLP(Model):
    """A deep tanh network with batch normalisation between each hidden layer's linear map and its tanh.

    `norm` "none" leaves it out; "frozen" takes the statistics that a batch of `samples` from the task `reference` has
    at the start, and keeps them. Weights start as N(0, 1 / fan_in), biases at 0.
    """

    hidden: int = 6
    units: int = 64
    norm: Literal["none", "batch", "frozen"] = "batch"
    reference: Task | None = None
    samples: int = 128

    def check(self) -> None:
        """A hidden layer and a unit at least; frozen statistics need data."""
        if self.hidden < 1 or self.units < 1:
            raise UserError(f"BatchNormMLP: hidden and units are 1 or more, got {self.hidden} and {self.units}")
        if self.norm not in ("none", "batch", "frozen"):
            raise UserError(f"BatchNormMLP: norm is 'none', 'batch' or 'frozen', got {self.norm!r}")
        if self.norm == "frozen" and self.reference is None:
            raise UserError("BatchNormMLP: frozen statistics need data: give the task as reference")

    def build(self, shape: Shape, streams: Streams) -> "BatchNormNetwork":
        """The network for a task of this shape.

        Raises: `UserError` for a task without features.
        """
        if shape.features is None or shape.length is not None:
            raise UserError(f"BatchNormMLP: the task needs features, one vector a sample, got {shape}")
        network = BatchNormNetwork(self, shape, streams)
        if self.norm == "frozen":
            assert self.reference is not None
            own = streams.of("reference")
            batch = self.reference.sample(self.reference.world(own.of("world")), own, self.samples)
            freeze(network, batch.inputs)
        return network


class BatchNormNetwork(nn.Module):
    """A stacked deep network. Sites: `layers.0.hook_post`..."""

    def __init__(self, model: BatchNormMLP, shape: Shape, streams: Streams) -> None:
        super().__init__()
        assert shape.features is not None
        sizes = [shape.features, *[model.units] * model.hidden]
        self.layers = nn.ModuleList(
            NormedLayer(streams.of(f"layers.{i}"), before, after, model.norm != "none")
            for i, (before, after) in enumerate(pairwise(sizes))
        )
        self.output = Linear(streams.of("output"), sizes[-1], shape.outputs)

    def forward(self, inputs: Float[Tensor, "member sample feature"]) -> Float[Tensor, "member sample output"]:
        """Outputs for features."""
        for layer in self.layers:
            inputs = layer(inputs)
        return self.output(inputs)


class NormedLayer(nn.Module):
    """`tanh(norm(x W + b))`."""

    def __init__(self, streams: Streams, inputs: int, outputs: int, normalise: bool) -> None:
        super().__init__()
        self.map = Linear(streams, inputs, outputs)
        self.scaled = batch_normalised if normalise else identity
        self.hook_post = Site()

    def forward(self, x: Float[Tensor, "member sample input"]) -> Float[Tensor, "member sample output"]:
        """The layer's units."""
        return self.hook_post(torch.tanh(self.scaled(self.map(x))))


@torch.no_grad()
def freeze(network: BatchNormNetwork, inputs: Float[Tensor, "member sample feature"]) -> None:
    """Replaces every batch normalisation by one with the statistics of these inputs, layer after layer, in place."""
    for layer in network.layers:
        assert isinstance(layer, NormedLayer)
        layer.scaled = FrozenNorm(*statistics(layer.map(inputs)))
        inputs = layer(inputs)
