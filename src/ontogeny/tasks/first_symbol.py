"""First symbol: report what came first, after everything else has come."""

from typing import Any

import torch.nn.functional as F

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


class FirstSymbol(Task):
    """`length` symbols one after another, of which the first is asked for when the last is there.

        step      1  2  3 ... T
        input     c  a  g ... b     (one-hot, each of `symbols` as likely)
        target                c     (one a sample)

    It can be told without error, and by chance one time in `symbols`. How long a network has to remember is `length`.
    Source: a version of the delayed recall of Hochreiter & Schmidhuber (1997), "Long short-term memory".
    """

    length: int
    symbols: int = 8

    def check(self) -> None:
        """A step and two symbols at least."""
        if self.length < 1 or self.symbols < 2:
            raise UserError(
                f"FirstSymbol has 1 step and 2 symbols or more, got length={self.length}, symbols={self.symbols}"
            )

    @property
    def shape(self) -> Shape:
        """One-hot steps in, a symbol out."""
        return Shape(features=self.symbols, outputs=self.symbols, length=self.length)

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """`size` sequences a member."""
        symbols = streams.integers("symbols", (size, self.length), self.symbols)
        return Batch(inputs=F.one_hot(symbols, self.symbols).float(), targets=symbols[:, :, 0])
