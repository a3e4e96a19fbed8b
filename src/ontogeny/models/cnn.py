"""CNN: a stacked convolution over a signal, whose largest response anywhere decides."""

from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.errors import UserError
from ontogeny.models import initial
from ontogeny.models.contract import Model
from ontogeny.models.linear import Linear
from ontogeny.models.sites import Site
from ontogeny.models.stacked import ACTIVATIONS, affine
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


class Convolution(nn.Module):
    """`filters` windows of `size` slid over a signal, `weight [member, size, filter]`: one stride, no padding.

    Response i is `sum_j x[i + j] weight[j] + bias`, as in `torch.nn.Conv1d` with one channel. Weights start as
    N(0, 1 / size), biases at 0.
    """

    def __init__(self, streams: Streams, size: int, filters: int) -> None:
        super().__init__()
        self.weight = initial.normal(streams, (size, filters), size**-0.5)
        self.bias = initial.constant(streams, (filters,), 0.0)

    def forward(self, x: Float[Tensor, "member sample place"]) -> Float[Tensor, "member sample window filter"]:
        """Responses of every filter at every place where it fits."""
        return affine(x.unfold(2, self.weight.shape[1], 1).contiguous(), self.weight, self.bias)


class CNN(Model):
    """One convolution, ReLU, the maximum over places, and a linear map: what it sees it sees wherever it is.

    The signal is the task's features, in their order.
    """

    filters: int = 16
    size: int = 5

    def check(self) -> None:
        """A filter at least, of a place or more."""
        if self.filters < 1 or self.size < 1:
            raise UserError(f"CNN: filters and size are 1 or more, got {self.filters} and {self.size}")

    def build(self, shape: Shape, streams: Streams) -> "CNNNetwork":
        """The network for a task of this shape.

        Raises: `UserError` for a task without features, or with fewer than the filters' size.
        """
        if shape.features is None or shape.length is not None or shape.features < self.size:
            raise UserError(f"CNN: filters of size {self.size} need a task with as many features in a row, got {shape}")
        return CNNNetwork(self, shape, streams)


class CNNNetwork(nn.Module):
    """A stacked CNN. Sites: `hook_pre` and `hook_pooled`."""

    def __init__(self, model: CNN, shape: Shape, streams: Streams) -> None:
        super().__init__()
        self.convolution = Convolution(streams.of("convolution"), model.size, model.filters)
        self.output = Linear(streams.of("output"), model.filters, shape.outputs)
        self.activation = ACTIVATIONS["relu"]
        self.hook_pre, self.hook_pooled = Site(), Site()

    def forward(self, inputs: Float[Tensor, "member sample place"]) -> Float[Tensor, "member sample output"]:
        """Outputs for signals."""
        pooled = self.activation(self.hook_pre(self.convolution(inputs))).amax(2)
        return self.output(self.hook_pooled(pooled))
