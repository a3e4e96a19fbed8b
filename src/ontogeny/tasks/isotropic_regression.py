"""Isotropic regression: inputs without a preferred direction, and a target that is linear, quadratic or no function."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


class Draw(NamedTuple):
    """Points of one member, in float64."""

    x: Float[Tensor, "point dimension"]
    y: Float[Tensor, "point"]
    clean: Float[Tensor, "point"]


class IsotropicRegression(Task):
    r"""Points in `dimensions` dimensions with a noisy target.

        inputs    x      uniform on the sphere of radius sqrt(d), or N(0, I)
        targets   y      clean + noise * N(0, 1)
        latents   clean  linear: <beta, x>; quadratic: x^T A x; signs: -1 or 1, a coin for every point

    beta is a unit vector and A symmetric with trace 0 and Frobenius norm 1 / sqrt(2), both drawn from the member's
    seed: over Gaussian inputs the clean target has variance 1 (on the sphere, the quadratic one d / (d + 2)).

    If beta is linear and known to be random, the best predictor from given samples is ridge regression,
    $\hat f(x) = x^T X^T (X X^T + \gamma d)^{-1} y$, with $\gamma$ = `best_penalty`.
    """

    dimensions: int
    noise: float = 0.5
    covariates: Literal["sphere", "gaussian"] = "sphere"
    target: Literal["linear", "quadratic", "signs"] = "linear"

    def check(self) -> None:
        """Two dimensions at least, known kinds, and noise of 0 or more."""
        if self.dimensions < 2 or self.noise < 0:
            raise UserError(
                "IsotropicRegression needs two dimensions and a noise of 0 or more, "
                f"got {self.dimensions} and {self.noise}"
            )
        if self.covariates not in ("sphere", "gaussian") or self.target not in ("linear", "quadratic", "signs"):
            raise UserError(
                "IsotropicRegression: covariates are 'sphere' or 'gaussian', targets 'linear', 'quadratic' or 'signs', "
                f"got {self.covariates!r} and {self.target!r}"
            )

    @property
    def shape(self) -> Shape:
        """Real vectors in, a real number out."""
        return Shape(features=self.dimensions, outputs=1)

    @property
    def best_penalty(self) -> float:
        r"""The ridge penalty $\gamma = \sigma^2 / |\beta|^2$ that predicts best on average over directions beta."""
        return self.noise**2

    def world(self, streams: Streams) -> Float[Tensor, "member ..."] | None:
        """beta `[member, d]`, A `[member, d, d]`, or nothing."""
        d = self.dimensions
        match self.target:
            case "linear":
                beta = streams.normal("beta", (d,)).double()
                return (beta / beta.norm(dim=-1, keepdim=True)).float()
            case "quadratic":
                a = streams.normal("form", (d, d)).double()
                a = a + a.mT
                trace = a.diagonal(dim1=-2, dim2=-1).mean(-1)
                a = a - trace[:, None, None] * torch.eye(d, dtype=a.dtype, device=a.device)
                return (a / (2**0.5 * a.flatten(1).norm(dim=-1)[:, None, None])).float()
            case _:
                return None

    def sample(self, world: Float[Tensor, "member ..."] | None, streams: Streams, size: int) -> Batch:
        """`size` points a member."""
        x = streams.normal("points", (size, self.dimensions))
        if self.covariates == "sphere":
            wide = x.double()
            x = (wide * (self.dimensions**0.5 / wide.square().sum(-1, keepdim=True).sqrt())).float()
        if world is None:
            clean = 2.0 * streams.bernoulli("signs", (size,), 0.5).float() - 1.0
        elif world.ndim == 2:
            clean = (x * world[:, None]).sum(-1)
        else:  # sums of products, not matrix products: these do not depend on how many samples are drawn at once
            clean = (x * torch.stack([(x * row[:, None]).sum(-1) for row in world.unbind(1)], -1)).sum(-1)
        y = clean + self.noise * streams.normal("noise", (size,))
        return Batch(inputs=x, targets=y[..., None], latents={"clean": clean})

    def draw(self, streams: Streams, name: str, size: int) -> Draw:
        """Points of the streams' first member; under every name others, with the same target function."""
        batch = self.sample(self.world(streams.of("world")), streams.of(name), size)
        return Draw(batch.inputs[0].double(), batch.targets[0, :, 0].double(), batch.latents["clean"][0].double())
