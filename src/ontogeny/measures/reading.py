"""What networks predict for the roles of a written chain."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.measures.contract import Checkpoint
from ontogeny.tasks.noisy_arithmetic import NoisyArithmeticChain


def chain_task(at: Checkpoint) -> NoisyArithmeticChain:
    """The task of a checkpoint, which has to be one of written chains.

    Raises: `UserError` for any other task.
    """
    if not isinstance(at.task, NoisyArithmeticChain):
        raise UserError(
            f"this measure reads written steps: it needs NoisyArithmeticChain, got {type(at.task).__name__}"
        )
    return at.task


def read(
    at: Checkpoint, tokens: Int[Tensor, "member sample position"], roles: Sequence[str]
) -> list[Float[Tensor, "member sample option"]]:
    """Log-probability of each option of each role, given the tokens before it as they are (teacher-forced).

    Normalised over the role's options alone: residues for a product or an answer. One pass, over no more positions than
    the roles need.
    """
    task = chain_task(at)
    places = [task.position(role) for role in roles]
    since = min(places) - 1
    outputs = at.population(tokens[..., : max(places)], since)
    found = []
    for role, place in zip(roles, places, strict=True):
        options = task.options(role)
        found.append(torch.log_softmax(outputs[:, :, place - 1 - since, options.start : options.stop], -1))
    return found
