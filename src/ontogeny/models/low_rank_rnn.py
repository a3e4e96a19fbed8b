r"""A recurrent network whose recurrent weights have low rank, so that a few numbers carry all that it remembers.

$$x_{t+1} = (1 - \alpha) x_t + \alpha \tanh(m \kappa_t + b), \qquad \kappa_t = n x_t$$

The overlaps $\kappa$ (one a rank) follow a map of their own, $\kappa_{t+1} = (1 - \alpha) \kappa_t + \alpha\, n
\tanh(m \kappa_t + b)$, so the state of all units is never needed: this is exact, and what is computed here.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.errors import UserError
from ontogeny.models.contract import Model
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


class LowRankRNN(Model):
    r"""A network without input, started with every unit at `start` and read out by $\sigma(a (\kappa_1 - 1))$.

    `slope` is a, the confidence of the read-out; `leak` is alpha, the share of a unit that is renewed in a step. The
    weights m and n start normal with variance 1 / units, b at 0, and all three are trained. With `rank` above 1 the
    recurrent weights m n start that many times larger; with `rank` equal to `units` they can be any matrix.
    """

    units: int = 100
    rank: int = 1
    leak: float = 0.5
    slope: PerMember = 10.0
    start: float = -0.3

    def check(self) -> None:
        if not 1 <= self.rank <= self.units:
            raise UserError(f"a low-rank RNN has a rank from 1 to its units, got rank={self.rank}, units={self.units}")
        if not 0 < self.leak <= 1:
            raise UserError(f"a low-rank RNN renews a share of each unit, above 0 and up to 1, got leak={self.leak}")

    def build(self, shape: Shape, streams: Streams) -> nn.Module:
        """Weights drawn from each member's stream.

        Raises: `UserError` for a task with inputs, without a length, or with more than one output.
        """
        if shape.outputs != 1 or shape.features != 0 or shape.length is None:
            raise UserError(f"a low-rank RNN has no input and one output a step, the task has {shape}")
        scale = self.units**-0.5
        m = streams.normal("m", (self.units, self.rank)).mT * scale
        n = streams.normal("n", (self.rank, self.units)) * scale
        slope = torch.as_tensor(self.slope, dtype=torch.float64, device=m.device).expand(m.shape[0])
        return LowRankNetwork(m.contiguous(), n, slope.clone(), self.leak, self.start, shape.length)


class LowRankNetwork(nn.Module):
    """The overlaps of every member, step by step, and the read-out of the first."""

    slope: Float[Tensor, "member"]

    def __init__(
        self,
        m: Float[Tensor, "member rank unit"],
        n: Float[Tensor, "member rank unit"],
        slope: Float[Tensor, "member"],
        leak: float,
        start: float,
        steps: int,
    ) -> None:
        super().__init__()
        self.m, self.n = nn.Parameter(m), nn.Parameter(n)
        self.b = nn.Parameter(torch.zeros_like(m[:, 0]))
        self.register_buffer("slope", slope)
        self.leak, self.start, self.steps = leak, start, steps

    def forward(self, inputs: Float[Tensor, "member sample step 0"]) -> Float[Tensor, "member sample step 1"]:
        """The output after 1, 2, ... steps; samples are alike, for there is no input."""
        kappa = overlaps(self.m, self.n, self.b, leak=self.leak, start=self.start, steps=self.steps)
        drive = self.slope[:, None] * (kappa[..., 0] - 1)
        # The logistic function by tanh: its own kernel rounds differently at the end of a tensor.
        output = 0.5 + 0.5 * torch.tanh(0.5 * drive)
        return output[:, None, :, None].expand(-1, inputs.shape[1], -1, -1)


def overlaps(
    m: Float[Tensor, "member rank unit"],
    n: Float[Tensor, "member rank unit"],
    b: Float[Tensor, "member unit"],
    *,
    leak: float,
    start: float,
    steps: int,
) -> Float[Tensor, "member step rank"]:
    """kappa after 1, ..., `steps` steps from the state where every unit is at `start`.

    Cost: three operations a step forward and one backward, O(member * step * unit * rank).
    """
    if m.shape[0] > 1:
        return _Overlaps.apply(m, n, b, leak, start, steps)  # type: ignore[return-value]
    # A product with one member and one row takes another path than with more: the member gets a twin.
    pair = (torch.cat([p, p]) for p in (m, n, b))
    return _Overlaps.apply(*pair, leak, start, steps)[:1]  # type: ignore[index]


class _Overlaps(torch.autograd.Function):
    """Backpropagation through time by hand: the Jacobians of all steps at once, then a recursion in `rank` numbers."""

    @staticmethod
    def forward(ctx: Any, m: Tensor, n: Tensor, b: Tensor, leak: float, start: float, steps: int) -> Tensor:
        across, bias, m = n.mT.contiguous(), b[:, None].contiguous(), m.contiguous()
        kappa = [n.sum(-1)[:, None] * start]
        active = []
        for _ in range(steps):
            active.append(_plus(bias, kappa[-1], m).tanh_())
            kappa.append(torch.baddbmm(kappa[-1], active[-1], across, beta=1 - leak, alpha=leak))
        path = torch.cat(kappa, 1)
        ctx.save_for_backward(m, n, path, torch.cat(active, 1))
        ctx.leak, ctx.start = leak, start
        return path[:, 1:]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        m, n, path, active = ctx.saved_tensors
        members, rank, units = m.shape
        gain = torch.addcmul(m.new_tensor(ctx.leak), active, active, value=-ctx.leak)  # d (leak tanh) / d input
        products = (n[:, :, None] * m[:, None]).view(members, rank * rank, units)
        jacobian = torch.bmm(gain, products.mT).view(members, -1, rank, rank)
        jacobian = jacobian + (1 - ctx.leak) * torch.eye(rank, dtype=m.dtype, device=m.device)
        outer = gradients[0][:, :, None].unbind(1)
        each = jacobian.unbind(1)
        adjoint = [outer[-1]]
        for t in range(len(outer) - 1, 0, -1):
            adjoint.append(_plus(outer[t - 1], adjoint[-1], each[t]))
        first = torch.bmm(adjoint[-1], each[0])
        later = torch.cat(adjoint[::-1], 1)  # d loss / d kappa_t for t = 1 ... steps
        inner = torch.bmm(later, n).mul_(gain)
        grad_m = torch.bmm(path[:, :-1].mT, inner)
        grad_n = torch.baddbmm(first.mT * ctx.start, later.mT, active, alpha=ctx.leak)
        return grad_m, grad_n, inner.sum(1), None, None, None


def _plus(
    base: Float[Tensor, "member 1 out"], row: Float[Tensor, "member 1 rank"], table: Float[Tensor, "member rank out"]
) -> Float[Tensor, "member 1 out"]:
    """base + row table, a matrix product a member."""
    if row.shape[-1] == 1:  # an outer product: three times faster without a matrix kernel
        return torch.addcmul(base, row, table)
    return torch.baddbmm(base, row, table)
