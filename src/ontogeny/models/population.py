"""A population: many networks of one architecture, trained as one tensor program."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

ALIGNMENT = 16  # float32 numbers in 64 bytes: MKL picks its kernels by alignment


class Population:
    """A stacked network whose parameters live in one table, `flat [member, parameter]`.

    Every parameter of the network is a view into `flat`, and `backward` fills `gradient`, a table of the same layout:
    an optimizer is a few element-wise operations on two tables, and freezing or picking members is a matter of rows.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        named = list(network.named_parameters())
        self.members = named[0][1].shape[0]
        self.layout: dict[str, tuple[int, torch.Size]] = {}
        width = 0
        for name, p in named:
            assert p.shape[0] == self.members, f"{name} has no member axis"
            self.layout[name] = (width, p.shape[1:])
            width += -(-p[0].numel() // ALIGNMENT) * ALIGNMENT
        first = named[0][1]
        self.flat: Float[Tensor, "member parameter"] = first.new_zeros(self.members, width)
        self.gradient: Float[Tensor, "member parameter"] = torch.zeros_like(self.flat)
        for name, p in named:
            self._view(self.flat, name).copy_(p.detach())
            p.data = self._view(self.flat, name)
        self._parameters = [p for _, p in named]
        self._slopes = [self._view(self.gradient, name) for name in self.layout]

    def __call__(self, inputs: Tensor) -> Tensor:
        """Outputs `[member, sample, ...]` for inputs `[member, sample, ...]`."""
        return self.network(inputs)

    def backward(self, loss: Float[Tensor, "member"]) -> None:
        """Fills `gradient` with the gradient of each member's loss; what was there is forgotten."""
        slopes = torch.autograd.grad(loss, self._parameters, torch.ones_like(loss))
        for place, slope in zip(self._slopes, slopes, strict=True):
            place.copy_(slope)

    def parameters(self) -> dict[str, Tensor]:
        """Parameters by name, `[member, ...]`: views, not copies."""
        return {name: self._view(self.flat, name) for name in self.layout}

    @property
    def parameters_each(self) -> int:
        """Number of parameters of one member."""
        return sum(shape.numel() for _, shape in self.layout.values())

    def _view(self, table: Tensor, name: str) -> Tensor:
        start, shape = self.layout[name]
        return table[:, start : start + shape.numel()].view(self.members, *shape)

    def rows(self, members: Sequence[int]) -> Float[Tensor, "member parameter"]:
        """Parameters of some members, a copy."""
        return self.flat[list(members)].clone()
