r"""Factored linear maps: x U U^T (tied) and x U V^T (untied), the smallest networks that learn in stages.

On a loss $\frac12 \mathrm{Tr}\,(W - I) A (W - I)^T$ with $W = U U^T$ and $G = (W - I) A$ the gradient flow is
$\dot U = -(G + G^T) U$. Where W is diagonal each entry is logistic: $\dot w = 4 a w (1 - w)$, half learned at
$\ln(1 / w_0 - 1) / (4 a)$.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.errors import UserError
from ontogeny.models.contract import Model
from ontogeny.models.stacked import matmul
from ontogeny.parts import Part, PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

FLOOR = 1e-3  # of the scale: what keeps an aligned start from being singular


class Start(Part):
    """Where a factor U starts, such that U U^T is W(0). Abstract: gives `factor`."""

    scale: PerMember = 0.1

    def check(self) -> None:
        """Values that can work."""
        if isinstance(self.scale, float | int) and self.scale < 0:
            raise UserError(f"{type(self).__name__} needs a scale of 0 or more, got {self.scale}")

    def factor(self, streams: Streams, size: int, hidden: int) -> Float[Tensor, "member size hidden"]:
        """U of every member, float64."""
        raise NotImplementedError


class Gaussian(Start):
    """U_ij ~ N(0, scale / hidden), so that W(0) is scale I on average, and nearer to it the larger `hidden` is."""

    def factor(self, streams: Streams, size: int, hidden: int) -> Float[Tensor, "member size hidden"]:
        """Independent entries."""
        return (_each(self.scale, streams) / hidden).sqrt() * streams.normal("factor", (size, hidden)).double()


class SquareStart(Start):
    """Abstract: starts whose U is square, and which can be cut down to the diagonal of W(0) (`coupled` 0).

    Gradient descent keeps a diagonal tied map diagonal, to the bit: training from `coupled` 0 is training with what
    lies off the diagonal taken away from W(0) and after every update.
    """

    coupled: PerMember = 1.0

    def factor(self, streams: Streams, size: int, hidden: int) -> Float[Tensor, "member size hidden"]:
        """U, or the root of the diagonal of U U^T.

        Raises: `UserError` for a factor that is not square.
        """
        if hidden != size:
            name = type(self).__name__
            raise UserError(f"{name} starts a square factor, got hidden={hidden} for size {size}: leave hidden out")
        whole = self.whole(streams, size)
        return torch.where(_each(self.coupled, streams) != 0, whole, torch.diag_embed(whole.square().sum(-1).sqrt()))

    def whole(self, streams: Streams, size: int) -> Float[Tensor, "member size size"]:
        """U before anything is cut, float64."""
        raise NotImplementedError


class Aligned(SquareStart):
    r"""U is the symmetric root of $W(0) = \mathrm{scale}\,[(1 - c + 10^{-3}) I + c\, 1 1^T]$.

    `alignment` c is the cosine between concepts at the start: 1 makes every concept's output borrow from all others, 0
    keeps them apart, and negative ones, down to -1 / (size - 1), set them against each other. The small term keeps
    W(0) from being singular at either end, where a direction would never be learned.
    """

    alignment: PerMember = 1.0

    def whole(self, streams: Streams, size: int) -> Float[Tensor, "member size size"]:
        """Nothing is drawn.

        Raises: `UserError` for an alignment above 1 or below -1 / (size - 1).
        """
        scale, c = _each(self.scale, streams), _each(self.alignment, streams)
        along, across = 1 - c + c * size + FLOOR, 1 - c + FLOOR
        if (torch.minimum(along, across) < 0).any():
            raise UserError(
                f"Aligned: {size} concepts have an alignment from -1 / {size - 1} to 1, got {c.min():g} to {c.max():g}"
            )
        mean = torch.full((size, size), 1 / size, dtype=torch.float64, device=streams.device)
        eye = torch.eye(size, dtype=torch.float64, device=streams.device)
        return (scale * across).sqrt() * (eye - mean) + (scale * along).sqrt() * mean


class Jittered(SquareStart):
    r"""$U = \sqrt{\mathrm{scale} / s}\,(1 1^T + j \epsilon)$, $\epsilon \sim N(0, 1)$: an aligned start, but for noise.

    With `jitter` j = 0 it has rank one, and learns nothing else.
    """

    jitter: PerMember = 0.1

    def whole(self, streams: Streams, size: int) -> Float[Tensor, "member size size"]:
        """Ones and noise."""
        noise = streams.normal("factor", (size, size)).double()
        return (_each(self.scale, streams) / size).sqrt() * (1 + _each(self.jitter, streams) * noise)


class TiedLinear(Model):
    """x U U^T with U `[member, size, hidden]`; `hidden` None makes it square. Symmetric and never negative."""

    start: Start = Gaussian()
    hidden: int | None = None

    def build(self, shape: Shape, streams: Streams) -> nn.Module:
        """The network for a task whose outputs are like its inputs.

        Raises: `UserError` for another task.
        """
        size = _size("TiedLinear", shape)
        return TiedNetwork(self.start.factor(streams, size, self.hidden or size))


class UntiedLinear(Model):
    """x U V^T with both factors `[member, size, hidden]`, drawn alike and independently."""

    start: Start = Gaussian()
    hidden: int | None = None

    def build(self, shape: Shape, streams: Streams) -> nn.Module:
        """The network for a task whose outputs are like its inputs.

        Raises: `UserError` for another task.
        """
        size = _size("UntiedLinear", shape)
        each = (self.start.factor(streams.of(side), size, self.hidden or size) for side in ("input", "output"))
        return UntiedNetwork(*each)


class TiedNetwork(nn.Module):
    """x U U^T."""

    def __init__(self, factor: Float[Tensor, "member size hidden"]) -> None:
        super().__init__()
        self.factor = nn.Parameter(factor)

    def forward(self, inputs: Float[Tensor, "member sample size"]) -> Float[Tensor, "member sample size"]:
        """The map, on every sample."""
        return matmul(matmul(inputs, self.factor), self.factor.mT)


class UntiedNetwork(nn.Module):
    """x U V^T."""

    def __init__(self, input: Float[Tensor, "member size hidden"], output: Float[Tensor, "member size hidden"]) -> None:
        super().__init__()
        self.input, self.output = nn.Parameter(input), nn.Parameter(output)

    def forward(self, inputs: Float[Tensor, "member sample size"]) -> Float[Tensor, "member sample size"]:
        """The map, on every sample."""
        return matmul(matmul(inputs, self.input), self.output.mT)


def _each(value: PerMember, streams: Streams) -> Float[Tensor, "member 1 1"]:
    return torch.as_tensor(value, dtype=torch.float64, device=streams.device).expand(streams.members)[:, None, None]


def _size(owner: str, shape: Shape) -> int:
    if shape.features is None or shape.features != shape.outputs or shape.length is not None:
        raise UserError(f"{owner}: it maps vectors to vectors of one size, the task has {shape}")
    return shape.features
