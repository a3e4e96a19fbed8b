r"""Where Adam's updates stay bounded: the condition $\beta^2 < \gamma$ on the decays of its two moments.

Adam's update $u_n = \hat m_n / \sqrt{\hat v_n}$ forgets gradients at the rate $\beta$ above and $\sqrt\gamma$ below the
line. When gradients fall quiet and the lower one forgets faster, u grows like $e^{\kappa n}$ with
$\kappa = \ln\beta - \frac12\ln\gamma$, until eps stops it. When it forgets more slowly no sequence of gradients at all
can make u exceed a constant. The exact condition for Adam as it runs; a continuous-time form of Adam compares
$(1 - \beta) / \beta$ with $(1 - \gamma) / 2\gamma$, the same to first order (Gould & Tanaka, arXiv 2411.05746).
"""

import math
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

Numbers: TypeAlias = Any  # a number, or a tensor of numbers


def growth_rate(beta: Numbers, gamma: Numbers) -> Float[Tensor, "*any"]:
    r"""$\kappa = \ln\beta - \frac12\ln\gamma$ a step: below 0 updates are bounded, from 0 on they are not."""
    return torch.log(_double(beta)) - 0.5 * torch.log(_double(gamma))


def gamma_for(beta: float, rate: float) -> float:
    r"""The decay of the second moment with this growth rate: $\gamma = \beta^2 e^{-2\kappa}$."""
    return beta**2 * math.exp(-2 * rate)


def update_bound(beta: Numbers, gamma: Numbers, updates: Numbers) -> Float[Tensor, "*any"]:
    r"""The largest |u| that any gradients can give at the `updates`-th update (the first one is 1), without eps.

    $$B = \frac{\sqrt{1 - \gamma^n}}{1 - \beta^n} \frac{1 - \beta}{\sqrt{1 - \gamma}}
    \Big(\sum_{j<n} (\beta^2 / \gamma)^j\Big)^{1/2}$$

    1 at the first update. Reached by gradients proportional to $(\beta / \gamma)^{\text{age}}$, by Cauchy and Schwarz.
    For n without end it tends to $(1 - \beta) / \sqrt{(1 - \gamma)(1 - \beta^2 / \gamma)}$ where
    $\beta^2 < \gamma$, and grows like $e^{\kappa n}$ elsewhere.
    """
    beta, gamma, n = _double(beta), _double(gamma), _double(updates)
    log_ratio = 2 * growth_rate(beta, gamma)
    # A geometric sum of ratio 1 is n, and expm1 keeps the digits near it.
    safe = torch.where(log_ratio == 0, 1.0, log_ratio)
    total = torch.where(log_ratio == 0, n, torch.expm1(n * safe) / torch.expm1(safe))
    return _corrections(beta, gamma, n) * (1 - beta) / (1 - gamma).sqrt() * total.sqrt()


def burst_update(beta: Numbers, gamma: Numbers, updates: Numbers) -> Float[Tensor, "*any"]:
    r"""u at the `updates`-th update when the first gradient was 1 and all others 0, without eps.

    $$u = \frac{\sqrt{1 - \gamma^n}}{1 - \beta^n} \frac{1 - \beta}{\sqrt{1 - \gamma}} e^{\kappa (n - 1)}$$

    Proportional to $e^{\kappa n}$ once the bias corrections have died out.
    """
    beta, gamma, n = _double(beta), _double(gamma), _double(updates)
    growth = torch.exp(growth_rate(beta, gamma) * (n - 1))
    return _corrections(beta, gamma, n) * (1 - beta) / (1 - gamma).sqrt() * growth


def _corrections(beta: Tensor, gamma: Tensor, n: Tensor) -> Tensor:
    return (-torch.expm1(n * torch.log(gamma))).sqrt() / -torch.expm1(n * torch.log(beta))


def _double(x: Numbers) -> Tensor:
    return torch.as_tensor(x, dtype=torch.float64)
