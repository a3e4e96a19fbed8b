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
