"""Logistic regression for whole populations: each member's own, by Newton's method, all at once."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.models.stacked import matmul

NEWTON_STEPS = 16
LENGTHS = (1.0, 0.5, 0.1, 0.01, 0.0)  # of a Newton step; the one that lowers the objective most is taken


def fit_logistic(
    x: Float[Tensor, "member sample feature"],
    y: Bool[Tensor, "member sample"],
    among: Bool[Tensor, "member sample"] | None = None,
    *,
    ridge: float = 1.0,
) -> Float[Tensor, "member coefficient"]:
    r"""Coefficients that minimise the penalised log-loss, the intercept last and not penalised; float64.

    $$\sum_i \ln\big(1 + e^{-s_i (w x_i + w_0)}\big) + \frac{\lambda}{2} \lVert w \rVert^2, \qquad s_i = \pm 1$$

    Over the samples that `among` marks (None: all). Sixteen Newton steps, each of the length that lowers the objective
    most. A positive `ridge` makes the minimum exist even where one plane separates the classes. NaN in members whose
    features are not finite.

    Cost: 16 * sample * feature^2 multiplications a member.
    Source: equals `sklearn.linear_model.LogisticRegression(C=1 / ridge)` at its minimum.
    """
    x = torch.cat([x, torch.ones_like(x[..., :1])], -1).double()
    finite = x.isfinite().flatten(1).all(-1)
    x = x.where(finite[:, None, None], 0.0)  # LAPACK refuses a whole batch for one NaN
    sign = torch.where(y, 1.0, -1.0).double()[..., None]
    weight = torch.ones_like(sign) if among is None else among.double()[..., None]
    penalty = torch.full_like(x[0, 0], ridge)
    penalty[-1] = 1e-9  # keeps the Newton system solvable where no sample counts
    w = torch.zeros_like(x[:, 0, :, None])
    length = torch.tensor(LENGTHS, dtype=x.dtype, device=x.device)
    for _ in range(NEWTON_STEPS):
        p = 0.5 * (1 + torch.tanh(0.5 * sign * matmul(x, w)))  # probability of the right class
        slope = matmul(x.mT, weight * sign * (p - 1)) + penalty[:, None] * w
        curvature = matmul(x.mT, x * (weight * p * (1 - p))) + torch.diag(penalty)
        tries = w - torch.linalg.solve(curvature, slope) * length
        margin = sign * matmul(x, tries)
        loss = (weight * torch.log1p(torch.exp(-margin.abs())) + weight * (-margin).clamp_min(0.0)).sum(1)
        loss = loss + 0.5 * (penalty[:, None] * tries.square()).sum(1)
        w = tries.gather(-1, loss.argmin(-1)[:, None, None].expand(-1, tries.shape[1], 1))
    return w[..., 0].where(finite[:, None], torch.nan)


def logit(
    x: Float[Tensor, "member sample feature"], coefficients: Float[Tensor, "member coefficient"]
) -> Float[Tensor, "member sample"]:
    """Log-odds of the positive class: w x + w_0."""
    return (matmul(x.double(), coefficients[:, :-1, None]) + coefficients[:, -1:, None])[..., 0]


def standardise(
    x: Float[Tensor, "member sample feature"], among: Bool[Tensor, "member sample"]
) -> Float[Tensor, "member sample feature"]:
    """Every feature less its mean and over its standard deviation among the marked samples; constant ones become 0."""
    weight = among.to(x.dtype)[..., None]
    count = weight.sum(1, keepdim=True).clamp_min(1.0)
    centred = x - (x * weight).sum(1, keepdim=True) / count
    spread = ((centred.square() * weight).sum(1, keepdim=True) / count).sqrt()
    tiny = 1e-6 * x.abs().amax(1, keepdim=True)
    return torch.where(spread > tiny, centred / spread.clamp_min(torch.finfo(x.dtype).tiny), torch.zeros_like(x))
