"""Quiet embeddings: a transformer whose tables of tokens and positions start at sizes of their own."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.models.embedding import Embedding
from ontogeny.models.positions import Learned
from ontogeny.models.transformer import EMBEDDING, Transformer, TransformerNetwork
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


class QuietEmbeddings(Transformer):
    """A `Transformer` whose tokens start at N(0, tokens_at^2) and its learned positions at N(0, positions_at^2).

    What a table holds at the start stays in it, for training adds to it and decay takes little off. Where the shape of
    the learned positions is the question, they should start small beside what is learned.
    """

    tokens_at: float = 0.02
    positions_at: float = 0.005

    def check(self) -> None:
        """Tables to scale."""
        super().check()
        if self.positions != "learned" or self.tokens_at <= 0 or self.positions_at <= 0:
            raise UserError(
                "QuietEmbeddings: positions are learned and deviations above 0, got "
                f"{self.positions!r}, {self.tokens_at}, {self.positions_at}"
            )

    def build(self, shape: Shape, streams: Streams) -> TransformerNetwork:
        """The network for a task of tokens.

        Raises: `UserError` for a task without a vocabulary.
        """
        network = super().build(shape, streams)
        if not isinstance(network.embed, Embedding):
            raise UserError("QuietEmbeddings reads tokens: the task has no vocabulary")
        assert isinstance(network.positions, Learned)
        for table, deviation in ((network.embed.weight, self.tokens_at), (network.positions.weight, self.positions_at)):
            _rescale(table, deviation / EMBEDDING)
        return network


def _rescale(table: Float[Tensor, "member row width"], factor: float) -> None:
    with torch.no_grad():
        table.mul_(factor)
