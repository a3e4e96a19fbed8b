"""Edits a written token: what stands in a named role is replaced by another value that could stand there."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import Part, PerMember
from ontogeny.streams import Streams


@runtime_checkable
class Written(Protocol):
    """A task whose samples are written in roles."""

    def position(self, role: str) -> int:
        """Where a role is written."""
        ...

    def options(self, role: str) -> range:
        """The tokens that can stand there."""
        ...


def replace_token(
    tokens: Int[Tensor, "*sample position"],
    position: int,
    options: range,
    shift: Int[Tensor, "*sample"],
    chosen: Bool[Tensor, "*sample"],
) -> Int[Tensor, "*sample position"]:
    """A copy in which the token at `position` is the `shift`-th option after itself, in a circle, where `chosen`.

    A shift of 1 to len(options) - 1 never gives the old token back. What is not an option at all is left as it is.
    """
    old = tokens[..., position]
    new = (old - options.start + shift) % len(options) + options.start
    known = (old >= options.start) & (old < options.stop)
    edited = tokens.clone()
    edited[..., position] = torch.where(chosen & known, new, old)
    return edited


class TokenEdit(Part):
    """In a `share` of the samples, the token in `role` becomes a uniformly drawn *different* one of its options.

    Nothing is edited in place; share 0 is the identity. The matched control is the same edit in another role: as many
    tokens are replaced, by the same draw, where the effect asked about should not come from.

    Raises: `UserError` for a share that is no probability or a role that the task has not or that has one option only.
    """

    role: str
    share: PerMember = 1.0

    def check(self) -> None:
        """The share is a probability."""
        if not 0.0 <= float(self.share) <= 1.0:
            raise UserError(f"share is the probability that a sample is edited, got {self.share}: use 0 to 1")

    def __call__(
        self, task: Written, tokens: Int[Tensor, "member sample position"], streams: Streams
    ) -> Int[Tensor, "member sample position"]:
        """The tokens with the edit made. Draws `which` and `shift` from the streams."""
        options, size = task.options(self.role), tokens.shape[1]
        if len(options) < 2:
            raise UserError(f"nothing else can stand in role {self.role!r}: name a role with two options or more")
        shift = 1 + streams.integers("shift", (size,), len(options) - 1)
        chosen = streams.bernoulli("which", (size,), self.share)
        return replace_token(tokens, task.position(self.role), options, shift, chosen)
