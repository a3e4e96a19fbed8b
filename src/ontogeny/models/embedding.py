"""Embedding: a stacked table of vectors, one a token."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ontogeny.errors import UserError
from ontogeny.models import initial
from ontogeny.streams import Streams


class Embedding(nn.Module):
    """Looks tokens up in `weight [member, vocabulary, width]`, which starts as N(0, (deviation * scale)^2)."""

    def __init__(
        self, streams: Streams, vocabulary: int, width: int, *, deviation: float = 1.0, scale: float | Tensor = 1.0
    ) -> None:
        super().__init__()
        self.weight = initial.normal(streams, (vocabulary, width), deviation, scale)

    def forward(self, tokens: Int[Tensor, "member *rows"]) -> Float[Tensor, "member *rows width"]:
        """The vectors of the tokens.

        Raises: `UserError` on the CPU for a token outside the vocabulary (on a GPU that would mean to wait for it).
        """
        members, vocabulary, _ = self.weight.shape
        if type(tokens) is Tensor and not tokens.is_cuda:  # not while an update is traced
            low, high = torch.aminmax(tokens)
            if low < 0 or high >= vocabulary:
                raise UserError(f"tokens are 0 to {vocabulary - 1} here, got {int(low)} to {int(high)}: mend the task")
        first = torch.arange(0, members * vocabulary, vocabulary, device=tokens.device)
        return F.embedding(tokens + first.view(-1, *[1] * (tokens.ndim - 1)), self.weight.flatten(0, 1))
