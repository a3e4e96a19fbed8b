"""Linear: a stacked affine map."""

from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.models import initial
from ontogeny.models.stacked import affine
from ontogeny.streams import Streams


class Linear(nn.Module):
    """`x W + b` for every member, with `weight [member, input, output]`.

    Weights start as N(0, (deviation * scale)^2), by default with deviation 1 / sqrt(inputs); biases at 0.
    """

    def __init__(
        self,
        streams: Streams,
        inputs: int,
        outputs: int,
        *,
        bias: bool = True,
        deviation: float | None = None,
        scale: float | Tensor = 1.0,
    ) -> None:
        super().__init__()
        self.weight = initial.normal(streams, (inputs, outputs), deviation or inputs**-0.5, scale)
        self.bias = initial.constant(streams, (outputs,), 0.0) if bias else None

    def forward(self, x: Float[Tensor, "member *rows input"]) -> Float[Tensor, "member *rows output"]:
        """The map, over any number of row axes."""
        return affine(x, self.weight, self.bias)

    def part(self, x: Float[Tensor, "member *rows input"], outputs: slice) -> Float[Tensor, "member *rows some"]:
        """Some of its outputs alone."""
        return affine(x, self.weight[..., outputs], None if self.bias is None else self.bias[:, outputs])
