"""From module: any ordinary `nn.Module`, written for one network, trained as a population."""

import copy
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import field
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.parameter import is_lazy

from ontogeny.errors import UserError
from ontogeny.models.contract import Model
from ontogeny.models.lawful import Lawful, outside
from ontogeny.models.sites import Site
from ontogeny.models.unstackable import CHANGES, first_line, reason, refusal
from ontogeny.sources import is_code
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

_DRAWING = threading.Lock()  # the generators that a factory draws from are the process's


class FromModule(Model):
    """What `factory(shape, **arguments)` makes: an ordinary module from `[sample, ...]` to `[sample, ..., outputs]`.

    `factory` is a function or a class; `arguments` may hold `factor(...)`, and such a factor is structural. Its source
    is part of a run's address. See `ModuleStack` for what the module may do, and `stack_modules` for initial weights.
    """

    factory: Callable[..., nn.Module]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """A factory whose source can be told."""
        if not is_code(self.factory):
            kind = "a module" if isinstance(self.factory, nn.Module) else f"a {type(self.factory).__name__}"
            raise UserError(f"FromModule: factory is a function or a class that makes a module, got {kind}")

    def build(self, shape: Shape, streams: Streams) -> "ModuleStack":
        """A module a member, stacked.

        Raises: `UserError` as `stack_modules`.
        """
        return stack_modules(partial(self.factory, shape, **self.arguments), streams)


def stack_modules(factory: Callable[[], nn.Module], streams: Streams) -> "ModuleStack":
    """Calls `factory` once a member and stacks what it makes.

    Whatever the module's own initialisation draws comes from the member's stream: during the call the global generators
    of torch, NumPy and Python are seeded with a 64-bit word of it, and put back afterwards. So a member has the same
    initial weights alone and in company. Two more modules are made from fixed words: a buffer in which those two agree
    is a constant that all members share; one in which they differ was drawn, and every member has its own.

    Raises: `UserError` for a factory that does not make the same module every time, or one that cannot be stacked.
    """
    words = streams.words("module", (2,)).tolist()
    shown, other = (_made(factory, word) for word in range(2))
    if not isinstance(shown, nn.Module):
        raise UserError(f"the factory makes modules, got a {type(shown).__name__}: return an nn.Module")
    drawn = _drawn(shown, other)
    tensors = [_tensors(_made(factory, (high << 32) | low), drawn) for high, low in words]
    first = _tensors(shown, drawn)
    _check(shown, first, tensors)
    stacks = {
        name: nn.Parameter(torch.stack([t[name].detach() for t in tensors]), requires_grad=p.requires_grad)
        for name, p in first.items()
    }
    return ModuleStack(shown, stacks)


class ModuleStack(nn.Module):
    """Many copies of a module with weights of their own: `torch.func.vmap` over stacked parameters.

    Parameters and submodules keep the module's names. What a module may do: anything that torch can batch over members,
    without branching on values, random numbers, or state that changes in forward (running statistics); a `UserError`
    says which of them it did, and where. Parameters without gradient, and drawn buffers, are constants of each member.

    The law holds by two means: `Lawful` arithmetic, and no state.

    Every submodule is a site, its name with `hook_out` behind it: its output, if that is one tensor (of the last call,
    where there are several). A `Site` of the module's own keeps its name.
    """

    module: nn.Module
    sites: dict[str, tuple[str, Site]]

    def __init__(self, module: nn.Module, stacks: Mapping[str, nn.Parameter]) -> None:
        super().__init__()
        self._constants = frozenset(stacks) & {name for name, _ in module.named_buffers()}
        by_identity = {id(t): stacks[name] for name, t in _tensors(module, self._constants).items()}
        for owner in module.modules():
            for name, p in owner._parameters.items():
                owner._parameters[name] = None if p is None else by_identity[id(p)]
            for name in [n for n, b in owner._buffers.items() if id(b) in by_identity]:
                owner._parameters[name] = by_identity[id(owner._buffers.pop(name))]
        # One tree under two roots: names, `.to` and whoever swaps tensors see the same tensors in both.
        self.__dict__["module"] = module
        for kind in ("_parameters", "_buffers", "_non_persistent_buffers_set", "_modules"):
            self.__dict__[kind] = module.__dict__[kind]
        named = [(name, m) for name, m in module.named_modules() if name]
        self.__dict__["sites"] = {
            (name if isinstance(m, Site) else f"{name}.hook_out"): (name, Site()) for name, m in named
        }

    def named_modules(
        self, memo: set[nn.Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Module]]:
        """The module's own but for its sites, and the sites as seen from outside, `[member, sample, ...]`."""
        for name, module in super().named_modules(memo, prefix, remove_duplicate):
            if not isinstance(module, Site):
                yield name, module
        for name, (_, site) in self.sites.items():
            yield f"{prefix}.{name}" if prefix else name, site

    def forward(
        self, inputs: Shaped[Tensor, "member sample *rest"], since: int = 0
    ) -> Shaped[Tensor, "member sample *outputs"]:
        """The outputs of every member's module; of sequences those from position `since` on.

        Raises: `UserError` for a module that cannot be stacked, or that fails on these inputs.
        """
        stacks: dict[str, Tensor] = dict(self.module.named_parameters())
        shared = list(self.module.buffers())
        state = [*stacks.values(), *shared]
        versions = _versions(state)

        def one(tensors: dict[str, Tensor], x: Tensor) -> Any:
            with self._watched(x):
                return functional_call(self.module, tensors, (x,))

        try:
            with Lawful():
                outputs = vmap(one)(stacks, inputs)
        except (UserError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            if "allocate" in str(error):  # memory: the cohort's affair
                raise
            raise self._explained(error, stacks, inputs) from error
        if not isinstance(outputs, Tensor):
            kind = type(outputs).__name__
            raise UserError(f"{self._name} gives a {kind}, not a tensor: return the outputs alone")
        if versions != _versions(state) or any(
            b is not old for b, old in zip(self.module.buffers(), shared, strict=True)
        ):
            raise UserError(f"{self._name} {CHANGES}")
        return outputs[:, :, since:] if since else outputs

    def alone(self) -> nn.Module:
        """The only member as an ordinary module: what the factory makes, with that member's weights.

        Shares nothing with the stack.
        """
        module = copy.deepcopy(self.module)
        single = {
            id(p): nn.Parameter(p.detach()[0].clone(), requires_grad=p.requires_grad) for p in module.parameters()
        }
        constants = {id(module.get_parameter(name)) for name in self._constants}
        for owner in module.modules():
            for name, p in list(owner._parameters.items()):
                if p is None:
                    continue
                if id(p) in constants:
                    del owner._parameters[name]
                    owner._buffers[name] = single[id(p)].detach()
                else:
                    owner._parameters[name] = single[id(p)]
        return module

    @property
    def _name(self) -> str:
        return type(self.module).__name__

    @contextmanager
    def _watched(self, x: Tensor) -> Iterator[None]:
        """Within the `with`, what the module's parts give passes through those sites that have hooks."""
        with ExitStack() as stack:
            for name, (path, site) in self.sites.items():
                if site._forward_hooks:
                    hook = partial(_pass_through, site, name, x)
                    stack.callback(self.module.get_submodule(path).register_forward_hook(hook).remove)
            yield

    def _explained(self, error: Exception, stacks: dict[str, Tensor], inputs: Tensor) -> UserError:
        """The error as a line for the user: a module that fails by itself, or one that cannot be stacked."""
        try:
            with torch.no_grad():
                functional_call(self.module, {name: p[0] for name, p in stacks.items()}, (inputs[0],))
        except Exception as alone:
            if "cannot assign" in str(alone):
                return refusal(self.module, alone, CHANGES)
            shape = list(inputs.shape[1:])
            return refusal(self.module, alone, f"fails on inputs of shape {shape}: {first_line(alone)}")
        return refusal(self.module, error, reason(error))


def _pass_through(site: Site, name: str, x: Tensor, _module: nn.Module, _inputs: Any, output: Any) -> Tensor:
    """An output of one member as its site sees those of all; `x` is any tensor of the member."""
    if not isinstance(output, Tensor):
        raise UserError(f"{name} gives a {type(output).__name__}, not a tensor: it can be neither recorded nor edited")
    return outside(lambda stacked, _x: site(stacked), output, x)


def _versions(tensors: Sequence[Tensor]) -> list[int]:
    """How often each tensor was written to; 0 where that is not counted."""
    return [0 if t.is_inference() else t._version for t in tensors]


def _made(factory: Callable[[], nn.Module], word: int) -> Any:
    """A module made on the CPU, its draws seeded by `word`."""
    with _DRAWING, _put_back():
        torch.default_generator.manual_seed(word)
        np.random.seed([word & 0xFFFFFFFF, word >> 32])  # noqa: NPY002 - the user's factory may draw from it
        random.seed(word)
        with torch.device("cpu"):
            return factory()


@contextmanager
def _put_back() -> Iterator[None]:
    """Puts the global generators back as they were."""
    numpy, python = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        np.random.set_state(numpy)  # noqa: NPY002
        random.setstate(python)


def _tensors(module: nn.Module, buffers: frozenset[str]) -> dict[str, Tensor]:
    """Parameters, and the buffers named, each once."""
    return {**dict(module.named_parameters()), **{n: b for n, b in module.named_buffers() if n in buffers}}


def _drawn(one: nn.Module, other: nn.Module) -> frozenset[str]:
    """Names of the buffers in which two modules differ.

    Raises: `UserError` for other tensors in which they do: those are neither moved nor kept.
    """
    for (name, mine), theirs in zip(one.named_modules(), other.modules(), strict=False):
        for attribute, value in vars(mine).items():
            if isinstance(value, Tensor) and not _same(value, getattr(theirs, attribute, None)):
                path = f"{name}.{attribute}" if name else attribute
                raise UserError(
                    f"{type(one).__name__} draws {path}, a tensor that is neither parameter nor buffer: "
                    "make it one with register_buffer"
                )
    theirs = dict(other.named_buffers())
    return frozenset(name for name, b in one.named_buffers() if not _same(b, theirs.get(name)))


def _same(one: Tensor, other: Any) -> bool:
    return isinstance(other, Tensor) and one.shape == other.shape and torch.equal(one, other)


def _check(module: nn.Module, first: Mapping[str, Tensor], members: Sequence[Mapping[str, Tensor]]) -> None:
    """Raises `UserError` for modules that do not stack."""
    name = type(module).__name__
    for path, p in first.items():
        if is_lazy(p):
            raise UserError(
                f"{name}: the size of {path} is not known before the first inputs: give it, no lazy modules"
            )
        if p.device.type != "cpu":
            raise UserError(f"{name}: {path} was made on {p.device}: make it on the CPU, populations are moved as one")
    learned = {path: p for path, p in first.items() if isinstance(p, nn.Parameter) and p.requires_grad}
    if not learned:
        raise UserError(f"{name} has no parameter that learns: nothing to train")
    if len(kinds := {p.dtype for p in learned.values()}) > 1 or not next(iter(kinds)).is_floating_point:
        raise UserError(
            f"{name}: parameters are real and of one dtype, got {', '.join(map(str, sorted(kinds, key=str)))}"
        )
    shapes = {path: p.shape for path, p in first.items()}
    for tensors in members:
        if {path: p.shape for path, p in tensors.items()} != shapes:
            raise UserError(f"{name}: the factory makes other parameters every time: fix their names and shapes")
