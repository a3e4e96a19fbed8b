"""Activation sites: named places in a network where activations are recorded or edited.

Names are those of TransformerLens 3 (`blocks.0.hook_out`, `blocks.0.attn.hook_pattern`, ...); its legacy aliases
(`blocks.0.hook_resid_post`, ...) and the names of its bridge (`blocks.0.attn.q.hook_out`, ...) mean the same sites.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from ontogeny.errors import UserError, nearest

ALIASES = {
    "embed.hook_out": "hook_embed",
    "pos_embed.hook_out": "hook_pos_embed",
    "hook_resid_pre": "hook_in",
    "hook_resid_mid": "hook_mid",
    "ln2.hook_in": "hook_mid",
    "hook_resid_post": "hook_out",
    "hook_attn_out": "attn.hook_out",
    "hook_mlp_out": "mlp.hook_out",
    "attn.q.hook_out": "attn.hook_q",
    "attn.k.hook_out": "attn.hook_k",
    "attn.v.hook_out": "attn.hook_v",
    "attn.o.hook_in": "attn.hook_z",
    "mlp.in.hook_out": "mlp.hook_pre",
    "mlp.out.hook_in": "mlp.hook_post",
    "ln1.hook_out": "ln1.hook_normalized",
    "ln2.hook_out": "ln2.hook_normalized",
    "ln_final.hook_out": "ln_final.hook_normalized",
}
"""Ends of names that are accepted, and the ends that are stored."""


class Site(nn.Module):
    """A place where activations can be seen: the identity. Without hooks a call costs less than a tenth of a µs."""

    def __call__(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """`x`, or what the forward hooks make of it."""
        return super().__call__(x) if self._forward_hooks else x

    def forward(self, x: Tensor) -> Tensor:
        """`x`."""
        return x

    @property
    def asked_for(self) -> bool:
        """Whether somebody looks at what is here, or edits it."""
        return bool(self._forward_hooks)


def sites(network: nn.Module) -> dict[str, Site]:
    """The sites of a network by name, in the order of its modules."""
    return {name: module for name, module in network.named_modules() if isinstance(module, Site)}


def canonical(name: str) -> str:
    """The stored form of a site's name or pattern: `blocks.*.hook_resid_post` is `blocks.*.hook_out`."""
    for alias, stored in ALIASES.items():
        if name == alias or name.endswith(f".{alias}"):
            return name.removesuffix(alias) + stored
    return name


def matching(network: nn.Module, patterns: str | Iterable[str]) -> dict[str, Site]:
    """The sites that patterns name, in the network's order. `*` stands for anything but a dot.

    Raises: `UserError` for a pattern that matches nothing.
    """
    known = sites(network)
    found: set[str] = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        wanted = re.compile("[^.]*".join(re.escape(part) for part in canonical(pattern).split("*")))
        hits = {name for name in known if wanted.fullmatch(name)}
        if not hits:
            raise UserError(f"no activation site matches {pattern!r}: {nearest(pattern, known)}")
        found |= hits
    return {name: site for name, site in known.items() if name in found}


def record(network: nn.Module, inputs: Tensor, patterns: str | Iterable[str]) -> tuple[Tensor, dict[str, Tensor]]:
    """Outputs, and the activations at the matching sites by their stored names, `[member, sample, ...]`.

    Inside `edit` they are what the edits made of them. With gradients on, they are part of the graph.

    Raises: `UserError` for a pattern that matches nothing.
    """
    with recording(network, patterns) as seen:
        outputs = network(inputs)
    return outputs, seen


@contextmanager
def recording(network: nn.Module, patterns: str | Iterable[str]) -> Iterator[dict[str, Tensor]]:
    """Within the `with`, what the matching sites see is kept, by their stored names: the latest of each.

    Raises: `UserError` for a pattern that matches nothing.
    """
    seen: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for name, site in matching(network, patterns).items():
            stack.callback(site.register_forward_hook(partial(_keep, seen, name)).remove)
        yield seen


@contextmanager
def edit(network: nn.Module, edits: Mapping[str, Callable[[Tensor], Tensor]]) -> Iterator[None]:
    """Within the `with`, activations at the sites a pattern matches are what its function makes of them.

    A function gets `[member, sample, ...]` and gives the same shape; edits of one site apply in the order given. On
    leaving, the network is as it was, bit for bit.

    Raises: `UserError` for a pattern that matches nothing, before anything is edited.
    """
    found = [(matching(network, pattern), function) for pattern, function in edits.items()]
    with ExitStack() as stack:
        for matched, function in found:
            for site in matched.values():
                stack.callback(site.register_forward_hook(partial(_replace, function)).remove)
        yield


def _keep(seen: dict[str, Tensor], name: str, _site: nn.Module, _inputs: Any, x: Tensor) -> None:
    seen[name] = x


def _replace(function: Callable[[Tensor], Tensor], _site: nn.Module, _inputs: Any, x: Tensor) -> Tensor:
    return function(x)
