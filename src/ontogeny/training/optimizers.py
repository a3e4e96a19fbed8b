"""Optimizers on a population's table of parameters, with every hyper-parameter a member's own."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import Part, PerMember
from ontogeny.training.schedules import Constant, Schedule, Updates

Table = Float[Tensor, "member parameter"]
Columns = dict[str, Float[Tensor, "member 1"]]


class Optimizer(Part):
    """Abstract: gives `slots`, `coefficients` and `update`.

    `clip` bounds the norm of each member's whole gradient, as `torch.nn.utils.clip_grad_norm_` does; None leaves it.
    """

    slots: ClassVar[tuple[str, ...]] = ()

    lr: PerMember
    schedule: Schedule = Constant()
    clip: PerMember | None = None

    def check(self) -> None:
        """Values that can work."""
        if isinstance(self.lr, float | int) and self.lr < 0:
            raise UserError(f"{type(self).__name__} needs a learning rate of 0 or more, got {self.lr}")

    def start(self, parameters: Table) -> dict[str, Table]:
        """The optimizer's memory before the first update: a table of zeros a slot."""
        return {slot: torch.zeros_like(parameters) for slot in self.slots}

    def columns(self, update: int, like: Table) -> Columns:
        """All that the `update`-th update (counted from 1) needs to know, a number a member beside the table."""
        return self.columns_ahead(range(update, update + 1), like)[0]

    def columns_ahead(self, updates: range, like: Table) -> list[Columns]:
        """The same for several updates: worked out at once they cost what those of one do."""
        n = torch.tensor(updates, dtype=torch.float64)[:, None]
        rate = torch.as_tensor(self.lr) * torch.as_tensor(self.schedule(n))
        numbers: dict[str, PerMember] = {"rate": rate, **self.coefficients(n)}
        if self.clip is not None:
            numbers["clip"] = self.clip
        of_each = [_columns(value, len(updates), like) for value in numbers.values()]
        return [dict(zip(numbers, columns, strict=True)) for columns in zip(*of_each, strict=True)]

    def step(
        self,
        parameters: Table,
        gradient: Table,
        memory: dict[str, Table],
        columns: Columns,
        alive: Bool[Tensor, "member"],
        norm: Float[Tensor, "member"],
    ) -> None:
        """Makes an update in place, of members that are alive. `norm` is the norm of each member's gradient."""
        of = {**columns, "rate": columns["rate"] * alive[:, None]}
        if "clip" in of:
            gradient = gradient * (of["clip"] / (norm[:, None] + 1e-6)).clamp_max(1.0)
        self.update(parameters, gradient, memory, of)

    def coefficients(self, update: Updates) -> dict[str, PerMember]:
        """Numbers that these updates need beside the rate, by name: `[update, member]`, or what broadcasts to it."""
        return {}

    def update(self, parameters: Table, gradient: Table, memory: dict[str, Table], of: Columns) -> None:
        """Updates members in place; `of["rate"]` holds learning rate times schedule, 0 for frozen members."""
        raise NotImplementedError


class SGD(Optimizer):
    """Gradient descent with momentum and L2 decay as in `torch.optim.SGD`; None leaves either out."""

    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    momentum: PerMember | None = None
    weight_decay: PerMember | None = None

    def coefficients(self, update: Updates) -> dict[str, PerMember]:
        """Momentum and decay, where used."""
        used = {"momentum": self.momentum, "decay": self.weight_decay}
        return {name: value for name, value in used.items() if value is not None}

    def update(self, parameters: Table, gradient: Table, memory: dict[str, Table], of: Columns) -> None:
        """b = momentum b + (g + decay p); p = p - lr b."""
        if "decay" in of:
            gradient = gradient + parameters * of["decay"]
        if "momentum" in of:
            gradient = memory["momentum"].mul_(of["momentum"]).add_(gradient)
        parameters.sub_(gradient * of["rate"])


class SignDescent(Optimizer):
    """p = p - lr sign(g): what Adam does without averaging (Bernstein et al., arXiv 1802.04434)."""

    def update(self, parameters: Table, gradient: Table, memory: dict[str, Table], of: Columns) -> None:
        """p = p - lr sign(g)."""
        parameters.sub_(torch.sign(gradient) * of["rate"])


class AdamW(Optimizer):
    """Adam with decoupled decay (Loshchilov & Hutter, arXiv 1711.05101), as in `torch.optim.AdamW`."""

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")

    betas: tuple[PerMember, PerMember] = (0.9, 0.999)
    eps: PerMember = 1e-8
    weight_decay: PerMember = 0.01

    def coefficients(self, update: Updates) -> dict[str, PerMember]:
        """Both betas, their bias corrections, eps and decay."""
        # In float64: 1 - beta^u loses its digits in float32 at the first updates.
        beta1, beta2 = (torch.as_tensor(beta, dtype=torch.float64) for beta in self.betas)
        return {
            "beta1": beta1,
            "beta2": beta2,
            "rest1": 1 - beta1,
            "rest2": 1 - beta2,
            "bias1": 1 - _power(beta1, update),
            "bias2": (1 - _power(beta2, update)).sqrt(),
            "eps": self.eps,
            "decay": self.weight_decay,
        }

    def update(self, parameters: Table, gradient: Table, memory: dict[str, Table], of: Columns) -> None:
        """p = p (1 - lr decay), then p = p - lr (m / (1 - b1^u)) / (sqrt(v / (1 - b2^u)) + eps)."""
        parameters.mul_(1 - of["rate"] * of["decay"])
        mean = memory["mean"].mul_(of["beta1"]).add_(gradient * of["rest1"])
        square = memory["square"].mul_(of["beta2"]).add_(gradient.square().mul_(of["rest2"]))
        divisor = square.sqrt().div_(of["bias2"]).add_(of["eps"])
        parameters.sub_((mean * (of["rate"] / of["bias1"])).div_(divisor))


class Adam(AdamW):
    """Adam (Kingma & Ba, arXiv 1412.6980, algorithm 1), as in `torch.optim.Adam`: decay is added to the gradient."""

    weight_decay: PerMember = 0.0

    def update(self, parameters: Table, gradient: Table, memory: dict[str, Table], of: Columns) -> None:
        """g = g + decay p, then Adam's update."""
        undecayed = {**of, "decay": torch.zeros_like(of["decay"])}
        super().update(parameters, gradient + parameters * of["decay"], memory, undecayed)


def sent(columns: Sequence[Columns], device: torch.device) -> list[Columns]:
    """The columns of several updates on a device, where they come as one table that nobody waits for."""
    names = list(columns[0])
    table = torch.stack([torch.cat([of[name] for name in names], 1).T for of in columns])
    there = (table.pin_memory() if device.type == "cuda" else table).to(device, non_blocking=True)
    return [{name: row[:, None] for name, row in zip(names, rows, strict=True)} for rows in there]


def _power(base: Float[Tensor, "*member"], exponent: Updates) -> Float[Tensor, "update _"]:
    # Not base**exponent: from 16 members on, torch's pow rounds otherwise than alone.
    return torch.exp(exponent * torch.log(base))


def _columns(value: PerMember, updates: int, like: Table) -> tuple[Float[Tensor, "member 1"], ...]:
    """For every update one number a member (or one for all) as a column beside the table of parameters."""
    tensor = torch.as_tensor(value, device=like.device).to(like.dtype)
    return tensor.expand(updates, like.shape[0])[..., None].unbind()
