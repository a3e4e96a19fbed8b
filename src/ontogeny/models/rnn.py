"""RNN: recurrent populations, vanilla (tanh or relu), GRU and LSTM."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.errors import UserError, nearest
from ontogeny.models import initial
from ontogeny.models.contract import Model
from ontogeny.models.embedding import Embedding
from ontogeny.models.sites import Site
from ontogeny.models.stacked import ACTIVATIONS, affine, matmul, sigmoid
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

GATES = {"tanh": 1, "relu": 1, "gru": 3, "lstm": 4}


class RNN(Model):
    """A recurrent network that answers at every step, from a state of zeros. Tokens go in as embeddings of `width`.

    Initial weights and biases are uniform within 1 / sqrt(width), as in `torch.nn`, embeddings N(0, 1); `init_scale`
    multiplies them all. `forget_bias` is where the biases of an LSTM's forget gates start instead: a gate then keeps
    about 1 / (1 + exp(-forget_bias)) of its cell a step, whatever `init_scale` is.
    """

    cell: Literal["tanh", "relu", "gru", "lstm"] = "tanh"
    layers: int = 1
    width: int = 64
    bias: bool = True
    init_scale: PerMember = 1.0
    forget_bias: float | None = None

    def check(self) -> None:
        """One layer and one unit at least, a known cell, and forget gates with biases where those are given."""
        if self.layers < 1 or self.width < 1:
            raise UserError(f"RNN: layers and width are 1 or more, got {self.layers} and {self.width}")
        if self.cell not in GATES:
            raise UserError(f"RNN: no cell {self.cell!r}: {nearest(self.cell, GATES)}")
        if self.forget_bias is not None and not (self.cell == "lstm" and self.bias):
            raise UserError(f"RNN: forget_bias is for an lstm with biases, got cell={self.cell!r}, bias={self.bias}")

    def build(self, shape: Shape, streams: Streams) -> "RNNNetwork":
        """The network for a task of this shape.

        Raises: `UserError` for a task with neither tokens nor features.
        """
        if shape.vocabulary is None and shape.features is None:
            raise UserError("RNN: the task has neither a vocabulary nor features: give its Shape one of them")
        return RNNNetwork(self, shape, streams)


class RNNNetwork(nn.Module):
    """A stacked recurrent network. Sites: `hook_embed` (of tokens) and each layer's states, `layers.0.hook_out`."""

    def __init__(self, model: RNN, shape: Shape, streams: Streams) -> None:
        super().__init__()
        self.embed: Embedding | None = None
        inputs = shape.features
        if shape.vocabulary is not None:
            self.embed = Embedding(streams.of("embed"), shape.vocabulary, model.width, scale=model.init_scale)
            inputs = model.width
        assert inputs is not None
        sizes = [inputs, *[model.width] * (model.layers - 1)]
        self.layers = nn.ModuleList(
            CELLS[model.cell](streams.of(f"layers.{i}"), size, model) for i, size in enumerate(sizes)
        )
        self.output = UniformLinear(
            streams.of("output"), model.width, shape.outputs, model.width**-0.5, model.bias, model.init_scale
        )
        self.hook_embed = Site()

    def forward(self, inputs: Tensor, since: int = 0) -> Float[Tensor, "member sample step output"]:
        """Outputs from a step on, for tokens `[member, sample, step]` or features `[member, sample, step, feature]`."""
        x = inputs if self.embed is None else self.hook_embed(self.embed(inputs))
        for layer in self.layers:
            x = layer(x)
        return self.output(x[:, :, since:])


class UniformLinear(nn.Module):
    """`x W + b` that starts uniform within `bound`, the biases too."""

    def __init__(
        self, streams: Streams, inputs: int, outputs: int, bound: float, bias: bool, scale: float | Tensor
    ) -> None:
        super().__init__()
        self.weight = initial.uniform(streams, "weight", (inputs, outputs), bound, scale)
        self.bias = initial.uniform(streams, "bias", (outputs,), bound, scale) if bias else None

    def forward(self, x: Float[Tensor, "member *rows input"]) -> Float[Tensor, "member *rows output"]:
        """The map, over any number of row axes."""
        return affine(x, self.weight, self.bias)


class Recurrence(nn.Module):
    """A layer of recurrent units. Abstract: a cell gives `states`."""

    def __init__(self, streams: Streams, inputs: int, model: RNN) -> None:
        super().__init__()
        gates, bound, scale = GATES[model.cell] * model.width, model.width**-0.5, model.init_scale
        self.input = UniformLinear(streams.of("input"), inputs, gates, bound, model.bias, scale)
        self.hidden = UniformLinear(
            streams.of("hidden"), model.width, gates, bound, model.bias and model.cell == "gru", scale
        )
        self.hook_out = Site()

    def forward(self, x: Float[Tensor, "member sample step input"]) -> Float[Tensor, "member sample step width"]:
        """The state after every step."""
        driven = self.input(x.transpose(1, 2))  # [member, step, sample, gates]: a step's samples lie together
        zero = driven.new_zeros(*x.shape[:2], self.hidden.weight.shape[1])
        return self.hook_out(torch.stack(self.states(list(driven.unbind(1)), zero), 2))

    def states(
        self, driven: list[Float[Tensor, "member sample gates"]], h: Float[Tensor, "member sample width"]
    ) -> list[Float[Tensor, "member sample width"]]:
        """States from what the inputs drive and a first state."""
        raise NotImplementedError


class Vanilla(Recurrence):
    """`h = f(x W + h U + b)`."""

    def __init__(self, streams: Streams, inputs: int, model: RNN) -> None:
        super().__init__(streams, inputs, model)
        self.activation = ACTIVATIONS[model.cell]

    def states(
        self, driven: list[Float[Tensor, "member sample gates"]], h: Float[Tensor, "member sample width"]
    ) -> list[Float[Tensor, "member sample width"]]:
        """One state a step."""
        states = []
        for x in driven:
            h = self.activation(matmul(h, self.hidden.weight, plus=x))
            states.append(h)
        return states


class GRU(Recurrence):
    """`h = (1 - z) n + z h` with `n = tanh(x W_n + r (h U_n + c_n))`, gates in the order r, z, n.

    Source: Cho et al., arXiv 1406.1078, with the reset after the product, as in `torch.nn.GRU`.
    """

    def states(
        self, driven: list[Float[Tensor, "member sample gates"]], h: Float[Tensor, "member sample width"]
    ) -> list[Float[Tensor, "member sample width"]]:
        """One state a step."""
        states, width = [], h.shape[-1]
        for x in driven:
            xg, xn = x.split([2 * width, width], -1)
            hg, hn = self.hidden(h).split([2 * width, width], -1)
            r, z = sigmoid(xg + hg).chunk(2, -1)
            n = torch.tanh(xn + r * hn)
            h = n + z * (h - n)
            states.append(h)
        return states


class LSTM(Recurrence):
    """`c = f c + i g`, `h = o tanh(c)`, gates in the order i, f, g, o (Hochreiter & Schmidhuber 1997)."""

    def __init__(self, streams: Streams, inputs: int, model: RNN) -> None:
        super().__init__(streams, inputs, model)
        if model.forget_bias is not None:
            assert self.input.bias is not None
            with torch.no_grad():
                self.input.bias[:, model.width : 2 * model.width] = model.forget_bias

    def states(
        self, driven: list[Float[Tensor, "member sample gates"]], h: Float[Tensor, "member sample width"]
    ) -> list[Float[Tensor, "member sample width"]]:
        """One state a step."""
        states, width, c = [], h.shape[-1], torch.zeros_like(h)
        for x in driven:
            gates, g, o = matmul(h, self.hidden.weight, plus=x).split([2 * width, width, width], -1)
            i, f = sigmoid(gates).chunk(2, -1)
            c = f * c + i * torch.tanh(g)
            h = sigmoid(o) * torch.tanh(c)
            states.append(h)
        return states


CELLS: dict[str, type[Recurrence]] = {"tanh": Vanilla, "relu": Vanilla, "gru": GRU, "lstm": LSTM}
