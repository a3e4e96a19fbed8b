"""New neighbours: the t-SNE similarities of a point that is added to the data, or moved within it."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.measures.perplexity import bandwidths, squared_distances, weights

ORDER = 24  # of the expansion; even, so that its last moment bounds the ones around it
_REST = 1e-14  # what the expansion may leave out
_CLOSE = 1e-12  # nats of entropy
_CHUNK = 2**24  # numbers held at once


class Neighbourhoods:
    r"""The data behind a map, ready to say what P would be if one point were elsewhere.

    Moving one point changes every row of the conditional probabilities, for each row's bandwidth is tied to all its
    distances. Only one entry of each row's sums is new, though: the others, $\sum_k e^{-\beta d_k}$ and its first two
    derivatives, follow from the moments of the row around its present bandwidth. So each new bandwidth costs a few
    operations instead of a pass over n points, and the rows in which the new bandwidth is too far away for 24 moments
    (a lost or won nearest neighbour) are solved in full. Both ways agree to 1e-12.

    Cost: O(25 n^2) once, then about O(100 n) a query.
    """

    def __init__(self, x: Float[Tensor, "point feature"], perplexity: float) -> None:
        self.x, self.perplexity = x, perplexity
        self.squared = squared_distances(x)
        self.beta = bandwidths(self.squared, perplexity)
        self.conditional, _ = weights(self.squared, self.beta)
        # Distances are measured from each row's own mean: only differences matter, and powers of them stay small.
        off = self.squared.where(self.squared.isfinite(), 0.0)
        self.centre = (self.conditional * off).sum(-1)
        u = off - self.centre[:, None]
        # -ln of each row's sum of exp(-beta u): p_k = exp(-beta u_k) / sum, read off where p is largest.
        top = self.conditional.argmax(-1, keepdim=True)
        self.log_sum = (-self.beta[:, None] * u.gather(1, top) - self.conditional.gather(1, top).log())[:, 0]
        moments, power = [], self.conditional.clone()
        for _ in range(ORDER + 1):
            moments.append(power.sum(-1))
            power = power * u
        factorial = [float(math.factorial(s)) for s in range(ORDER + 1)]
        self.coefficients = [(-1.0) ** s * m / factorial[s] for s, m in enumerate(moments)]
        trusted = (_REST * factorial[ORDER] / moments[ORDER].clamp_min(1e-300)) ** (1.0 / ORDER)
        self.radius = torch.minimum(trusted, self.beta / 2)

    def __len__(self) -> int:
        return len(self.x)

    def joint_row(
        self, x: Float[Tensor, "query feature"], moved: Int[Tensor, "query"] | None = None
    ) -> Float[Tensor, "query point"]:
        r"""$P_{0j}$ of each query with all points, $(p_{j|0} + p_{0|j}) / 2n$, n counting the query itself.

        `moved` says which point the query is, at its new place (its own column is 0); None adds the query to the data.
        """
        pieces = max(1, _CHUNK // (16 * len(self)))
        rows = [
            self._joint_row(x[i : i + pieces], None if moved is None else moved[i : i + pieces])
            for i in range(0, len(x), pieces)
        ]
        return torch.cat(rows)

    def _joint_row(self, x: Tensor, moved: Tensor | None) -> Tensor:
        squared = torch.cdist(x, self.x, compute_mode="donot_use_mm_for_euclid_dist").square()
        count = len(self) + 1
        towards = squared
        if moved is not None:
            towards = squared.scatter(1, moved[:, None], math.inf)
            count -= 1
        outward, _ = weights(towards, bandwidths(towards, self.perplexity))
        inward = self._inward(squared, moved)
        if moved is not None:
            inward = inward.scatter(1, moved[:, None], 0.0)
        return (outward + inward) / (2 * count)

    def _inward(self, squared: Tensor, moved: Tensor | None) -> Tensor:
        """p_{0|j}: how probable each row finds the query, at the bandwidth that the row has with the query in it."""
        u = squared - self.centre
        lost, u_lost = torch.zeros(()).to(u), torch.zeros(()).to(u)
        if moved is not None:
            u_lost = self.squared[moved].where(self.squared[moved].isfinite(), 0.0) - self.centre
            lost = self.conditional.T[moved]
        delta, settled = torch.zeros_like(u), torch.zeros_like(u, dtype=torch.bool)
        entered = s0 = torch.ones_like(u)
        for _ in range(12):
            beta = self.beta + delta
            entered = (-beta * u - self.log_sum).exp()
            left = lost * (-delta * u_lost).exp()
            s0, s1, s2 = self._base_sums(delta)
            s0 = s0 + entered - left
            mean = (s1 + entered * u - left * u_lost) / s0
            variance = (s2 + entered * u.square() - left * u_lost.square()) / s0 - mean.square()
            excess = s0.log() + self.log_sum + beta * mean - math.log(self.perplexity)
            settled = excess.abs() < _CLOSE
            if bool(settled.all()):
                break
            move = (excess / (beta * variance)).where(~settled, 0.0).nan_to_num()
            delta = torch.maximum(torch.minimum(delta + move, self.radius), -self.radius)
        in_full = ~(settled & (delta.abs() < self.radius) & (lost < 0.9))
        p = entered / s0
        if moved is not None:
            in_full = in_full.scatter(1, moved[:, None], False)
        which, row = in_full.nonzero(as_tuple=True)
        each = max(1, _CHUNK // (8 * len(self)))
        for i in range(0, len(which), each):
            q, j = which[i : i + each], row[i : i + each]
            p[q, j] = self._solved(squared[q, j], j, None if moved is None else moved[q])
        return p

    def _base_sums(self, delta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sum of p_k exp(-delta u_k) over each row as it stands, and of the same times u_k and u_k^2."""
        value = torch.zeros_like(delta)
        first, second = torch.zeros_like(delta), torch.zeros_like(delta)
        for coefficient in reversed(self.coefficients):
            second = second.mul_(delta).add_(first)
            first = first.mul_(delta).add_(value)
            value = value.mul_(delta).add_(coefficient)
        return value, -first, 2.0 * second

    def _solved(self, distance: Tensor, row: Tensor, moved: Tensor | None) -> Tensor:
        """The same for single pairs, each from all the distances of its row."""
        squared = self.squared[row]
        if moved is None:
            squared = torch.cat([squared, distance[:, None]], -1)
        else:
            squared[torch.arange(len(row), device=row.device), moved] = distance
        p, _ = weights(squared, bandwidths(squared, self.perplexity, self.beta[row]))
        return p[:, -1] if moved is None else p.gather(1, moved[:, None])[:, 0]
