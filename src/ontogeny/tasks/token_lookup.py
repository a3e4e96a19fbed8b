"""Token lookup: single tokens, each with a label to be remembered, some of them rare."""

import torch
from jaxtyping import Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


class TokenLookup(Task):
    r"""One token a sample, and the label that belongs to it.

        inputs    i     token, with P(i) proportional to (i + 1)^-exponent: 0 makes all alike, 1 is Zipf's law
        targets   y_i   its label, uniform over the classes: drawn once a token, or anew at every visit (`fresh`)

    The optimal predictor knows the labels: loss 0, or ln(classes) with fresh ones. A rare token's row of an embedding
    gets a gradient of exactly 0 until the token comes up again: the task in which gradients fall quiet.
    """

    vocabulary: int = 512
    classes: int = 10
    exponent: float = 1.0
    fresh: bool = False

    def check(self) -> None:
        """A token and a class at least."""
        if self.vocabulary < 1 or self.classes < 1:
            raise UserError(f"TokenLookup needs tokens and classes, got {self.vocabulary} and {self.classes}")

    @property
    def shape(self) -> Shape:
        """A token in, a class out."""
        return Shape(vocabulary=self.vocabulary, outputs=self.classes)

    def world(self, streams: Streams) -> Int[Tensor, "member token"]:
        """The labels of every member's tokens."""
        return streams.integers("labels", (self.vocabulary,), self.classes)

    def probabilities(self) -> Tensor:
        """P(i), float64."""
        rank = torch.arange(1, self.vocabulary + 1, dtype=torch.float64)
        return torch.softmax(-self.exponent * rank.log(), -1)

    def sample(self, world: Int[Tensor, "member token"], streams: Streams, size: int) -> Batch:
        """`size` tokens a member, drawn independently."""
        place = streams.words("token", (size,)).double() * 2.0**-32
        edges = self.probabilities().cumsum(-1)[:-1].to(place.device)
        tokens = torch.searchsorted(edges, place, right=True)
        if self.fresh:
            return Batch(inputs=tokens, targets=streams.integers("label", (size,), self.classes))
        return Batch(inputs=tokens, targets=world.gather(1, tokens))
