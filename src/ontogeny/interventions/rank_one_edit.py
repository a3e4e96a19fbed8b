"""Rank-one edit (ROME): an MLP's output map gives one key another value and moves all others as little as it can."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.models.population import Population
from ontogeny.models.stacked import matmul
from ontogeny.models.transformer import Block, TransformerNetwork
from ontogeny.streams import Streams

STREAM = "blocks.{}.hook_mid"
KEYS = "blocks.{}.mlp.hook_post"
VALUES = "blocks.{}.mlp.hook_out"

RATE, BETAS, EPSILON = 0.1, (0.9, 0.999), 1e-8  # of Adam


def key_moment(keys: Float[Tensor, "*lead sample unit"], ridge: float = 1e-2) -> Float[Tensor, "*lead unit unit"]:
    r"""$C = E[k k^\top]$ of the keys that should keep their values, plus `ridge` times its mean diagonal times I.

    The ridge makes it invertible where there are fewer keys than units.
    """
    flat = keys.reshape(-1, *keys.shape[-2:])
    moment = (matmul(flat.mT, flat) / keys.shape[-2]).view(*keys.shape[:-2], *[keys.shape[-1]] * 2)
    size = moment.diagonal(0, -2, -1).mean(-1)[..., None, None]
    return moment + ridge * size * torch.eye(keys.shape[-1], dtype=keys.dtype, device=keys.device)


def readings(
    moment: Float[Tensor, "*lead unit unit"], keys: Float[Tensor, "*lead edit unit"]
) -> Float[Tensor, "*lead edit unit"]:
    r"""What an edit listens to, a row for each edited key: $u = C^{-1} k / (k^\top C^{-1} k)$, so that $u \cdot k = 1$.

    With this u, adding $u\,\delta^\top$ to a map `x W` changes the value of k by exactly $\delta$, and of all changes
    dW that do so it has the least $\mathrm{Tr}(dW^\top C\, dW)$, the mean squared change of the values behind C.

    Source: Meng et al., arXiv 2202.05262, equation 2.
    """
    whitened = torch.linalg.solve(moment, keys.mT).mT
    return whitened / (whitened * keys).sum(-1, keepdim=True)


def strengths(
    keys: Float[Tensor, "member sample position unit"], reading: Float[Tensor, "member edit unit"]
) -> Float[Tensor, "member edit sample position"]:
    """How much of its change every edit makes at every position: u . k, where `keys` are those of a layer's MLP."""
    each = matmul(reading, keys.flatten(1, 2).mT)
    return each.view(*each.shape[:2], *keys.shape[1:3])


def rank_one_edit(
    layer: int, strength: Float[Tensor, "member sample position"], change: Float[Tensor, "member sample width"]
) -> dict[str, Callable[[Tensor], Tensor]]:
    """An edit of the output map of a layer's MLP for `population.edit`, every sample with an edit of its own.

    Adds `strength * change` to what the MLP writes, and that is what $W + u\\,\\delta^\\top$ would write, for the keys
    of a layer do not depend on its own output map. Zero `change` is the identity.
    """

    return {VALUES.format(layer): lambda values: edited_values(values, strength, change)}


def edited_values(
    values: Float[Tensor, "member sample position width"],
    strength: Float[Tensor, "member sample position"],
    change: Float[Tensor, "member sample width"],
) -> Float[Tensor, "member sample position width"]:
    """What an MLP writes after an edit: see `rank_one_edit`."""
    return torch.addcmul(values, strength[..., None], change[:, :, None])


@dataclass(frozen=True)
class Halfway:
    """A network stopped at the MLP of a layer: what comes before an edit there is the same for all edits.

    `keys` are what the MLP's output map reads, `values` what it writes, and `stream` what these are added to.
    """

    network: TransformerNetwork
    layer: int
    stream: Float[Tensor, "member sample position width"]
    keys: Float[Tensor, "member sample position unit"]
    values: Float[Tensor, "member sample position width"]

    def outputs(
        self, values: Float[Tensor, "member written position width"]
    ) -> Float[Tensor, "member written 1 output"]:
        """Outputs at the last position, had the MLP written these `values`: to every sample, and so several times."""
        stream = self.stream.repeat(1, values.shape[1] // self.stream.shape[1], 1, 1)
        block = self.network.blocks[self.layer]
        assert isinstance(block, Block)
        x = block.after_writing(stream, values)
        return self.network.onward(x, self.layer + 1, since=x.shape[2] - 1)


@torch.no_grad()
def halfway(population: Population, layer: int, inputs: Int[Tensor, "member sample position"]) -> Halfway:
    """A population of transformers at the MLP of a layer.

    Raises: `UserError` for a network without such a layer.
    """
    names = [site.format(layer) for site in (STREAM, KEYS, VALUES)]
    _, seen = population.record(inputs, names)
    assert isinstance(population.network, TransformerNetwork)
    return Halfway(population.network, layer, *(seen[name] for name in names))


def value_changes(
    population: Population,
    layer: int,
    inputs: Int[Tensor, "member edit position"],
    targets: Int[Tensor, "member edit"],
    *,
    updates: int = 60,
    penalty: float = 1e-2,
    enough: float = 0.9,
) -> Float[Tensor, "member edit width"]:
    r"""The change $\delta$ of the value at the last position that makes the network answer `targets` there.

    Adam at rate 0.1 makes $-\ln p(\text{target}) + \text{penalty}\,\|\delta\|^2$ small, from $\delta = 0$; an edit
    stops once p is above `enough`, or after so many `updates`. To stop is part of the method: a larger $\delta$ does
    more harm whatever it writes.

    Source: Meng et al., arXiv 2202.05262, equation 4, with a penalty for its clamp and no prefixes.
    """
    at_last = F.one_hot(torch.tensor(inputs.shape[-1] - 1), inputs.shape[-1]).to(population.flat)
    strength = at_last.expand(inputs.shape)
    half = halfway(population, layer, inputs)
    change = torch.zeros_like(half.values[:, :, 0])
    mean, square, going = torch.zeros_like(change), torch.zeros_like(change), None
    for update in range(1, updates + 1):
        with torch.enable_grad():
            trial = change.clone().requires_grad_()
            outputs = half.outputs(edited_values(half.values, strength, trial))[:, :, 0]
            right = torch.log_softmax(outputs, -1).gather(-1, targets[..., None])[..., 0]
            loss = penalty * trial.square().sum(-1) - right
            (slope,) = torch.autograd.grad(loss, trial, torch.ones_like(loss))
        short = right.detach().exp() <= enough
        going = short if going is None else going & short
        if not going.is_cuda and not going.any():  # a measure never waits for a GPU
            break
        mean = mean * BETAS[0] + slope * (1 - BETAS[0])
        square = square * BETAS[1] + slope.square() * (1 - BETAS[1])
        step = mean / (1 - BETAS[0] ** update) / ((square / (1 - BETAS[1] ** update)).sqrt() + EPSILON)
        change = torch.where(going[..., None], change - RATE * step, change)
    return change


def matched_edit(
    streams: Streams, reading: Float[Tensor, "member edit unit"], change: Float[Tensor, "member edit width"]
) -> tuple[Float[Tensor, "member edit unit"], Float[Tensor, "member edit width"]]:
    """The control: readings and changes in random directions, as long as these, so of the same Frobenius norm."""
    found = []
    for name, rows in (("reading", reading), ("change", change)):
        other = streams.normal(name, rows.shape[1:]).to(rows)
        found.append(other * (rows.norm(dim=-1, keepdim=True) / other.norm(dim=-1, keepdim=True)))
    return found[0], found[1]
