"""Regression with the tangent features of a two-layer network: what it memorises, how it generalises.

Both are functions for a `Trial`: they draw a member's own data and neurons, and solve in float64.
"""

import torch

from ontogeny.labelled import Labelled
from ontogeny.measures.hermite import self_induced_penalty
from ontogeny.measures.interpolation import least_squares_residual
from ontogeny.measures.kernel_ridge import closest_penalty, excess_error, kernel_ridge, linear_kernel
from ontogeny.models.two_layer import infinite_relu_kernel, tangent_features, tangent_kernel, unit_neurons
from ontogeny.streams import Streams
from ontogeny.tasks.isotropic_regression import IsotropicRegression

CROWDING = 4  # points a dimension where labels are random


def single(**values: torch.Tensor | float) -> dict[str, Labelled]:
    """Numbers of one member."""
    numbers = {name: torch.as_tensor(value, dtype=torch.float64).cpu() for name, value in values.items()}
    return {name: Labelled(number.view(1), ("member",)) for name, number in numbers.items()}


def memorise(streams: Streams, activation: str, dimensions: int, ratio: float) -> dict[str, Labelled]:
    """Rank and residual of tangent features on random labels. Ratios of one seed share points and first neurons."""
    n = CROWDING * dimensions
    x, y, _ = IsotropicRegression(dimensions=dimensions, noise=0.0, target="signs").draw(streams, "points", n)
    w = unit_neurons(streams, round(ratio * CROWDING), dimensions)
    rank, residual = least_squares_residual(tangent_features(x, w, activation), y)
    return single(rank=rank / n, residual=residual)


def generalise(
    streams: Streams,
    activation: str,
    delta: float,
    ratio: float,
    penalty: float,
    dimensions: int,
    noise: float,
    tested: int,
) -> dict[str, Labelled]:
    """The least eigenvalue of the tangent kernel, and its predictor's error beside its rivals', all on the same data.

    `delta` is points a dimension, `ratio` parameters a point.
    """
    task, n = IsotropicRegression(dimensions=dimensions, noise=noise), round(delta * dimensions)
    (x, y, _), (test, _, clean) = task.draw(streams, "points", n), task.draw(streams, "test", tested)
    w, gamma = unit_neurons(streams, round(ratio * delta), dimensions), self_induced_penalty(activation, penalty)
    kernel, linear, across = tangent_kernel(x, x, w, activation), linear_kernel(x, x), linear_kernel(test, x)
    predictions = tangent_kernel(test, x, w, activation) @ kernel_ridge(kernel, y, penalty)
    values = dict(
        least_eigenvalue=torch.linalg.eigvalsh(kernel)[0],
        error=(predictions - clean).square().mean(),
        ridge_error=excess_error(linear, across, y, clean, max(gamma, 0.0)),
        unpenalised_error=excess_error(linear, across, y, clean),
        acts_like=closest_penalty(x, y, test, predictions),
        gamma=gamma,
    )
    if activation == "relu":
        anew = streams.of(f"drawn anew for {ratio:g}")
        values["infinite_error"] = excess_error(infinite_relu_kernel(x, x), infinite_relu_kernel(test, x), y, clean)
        (x, y, _), (test, _, clean) = task.draw(anew, "points", n), task.draw(anew, "test", tested)
        values["ridge_error_anew"] = excess_error(linear_kernel(x, x), linear_kernel(test, x), y, clean, gamma)
        values["infinite_error_anew"] = excess_error(
            infinite_relu_kernel(x, x), infinite_relu_kernel(test, x), y, clean
        )
    return single(**values)
