r"""Gradient descent on a two-layer network that starts at 0, until its training loss is small.

The step on half the sum of squares is $1 / (\alpha^2 \lambda_{max}(K))$, with K the tangent kernel at the start: as
large as one that certainly lowers the loss of the linearised network.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.measures.kernel_ridge import kernel_ridge
from ontogeny.models.two_layer import Network, lazy_network, linearised_network, tangent_kernel, unit_neurons
from ontogeny.streams import Streams
from ontogeny.tasks.isotropic_regression import IsotropicRegression

NETWORKS = {"lazy": lazy_network, "linearised": linearised_network}


@dataclass(frozen=True)
class Descended:
    """Where a descent ended: weights, mean squared error, and updates made."""

    weights: Float[Tensor, "neuron dimension"]
    loss: float
    updates: int


def lazy_descent(
    network: Network,
    start: Float[Tensor, "neuron dimension"],
    x: Float[Tensor, "point dimension"],
    targets: Float[Tensor, "point"],
    *,
    rate: float,
    until: float = 1e-4,
    most: int = 10_000,
) -> Descended:
    """Descends on half the sum of squared errors, full batch, until their mean is below `until`, or `most` updates.

    A loss that stops being finite ends the descent as well.
    """
    w = start.clone()
    for update in range(most + 1):
        with torch.enable_grad():
            free = w.detach().requires_grad_()
            squares = (network(free, x) - targets).square()
            loss = float(squares.detach().mean())
            if loss < until or loss != loss or update == most:
                break
            (slope,) = torch.autograd.grad(0.5 * squares.sum(), free)
        w = w - rate * slope
    return Descended(w, loss, update)


def train_lazily(
    streams: Streams, network: str, alpha: float, dimensions: int, noise: float, neurons: int, tested: int
) -> dict[str, Labelled]:
    """How far gradient descent on a true ReLU network ends from the interpolant of its tangent kernel. For a `Trial`.

    `gap` is the distance of test predictions over the size of the interpolant's, `moved` that of weights over theirs.
    `network` is "lazy", or "linearised" for slopes frozen at the start. There are twice as many points as dimensions.
    """
    task = IsotropicRegression(dimensions=dimensions, noise=noise)
    (x, y, _), (test, _, _) = task.draw(streams, "points", 2 * dimensions), task.draw(streams, "test", tested)
    w = unit_neurons(streams, neurons, dimensions)
    signs = 2.0 * streams.bernoulli("signs", (neurons,), 0.5)[0].double() - 1.0
    kernel, outputs = tangent_kernel(x, x, w, "relu"), NETWORKS[network](w, signs, alpha, "relu")
    rate = 1.0 / (alpha**2 * float(torch.linalg.eigvalsh(kernel)[-1]))
    ended = lazy_descent(outputs, w, x, y, rate=rate)
    interpolant = tangent_kernel(test, x, w, "relu") @ kernel_ridge(kernel, y)
    values = dict(
        gap=(outputs(ended.weights, test) - interpolant).norm() / interpolant.norm(),
        moved=(ended.weights - w).norm() / w.norm(),
        loss=torch.tensor(ended.loss),
        updates=torch.tensor(ended.updates),
    )
    return {name: Labelled(value.double().cpu().view(1), ("member",)) for name, value in values.items()}
