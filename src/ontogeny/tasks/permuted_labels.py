"""Permuted labels: digits whose training labels may have been dealt out anew, so that there is nothing to learn."""

from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.tasks.digits import Digits, Pictures


@dataclass(frozen=True)
class Labelling:
    """Pictures, and the label that each training picture is given, in the member's order."""

    pictures: Pictures
    given: Int[Tensor, "member picture"]


class PermutedLabels(Task):
    """The digits of `Digits`, with true labels or with those of other training pictures, each used as often.

        inputs    64 pixels from 0 to 1
        targets   0 to 9: in training the label given, when measured the true one of a held-out picture

    With permuted labels a network can only memorise; on new pictures the best it can do is chance, about 1/10.
    Source: Zhang et al., arXiv 1611.03530.
    """

    labels: Literal["true", "permuted"] = "permuted"
    trained: int = 1_437
    held_out: bool = False

    def check(self) -> None:
        """Known labels, and pictures on both sides."""
        if self.labels not in ("true", "permuted"):
            raise UserError(f"PermutedLabels: labels are 'true' or 'permuted', got {self.labels!r}")
        Digits(trained=self.trained)

    @property
    def shape(self) -> Shape:
        """Pixels in, digits out."""
        return Digits().shape

    def world(self, streams: Streams) -> Labelling:
        """Every member's own split, and its own permutation."""
        pictures = Digits(trained=self.trained).world(streams)
        given = pictures.labels[pictures.order[:, : self.trained]]
        if self.labels == "permuted":
            given = given.gather(1, streams.permutation("labels", (), self.trained))
        return Labelling(pictures, given)

    def evaluated(self, world: Labelling) -> tuple[Task, Any]:
        """The held-out pictures, with true labels."""
        return self.replace(held_out=True), world

    def sample(self, world: Labelling, streams: Streams, size: int) -> Batch:
        """`size` pictures a member.

        Raises: `UserError` for more held-out pictures than there are.
        """
        if self.held_out:
            return Digits(trained=self.trained, held_out=True).sample(world.pictures, streams, size)
        place = streams.integers("picture", (size,), self.trained)
        chosen = world.pictures.order.gather(1, place)
        return Batch(inputs=world.pictures.pixels[chosen], targets=world.given.gather(1, place))

    def everything(self, world: Labelling) -> Batch:
        """All training pictures with the labels given."""
        return Batch(inputs=world.pictures.pixels[world.pictures.order[:, : self.trained]], targets=world.given)
