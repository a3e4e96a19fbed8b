r"""Two-layer networks near their start: activations with their slopes, tangent features and kernels in closed form.

$$F(x; W) = \frac{\alpha}{\sqrt{N d}} \sum_{k \le N} b_k
\big[s(\langle w_k, x\rangle) - s(\langle w_k(0), x\rangle)\big]$$

with $b_k = \pm 1$ fixed. Its linearisation at the start, in $a = b_k (w_k - w_k(0))$, has the features
$s'(\langle w_k, x\rangle)\, x / \sqrt{N d}$, N d in number, and their products are the neural tangent kernel (Jacot,
Gabriel & Hongler, arXiv 1806.07572; the normalisation is that of Montanari & Zhong, arXiv 2007.12826).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ontogeny.streams import Streams

Function = Callable[[Tensor], Tensor]
Network = Callable[[Tensor, Tensor], Tensor]
"""Outputs `[point]` of weights `[neuron, dimension]` and points `[point, dimension]`."""


@dataclass(frozen=True)
class Activation:
    """A function with its derivative, and the places where the derivative jumps."""

    value: Function
    slope: Function
    jumps: tuple[float, ...] = ()


def _gelu_slope(z: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    gauss = torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return 0.5 * (1 + torch.erf(z / math.sqrt(2.0))) + z * gauss


SLOPED: dict[str, Activation] = {
    "relu": Activation(torch.relu, lambda z: (z > 0).to(z.dtype), jumps=(0.0,)),
    "shifted_relu": Activation(lambda z: torch.relu(z - 0.5), lambda z: (z > 0.5).to(z.dtype), jumps=(0.5,)),
    "tanh": Activation(torch.tanh, lambda z: 1 - torch.tanh(z).square()),
    "gelu": Activation(F.gelu, _gelu_slope),
    "linear": Activation(lambda z: z, torch.ones_like),
}
"""Activations by name. The slope of a ReLU is 0 where it jumps."""


def unit_neurons(streams: Streams, neurons: int, dimensions: int) -> Float[Tensor, "neuron dimension"]:
    """Weights of one member, uniform on the unit sphere, float64. Fewer neurons are the first of more."""
    w = streams.normal("neurons", (neurons, dimensions))[0].double()
    return w / w.norm(dim=-1, keepdim=True)


def tangent_features(
    x: Float[Tensor, "point dimension"], w: Float[Tensor, "neuron dimension"], activation: str
) -> Float[Tensor, "point feature"]:
    r"""$s'(\langle w_k, x\rangle)\, x / \sqrt{N d}$, neuron by neuron: `neuron * dimension` features of each point."""
    slopes = SLOPED[activation].slope(x @ w.T)
    return (slopes[:, :, None] * x[:, None]).flatten(1) / math.sqrt(w.numel())


def tangent_kernel(
    x: Float[Tensor, "point dimension"],
    other: Float[Tensor, "other dimension"],
    w: Float[Tensor, "neuron dimension"],
    activation: str,
) -> Float[Tensor, "point other"]:
    r"""$\frac{\langle x, x'\rangle}{d} \frac1N \sum_k s'(\langle w_k, x\rangle)\, s'(\langle w_k, x'\rangle)$.

    The products of `tangent_features`, in O(point * other * neuron) instead of dimension times that.
    """
    slope = SLOPED[activation].slope
    return (x @ other.T / x.shape[1]) * (slope(x @ w.T) @ slope(other @ w.T).T / len(w))


def infinite_relu_kernel(
    x: Float[Tensor, "point dimension"], other: Float[Tensor, "other dimension"]
) -> Float[Tensor, "point other"]:
    r"""`tangent_kernel` of ReLU for infinitely many neurons, of points at a distance sqrt(d) from 0.

    $$K(x, x') = c\, \frac{\pi - \arccos c}{2 \pi}, \qquad c = \langle x, x'\rangle / d$$

    1/2 for a point with itself. Source: Cho & Saul (2009), the arc-cosine kernel of degree 0.
    """
    c = x @ other.T / x.shape[1]
    return c * (math.pi - torch.arccos(c.clamp(-1.0, 1.0))) / (2 * math.pi)


def lazy_network(
    start: Float[Tensor, "neuron dimension"], signs: Float[Tensor, "neuron"], scale: float, activation: str
) -> Network:
    """The network above as a function of weights and points; 0 everywhere at its start."""
    s, size = SLOPED[activation].value, scale / math.sqrt(start.numel())

    def outputs(w: Tensor, x: Tensor) -> Tensor:
        return size * ((s(x @ w.T) - s(x @ start.T)) @ signs)

    return outputs


def linearised_network(
    start: Float[Tensor, "neuron dimension"], signs: Float[Tensor, "neuron"], scale: float, activation: str
) -> Network:
    """`lazy_network` with the slopes of its activations frozen as they are at the start: linear in the weights."""
    slope, size = SLOPED[activation].slope, scale / math.sqrt(start.numel())

    def outputs(w: Tensor, x: Tensor) -> Tensor:
        return size * ((slope(x @ start.T) * (x @ (w - start).T)) @ signs)

    return outputs
