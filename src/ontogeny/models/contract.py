"""What a model is: an architecture that is always built as a population."""

from torch import nn

from ontogeny.parts import Part
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


class Model(Part):
    """An architecture. Abstract: gives `build`."""

    def build(self, shape: Shape, streams: Streams) -> nn.Module:
        """A network of stacked modules: every parameter is `[member, ...]`, drawn from that member's stream.

        Its `forward` takes `inputs [member, sample, ...]` and gives `outputs [member, sample, ..., shape.outputs]`. One
        that answers at every position also takes `since`, a position, and gives the outputs from there on.

        Raises: `UserError` for a task that does not fit.
        """
        raise NotImplementedError
