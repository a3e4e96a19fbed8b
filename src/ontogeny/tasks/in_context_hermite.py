"""Hermite classes in context: an episode's own function of one projection, linear, quadratic or of higher degree."""

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task

INPUTS = ("isotropic", "skewed")


def hermite(t: Float[Tensor, "*any"], degree: int) -> Float[Tensor, "*any"]:
    r"""$k^{-1/2} \sum_{j=1}^k He_j(t) / \sqrt{j!}$: of mean 0 and variance 1 over standard normal t, for every k.

    Of all linear functions of t, $t / \sqrt k$ fits it best. He are the probabilists' polynomials, $He_1 = t$,
    $He_{j+1} = t He_j - j He_{j-1}$.
    """
    before, here = torch.ones_like(t), t
    total = here
    for j in range(1, degree):
        before, here = here, t * here - j * before
        total = total + here / math.sqrt(math.factorial(j + 1))
    return total / math.sqrt(degree)


class InContextHermite(Task):
    r"""Pairs of a point and its value under a function that is the episode's own; the value is asked for at the point.

        position   0    1    2    3   ...  2n-2  2n-1
        input     x_1  y_1  x_2  y_2  ...   x_n   y_n     (y as (y, 0, ..., 0))
        in loss    x         x               x
        target    y_1       y_2             y_n

    Points are x ~ N(0, I_d), t = <w, x> with w uniform on the unit sphere, drawn anew for every episode, and
    $y = f_k(t)$ with `hermite` of the given degree. So y has mean 0 and variance 1 for every degree: answering 0 has a
    squared error of 1, the best function linear in t one of $1 - 1/k$, `shortcut`. Functions of degree 1 are linear.

    Points of other distributions than those of training: `scale` times as far out, or with `inputs="skewed"` a
    covariance with eigenvalues in proportion to 1, 1/2, ..., 1/d and trace d, in a frame drawn for every episode. Then
    the variance of y is no longer 1.

    Latents: `w`, `x` and `y`, `[member, sample, (pair,) ...]`.

    Source: Bhasin, Ossowski, Zhong & Hu, arXiv 2404.03558, with points and values taking turns as in Garg et al.,
    arXiv 2208.01066.
    """

    dimensions: int = 2
    pairs: int = 8
    degree: int = 1
    scale: float = 1.0
    inputs: Literal["isotropic", "skewed"] = "isotropic"

    def check(self) -> None:
        """One of each at least, and known inputs."""
        for name in ("dimensions", "pairs", "degree"):
            if getattr(self, name) < 1:
                raise UserError(f"InContextHermite: {name} is 1 or more, got {getattr(self, name)}")
        if self.scale <= 0:
            raise UserError(f"InContextHermite: scale is above 0, got {self.scale}")
        if self.inputs not in INPUTS:
            raise UserError(f"InContextHermite: inputs are {' or '.join(INPUTS)}, got {self.inputs!r}")

    @property
    def shape(self) -> Shape:
        """Real vectors in, a real number out."""
        return Shape(features=self.dimensions, outputs=1, length=2 * self.pairs)

    @property
    def shortcut(self) -> float:
        """The squared error of the best predictor linear in t, 1 - 1/k: what knows more than that gets below it."""
        return 1.0 - 1.0 / self.degree

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """`size` episodes a member."""
        w = streams.normal("w", (size, self.dimensions)).double()
        w = (w / w.square().sum(-1, keepdim=True).sqrt()).float()
        x = self._points(streams, size)
        y = hermite((x * w[:, :, None]).sum(-1), self.degree)
        value = torch.cat([y[..., None], x.new_zeros(*x.shape[:-1], self.dimensions - 1)], -1)
        asked = torch.stack([torch.ones_like(y), torch.zeros_like(y)], -1).flatten(-2)
        return Batch(
            inputs=torch.stack([x, value], 3).flatten(2, 3),
            targets=torch.stack([y, torch.zeros_like(y)], -1).flatten(-2)[..., None],
            weights=asked,
            latents={"w": w, "x": x, "y": y},
        )

    def _points(self, streams: Streams, size: int) -> Float[Tensor, "member sample pair dimension"]:
        x = self.scale * streams.normal("x", (size, self.pairs, self.dimensions))
        if self.inputs == "isotropic":
            return x
        d = self.dimensions
        spectrum = 1.0 / torch.arange(1, d + 1, dtype=torch.float64, device=x.device)
        axes = torch.linalg.qr(streams.normal("frame", (size, d, d)).double()).Q
        stretched = x.double() * (spectrum * d / spectrum.sum()).sqrt()
        # Sums of products, not matrix products: these do not depend on how many samples are drawn at once.
        return (stretched[..., None, :] * axes[:, :, None]).sum(-1).float()
