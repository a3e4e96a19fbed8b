"""Why a module cannot be stacked: the errors of a forward pass over all members, in a line that says what to do."""

import re
import traceback
from pathlib import Path
from typing import Any

from torch import nn

from ontogeny.errors import UserError
from ontogeny.sources import INSTALLED

CHANGES = (
    "changes a parameter or buffer in forward, which no checkpoint keeps and a measure would change: "
    "leave that out, or return the module in .eval() mode"
)
_REASONS = {
    "data-dependent control flow": "branches on the values of a tensor: members may differ, choose with torch.where",
    r"\.item\(\)": "takes a number out of a tensor (.item(), int(), float()): members may differ, keep it a tensor",
    "random operation|randomness": "draws random numbers in forward, which no member's stream covers: "
    "leave dropout out (p=0), or return the module in .eval() mode",
    "running_mean|running_var": "updates running statistics, which no checkpoint keeps and a measure would change: "
    "use GroupNorm or LayerNorm, BatchNorm with track_running_stats=False, or return the module in .eval() mode",
    r"Batching rule not implemented for aten::(rnn_\w+|gru|lstm)": r"calls {0}, which works for one network at a time: "
    "write the loop over positions with RNNCell, GRUCell or LSTMCell",
    r"Batching rule not implemented for (aten::[\w.]*\w)": "calls {0}, which works for one network at a time: "
    "compute it from other functions",
    "vmap: in-?place|doesn't match the broadcast shape": "writes in place into a tensor that all members share: "
    "make that tensor from the inputs (x.new_zeros), or write x = x + y for x += y",
    "dynamic shape": "computes something whose shape depends on values: members may differ, mask instead of selecting",
    "generate_vmap_rule|vmap staticmethod|setup_context": "calls a torch.autograd.Function that has no rule for "
    "torch.func.vmap: give it setup_context and generate_vmap_rule = True",
}
_NOT_THE_USERS = [*INSTALLED, Path(__file__).parents[1]]


def reason(error: Exception) -> str:
    """What a module does that cannot be done for many members at once."""
    for pattern, words in _REASONS.items():
        if found := re.search(pattern, str(error)):
            return words.format(*found.groups())
    return f"works for one network, but torch.func.vmap cannot compute it for many at once: {first_line(error)}"


def refusal(module: nn.Module, error: Exception, why: str) -> UserError:
    """A line with the module, the place in the user's file where it happened, and why."""
    own = [
        f"{Path(frame.filename).name}, line {frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(home in Path(frame.filename).parents for home in _NOT_THE_USERS)
    ]
    place = f" ({own[-1]})" if own else ""
    return UserError(f"{type(module).__name__}{place} {why}")


def first_line(error: Any) -> str:
    """An error's kind and the first line of what it says."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0][:200]}" if said else type(error).__name__
