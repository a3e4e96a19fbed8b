r"""Gradient descent on a linear classifier, and how far it is from the direction of the largest margin.

On separable points the logistic loss has no minimiser: weights grow without end, and their direction tends to that of
the largest margin like 1 / ln t. Source: Soudry et al., arXiv 1710.10345.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.measures.margin import largest_margin_direction
from ontogeny.streams import Streams


def margin_angles(
    halfspaces: Float[Tensor, "point dimension"], loss: Literal["logistic", "square"], at: Sequence[int]
) -> Float[Tensor, "step"]:
    r"""Angle in radians, at some steps, between weights trained from 0 and the direction of the largest margin.

    On z = y x the logistic loss is the mean of ln(1 + exp(-<w, z>)), with steps of 1 / L for L = |Z|^2 / (4 n), the
    most that it curves; the square loss is half the mean of (1 - <w, z>)^2, with L = |Z|^2 / n. NaN where the points
    cannot be separated.
    """
    z = halfspaces.double().cpu()
    best, n = largest_margin_direction(z), len(z)
    curvature = float(torch.linalg.matrix_norm(z, 2)) ** 2 / n / (4.0 if loss == "logistic" else 1.0)
    w, angles, table = torch.zeros_like(z[0]), {}, z.mT / (n * curvature)
    for step in range(1, max(at) + 1):
        along = z @ w
        pull = 0.5 * (1 - torch.tanh(0.5 * along)) if loss == "logistic" else 1 - along
        w = w + table @ pull
        if step in at:
            angles[step] = _angle(w, best)
    return torch.stack([angles[step] for step in at])


def _angle(w: Tensor, best: Tensor) -> Tensor:
    unit = w / w.norm()
    # Of small angles arccos keeps half of the digits: half the chord's arcsine keeps all.
    return 2 * torch.arcsin(((unit - best).norm() / 2).clamp(max=1.0))


def turn_to_margin(
    streams: Streams, loss: Literal["logistic", "square"], *, steps: tuple[int, ...]
) -> dict[str, Labelled]:
    """`margin_angles` of a member's own points: 40 of N(0, I) in 20 dimensions, labelled by a half-space through 0."""
    x = streams.normal("points", (40, 20))[0].double()
    labels = torch.sign(x @ streams.normal("direction", (20,))[0].double())
    angles = margin_angles(x * labels[:, None], loss, steps)
    return {"angle": Labelled(angles[None], ("member", "update"), {"update": steps}, unit="radians")}
