"""A population: many networks of one architecture, trained as one tensor program."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.errors import UserError
from ontogeny.models import sites
from ontogeny.models.from_module import ModuleStack, stack_modules
from ontogeny.streams import Streams

ALIGNMENT = 16  # float32 numbers in 64 bytes: MKL picks its kernels by alignment


class Population:
    """A stacked network whose parameters live in one table, `flat [member, parameter]`.

    Every parameter of the network is a view into `flat`, and `backward` fills `gradient`, a table of the same layout:
    an optimizer is a few element-wise operations on two tables, and freezing or picking members is a matter of rows.
    Parameters without gradient are constants of each member, and stay out of the table.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
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

    @classmethod
    def from_module(cls, factory: Callable[[], nn.Module], members: int | Sequence[int]) -> "Population":
        """A population of what `factory` makes: an ordinary module from `[sample, ...]` to `[sample, ...]`.

        `members` is their number, or their seeds: 3 means the seeds 0, 1 and 2. A member starts as the member of that
        seed in a `Training` whose model is a `FromModule` of the same module. See `stack_modules` and `ModuleStack`.

        Raises: `UserError` for a module that cannot be stacked, or no members.
        """
        seeds = tuple(range(members)) if isinstance(members, int) else tuple(members)
        if not seeds:
            raise UserError("a population has at least one member: give their number, or their seeds")
        return cls(stack_modules(factory, Streams(seeds).of("init")))

    def __call__(self, inputs: Tensor, since: int = 0) -> Tensor:
        """Outputs `[member, sample, ...]` for inputs `[member, sample, ...]`; of sequences from position `since` on."""
        return self.network(inputs, since) if since else self.network(inputs)

    def backward(self, loss: Float[Tensor, "member"]) -> None:
        """Fills `gradient` with the gradient of each member's loss; what was there is forgotten.

        Raises: `UserError` for a parameter that the loss does not depend on.
        """
        slopes = torch.autograd.grad(loss, self._parameters, torch.ones_like(loss), allow_unused=True)
        if unused := [name for name, slope in zip(self.layout, slopes, strict=True) if slope is None]:
            raise UserError(
                f"the loss does not depend on {', '.join(unused)}: leave it out of the model, "
                "or let it stand with requires_grad_(False)"
            )
        for place, slope in zip(self._slopes, slopes, strict=True):
            place.copy_(slope)

    def parameters(self) -> dict[str, Tensor]:
        """Parameters by name, `[member, ...]`: views, not copies."""
        return self.views(self.flat)

    def views(self, table: Float[Tensor, "member parameter"]) -> dict[str, Tensor]:
        """A table of this layout, parameter by parameter."""
        return {name: self._view(table, name) for name in self.layout}

    @property
    def parameters_each(self) -> int:
        """Number of parameters of one member."""
        return sum(shape.numel() for _, shape in self.layout.values())

    def _view(self, table: Tensor, name: str) -> Tensor:
        start, shape = self.layout[name]
        return table[:, start : start + shape.numel()].view(self.members, *shape)

    def take(self, members: Sequence[int]) -> "Population":
        """Some of the members, copied to a population of their own.

        Raises: `UserError` for none, or one that is not there.
        """
        return Population(self._picked(members))

    def member(self, index: int) -> nn.Module:
        """One member, copied to an ordinary model: neither inputs nor outputs have the member axis.

        Of a population of modules it is what their factory makes, with that member's weights.

        Raises: `UserError` for a member that is not there.
        """
        network = self._picked([index])
        return network.alone() if isinstance(network, ModuleStack) else Single(network)

    def record(self, inputs: Tensor, patterns: str | Iterable[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Outputs, and activations at the matching sites: see `ontogeny.models.sites.record`."""
        return sites.record(self.network, inputs, patterns)

    def edit(self, edits: Mapping[str, Callable[[Tensor], Tensor]]) -> AbstractContextManager[None]:
        """Edits of activations within a `with`: see `ontogeny.models.sites.edit`."""
        return sites.edit(self.network, edits)

    def _picked(self, members: Sequence[int]) -> nn.Module:
        if not members or not all(0 <= i < self.members for i in members):
            raise UserError(f"no members {list(members)}: the population has members 0 to {self.members - 1}")
        # What the memo has already is not copied again: only the members that are wanted are.
        picked = {
            id(p): nn.Parameter(p.detach()[list(members)], requires_grad=p.requires_grad)
            for p in self.network.parameters()
        }
        return copy.deepcopy(self.network, picked)  # type: ignore[arg-type]


class Single(nn.Module):
    """One network as users of PyTorch know it: `inputs [sample, ...]` to `outputs [sample, ...]`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """The network's outputs."""
        return self.network(inputs[None])[0]
