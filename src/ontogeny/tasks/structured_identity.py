r"""Structured identity mapping: output the input, on clusters that sit one on each axis; the corner is never seen.

    inputs    x_1 ... x_s (0 ... 0)   near mu_p on axis p, near 0 on the others: cluster p shows concept p alone
    targets   the same
    latents   cluster   p - 1

The test is the corner (mu_1, ..., mu_s, 0, ..., 0), at which all concepts come together.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


class StructuredIdentity(Task):
    r"""Cluster p of `concepts` is $N(\mu_p e_p, \mathrm{diag}(\sigma)^2)$; the target is the input.

    Concept i = 1, 2, ... has the distance $\mu_i$ = `distance` + (i - 1) `spacing` (its *signal*) and the spread
    $\sigma_i$ = `spread` + (i - 1) `widening` (its *diversity*). Beyond the concepts' own, `dimensions` adds axes that
    are always 0. Clusters take turns: sample i is of cluster i modulo their number.

    The optimal predictor is the identity, at loss 0. Source: Yang et al., arXiv 2410.08309, section 3.
    """

    concepts: int = 2
    distance: PerMember = 1.0
    spacing: PerMember = 1.0
    spread: PerMember = 0.05
    widening: PerMember = 0.0
    dimensions: int | None = None

    def check(self) -> None:
        """Values that can work."""
        if self.concepts < 1 or self.size < self.concepts:
            raise UserError(
                f"a structured identity needs 1 concept and as many dimensions, got {self.concepts} and {self.size}"
            )
        if not (self.distances > 0).all():
            raise UserError(f"the clusters lie at distances above 0, got {self.distances[0].tolist()}: lower spacing")
        if not (self._ramp(self.spread, self.widening) >= 0).all():
            raise UserError(f"spreads are 0 or more, got spread={self.spread} and widening={self.widening}")

    @property
    def size(self) -> int:
        """Number of dimensions."""
        return self.concepts if self.dimensions is None else self.dimensions

    @property
    def shape(self) -> Shape:
        """Real vectors in, real vectors of the same size out."""
        return Shape(features=self.size, outputs=self.size)

    @property
    def distances(self) -> Float[Tensor, "member concept"]:
        """mu of every concept, float64; a single row where all members share it."""
        return self._ramp(self.distance, self.spacing)

    @property
    def corner(self) -> Float[Tensor, "member dimension"]:
        """The test point, where all concepts are at their clusters' distance."""
        return self._padded(self.distances)

    @property
    def spreads(self) -> Float[Tensor, "member dimension"]:
        """sigma of every dimension, 0 beyond the concepts."""
        return self._padded(self._ramp(self.spread, self.widening))

    @property
    def second_moment(self) -> Float[Tensor, "member dimension"]:
        r"""Diagonal of the inputs' second moment, $a_p = \sigma_p^2 + \mu_p^2 / s$; off the diagonal it is 0."""
        return self.spreads.square() + self.corner.square() / self.concepts

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """`size` points a member."""
        cluster = torch.arange(size, device=streams.device) % self.concepts
        centre = torch.diag_embed(self.corner.to(streams.device))[:, cluster]
        noise = streams.normal("noise", (size, self.size)).double()
        x = (centre + self.spreads.to(streams.device)[:, None] * noise).float()
        return Batch(inputs=x, targets=x, latents={"cluster": cluster.expand(streams.members, size)})

    def _ramp(self, first: PerMember, step: PerMember) -> Float[Tensor, "member concept"]:
        start, slope = (torch.as_tensor(v, dtype=torch.float64).reshape(-1, 1) for v in (first, step))
        return start + slope * torch.arange(self.concepts, dtype=torch.float64, device=start.device)

    def _padded(self, of_concepts: Float[Tensor, "member concept"]) -> Float[Tensor, "member dimension"]:
        return torch.nn.functional.pad(of_concepts, (0, self.size - self.concepts))


class PopulationIdentity(StructuredIdentity):
    r"""The same with infinitely many samples, for linear models: d points that have the exact second moment.

    A linear model's loss depends on the inputs through their second moment A alone,
    $\frac12 \mathrm{Tr}\,(W - I) A (W - I)^T$. Point p is $\sqrt{d a_p}\, e_p$, so the mean over the d points (or any
    multiple of them) is the population loss without sampling noise, and full-batch gradient descent at rate dt is
    Euler's method for its gradient flow. A is scaled to have `largest` as its largest entry, which changes the unit of
    time only; the corner stays where it is.
    """

    largest: float = 2.0

    @property
    def rates(self) -> Float[Tensor, "member dimension"]:
        """The second moment as it is trained on: `second_moment`, scaled."""
        moment = self.second_moment
        return self.largest * moment / moment.amax(-1, keepdim=True)

    def sample(self, world: Any, streams: Streams, size: int) -> Batch:
        """The d points, in turn: exact for a `size` that is a multiple of d. Float64."""
        points = torch.diag_embed((self.size * self.rates).sqrt()).to(streams.device)
        turn = torch.arange(size, device=streams.device) % self.size
        x = points[:, turn].expand(streams.members, -1, -1).contiguous()
        return Batch(inputs=x, targets=x, latents={"cluster": turn.expand(streams.members, size)})
