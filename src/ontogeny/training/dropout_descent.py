r"""Linear regression under dropout of its inputs, by gradient descent with fresh masks and in closed form.

With inputs kept with probability q and divided by q, the expected loss has the minimiser

$$\Big(X^T X + \tfrac{1 - q}{q}\, \mathrm{diag}(X^T X)\Big)^{-1} X^T y$$

a ridge regression that penalises every input by its own size. Sources: Wager, Wang & Liang, arXiv 1307.1493;
Srivastava et al. (2014), section 9.1.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.models.dropout import dropout
from ontogeny.models.stacked import matmul
from ontogeny.streams import Streams

AHEAD = 20  # steps whose masks are drawn at once


def dropout_ridge(
    x: Float[Tensor, "*lead sample feature"], y: Float[Tensor, "*lead sample"], keep: float
) -> Float[Tensor, "*lead feature"]:
    """The minimiser above; least squares for `keep` = 1.

    Raises: `UserError` for a `keep` that is not above 0 and at most 1.
    """
    if not 0 < keep <= 1:
        raise UserError(f"dropout keeps with a probability above 0 and up to 1, got {keep}")
    gram = x.mT @ x
    penalty = torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1)) * ((1 - keep) / keep)
    return torch.linalg.solve(gram + penalty, (x.mT @ y[..., None]))[..., 0]


def dropout_descent(
    x: Float[Tensor, "member sample feature"],
    y: Float[Tensor, "member sample"],
    keep: float,
    streams: Streams,
    *,
    rate: float = 0.05,
    steps: int = 6_000,
    averaged_from: int = 2_000,
) -> Float[Tensor, "member feature"]:
    """Weights from 0 by full-batch descent on half the mean squared error, averaged from a step on.

    Every step has a fresh mask of all inputs.
    """
    w = x.new_zeros(x.shape[0], x.shape[2], 1)
    total = torch.zeros_like(w)
    for start in range(0, steps, AHEAD):
        now = streams.at(*range(start, start + AHEAD))
        blocks = dropout(x.repeat(1, AHEAD, 1), keep, now).split(x.shape[1], 1)
        for step, dropped in enumerate(blocks[: steps - start], start):
            w = w - rate / x.shape[1] * matmul(dropped.mT, matmul(dropped, w) - y[..., None])
            if step >= averaged_from:
                total = total + w
    return (total / (steps - averaged_from))[..., 0]


def dropout_against_ridge(streams: Streams, keep: float, *, steps: int) -> dict[str, Labelled]:
    """Weights after descent with dropout, by least squares and by `dropout_ridge`, and how far both are from the last.

    200 points N(0, I) in 20 dimensions, a teacher N(0, I) and noise N(0, 1). `dropout_distance` and
    `least_squares_distance` are relative to the length of `ridge`; iterates are averaged over the last two thirds.
    """
    x, noise = streams.normal("inputs", (200, 20)).double(), streams.normal("noise", (200,)).double()
    y = (x @ streams.normal("teacher", (20, 1)).double())[..., 0] + noise
    ridge = dropout_ridge(x, y, keep)
    averaged = dropout_descent(x, y, keep, streams.of("masks"), steps=steps, averaged_from=steps // 3)
    values = {"ridge": Labelled(ridge.cpu(), ("member", "input"))}
    for name, w in (("dropout", averaged), ("least_squares", dropout_ridge(x, y, 1.0))):
        values[name] = Labelled(w.cpu(), ("member", "input"))
        values[f"{name}_distance"] = Labelled(((w - ridge).norm(dim=-1) / ridge.norm(dim=-1)).cpu(), ("member",))
    return values
