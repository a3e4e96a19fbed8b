"""MLP: stacked fully connected layers, as a model of its own and as a transformer's second branch."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.errors import UserError, nearest
from ontogeny.models.contract import Model
from ontogeny.models.embedding import Embedding
from ontogeny.models.layer_norm import normalised
from ontogeny.models.linear import Linear
from ontogeny.models.sites import Site
from ontogeny.models.stacked import ACTIVATIONS, identity
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


class MLPBranch(nn.Module):
    """`activation(x W_in + b_in) W_out + b_out`: a transformer's position-wise branch."""

    def __init__(
        self,
        streams: Streams,
        width: int,
        hidden: int,
        *,
        activation: str,
        bias: bool = True,
        output_deviation: float | None = None,
        scale: float | Tensor = 1.0,
    ) -> None:
        super().__init__()
        self.input = Linear(streams.of("input"), width, hidden, bias=bias, scale=scale)
        self.output = Linear(streams.of("output"), hidden, width, bias=bias, deviation=output_deviation, scale=scale)
        self.activation = ACTIVATIONS[activation]
        self.hook_pre, self.hook_post, self.hook_out = Site(), Site(), Site()

    def forward(self, x: Float[Tensor, "member *rows width"]) -> Float[Tensor, "member *rows width"]:
        """What the branch writes, before it is added to the stream."""
        hidden = self.hook_post(self.activation(self.hook_pre(self.input(x))))
        return self.hook_out(self.output(hidden))


class MLP(Model):
    """A fully connected network of `layers` weight matrices (1 is a linear model), read off once a sample.

    Features go in as they are, several positions side by side; tokens go in as embeddings of size `width`, again side
    by side. Weights start as N(0, init_scale^2 / fan_in), embeddings as N(0, init_scale^2), biases at 0.

    With `normalise` every hidden layer is normalised before its activation, without gain or bias: as long as its own
    bias is 0 the network does not depend on the length of the weights in front (but for the 1e-5 under the root).
    """

    layers: int = 2
    width: int = 64
    activation: str = "relu"
    bias: bool = True
    normalise: bool = False
    init_scale: PerMember = 1.0

    def check(self) -> None:
        """One layer and one unit at least, and a known activation."""
        if self.layers < 1 or self.width < 1:
            raise UserError(f"MLP: layers and width are 1 or more, got {self.layers} and {self.width}")
        check_activation("MLP", self.activation)

    def build(self, shape: Shape, streams: Streams) -> "MLPNetwork":
        """The network for a task of this shape.

        Raises: `UserError` for a task with neither tokens nor features.
        """
        if shape.vocabulary is None and shape.features is None:
            raise UserError("MLP: the task has neither a vocabulary nor features: give its Shape one of them")
        return MLPNetwork(self, shape, streams)


class MLPNetwork(nn.Module):
    """A stacked MLP. Sites: `hook_embed`, `layers.0.hook_pre`, `layers.0.hook_post`, ..."""

    def __init__(self, model: MLP, shape: Shape, streams: Streams) -> None:
        super().__init__()
        scale = model.init_scale
        self.embed = None
        if shape.vocabulary is not None:
            self.embed = Embedding(streams.of("embed"), shape.vocabulary, model.width, scale=scale)
        size = shape.features if self.embed is None else model.width
        assert size is not None
        self.inputs = size * (shape.length or 1)
        sizes = [self.inputs, *[model.width] * (model.layers - 1)]
        self.layers = nn.ModuleList(
            HiddenLayer(streams.of(f"layers.{i}"), before, after, model)
            for i, (before, after) in enumerate(pairwise(sizes))
        )
        self.output = Linear(streams.of("output"), sizes[-1], shape.outputs, bias=model.bias, scale=scale)
        self.hook_embed = Site()

    def forward(self, inputs: Tensor) -> Float[Tensor, "member sample output"]:
        """Outputs for features `[member, sample, (position,) feature]` or tokens `[member, sample, (position)]`."""
        x = inputs if self.embed is None else self.hook_embed(self.embed(inputs))
        x = x.reshape(*x.shape[:2], self.inputs)
        for layer in self.layers:
            x = layer(x)
        return self.output(x)


class HiddenLayer(nn.Module):
    """`activation(x W + b)`, or with `normalise` the activation of its normalised rows."""

    def __init__(self, streams: Streams, inputs: int, outputs: int, model: MLP) -> None:
        super().__init__()
        self.map = Linear(streams, inputs, outputs, bias=model.bias, scale=model.init_scale)
        self.activation = ACTIVATIONS[model.activation]
        self.scaled = normalised if model.normalise else identity
        self.hook_pre, self.hook_post = Site(), Site()

    def forward(self, x: Float[Tensor, "member sample input"]) -> Float[Tensor, "member sample output"]:
        """The layer's units."""
        return self.hook_post(self.activation(self.hook_pre(self.scaled(self.map(x)))))


def check_activation(owner: str, name: str) -> None:
    """Raises `UserError` for an activation that is not known."""
    if name not in ACTIVATIONS:
        raise UserError(f"{owner}: no activation {name!r}: {nearest(name, ACTIVATIONS)}")
