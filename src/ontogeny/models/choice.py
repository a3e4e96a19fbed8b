"""Choice: one of several models by name, so that an architecture can be a factor."""

from collections.abc import Mapping

from torch import nn

from ontogeny.errors import UserError, nearest
from ontogeny.models.contract import Model
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


class Choice(Model):
    """The model called `name` among `options`: `Choice(name=factor("network"), options={"a": MLP(), "b": CNN()})`."""

    name: str
    options: Mapping[str, Model]

    def check(self) -> None:
        """A known name."""
        if self.name not in self.options:
            raise UserError(f"Choice has no model {self.name!r}: {nearest(self.name, self.options)}")

    def build(self, shape: Shape, streams: Streams) -> nn.Module:
        """That model's network."""
        return self.options[self.name].build(shape, streams)
