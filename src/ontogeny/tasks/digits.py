"""Handwritten digits: scikit-learn's 1,797 small pictures, drawn without repetition."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from sklearn.datasets import load_digits
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams


def digits(
    streams: Streams, size: int | None = None, classes: Sequence[int] = tuple(range(10))
) -> tuple[Float[Tensor, "member sample pixel"], Int[Tensor, "member sample"]]:
    """`size` different pictures a member of the given classes (all of them with None), and which digit each shows.

    A picture is 8 x 8 pixels from 0 to 16, row by row. Every member has its own order, drawn from its seed.

    Raises: `UserError` for more pictures than there are.
    Source: the test part of the UCI optical digits, as shipped with scikit-learn.
    """
    pixels, labels = load_digits(return_X_y=True)
    among = torch.isin(torch.as_tensor(labels), torch.tensor(tuple(classes)))
    x = torch.as_tensor(pixels)[among].to(streams.device, torch.float32)
    y = torch.as_tensor(labels)[among].to(streams.device)
    if size is not None and not 0 < size <= len(x):
        raise UserError(f"there are {len(x)} digits of the classes {tuple(classes)}, got a size of {size}")
    order = streams.permutation("order", (), len(x))[:, :size]
    return x[order], y[order]
