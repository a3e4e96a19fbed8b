"""Linear teacher: whitened inputs and a linear map whose singular values are chosen.

inputs   x_1 ... x_n      standard normal
targets  y = T x          T = sum_k s_k u_k v_k^T: the task's modes, each with its strength s_k
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task


@dataclass(frozen=True)
class Modes:
    """The teacher's singular vectors, a member's own."""

    left: Float[Tensor, "member output mode"]
    right: Float[Tensor, "member input mode"]


class LinearTeacher(Task):
    """Regression on y = sum_k s_k u_k (v_k . x), with orthonormal u and v drawn from each member's seed.

    The optimal predictor is the teacher itself: there is no noise, and its loss is 0. Predicting 0 costs half the sum
    of the squared strengths. Source: Saxe, McClelland & Ganguli, arXiv 1312.6120, section 1.
    """

    strengths: tuple[float, ...]
    inputs: int
    outputs: int

    def check(self) -> None:
        """Values that can work."""
        if not 0 < len(self.strengths) <= min(self.inputs, self.outputs):
            raise UserError(
                f"{len(self.strengths)} strengths need as many inputs and outputs, got {self.inputs} and {self.outputs}"
            )

    @property
    def shape(self) -> Shape:
        """Real vectors in, real vectors out."""
        return Shape(features=self.inputs, outputs=self.outputs)

    def world(self, streams: Streams) -> Modes:
        """Random orthonormal singular vectors."""
        modes = len(self.strengths)
        return Modes(
            left=_orthonormal(streams.normal("left", (self.outputs, modes))),
            right=_orthonormal(streams.normal("right", (self.inputs, modes))),
        )

    def sample(self, world: Modes, streams: Streams, size: int) -> Batch:
        """Standard normal inputs and what the teacher makes of them."""
        x = streams.normal("inputs", (size, self.inputs))
        strengths = torch.tensor(self.strengths, device=x.device)
        # Sums of products, not matrix products: these do not depend on how many samples are drawn at once.
        along = torch.stack([(x * v[:, None]).sum(-1) for v in world.right.unbind(-1)], -1)
        y = torch.stack([(along * strengths * u[:, None]).sum(-1) for u in world.left.unbind(1)], -1)
        return Batch(inputs=x, targets=y)


def _orthonormal(x: Float[Tensor, "member n k"]) -> Float[Tensor, "member n k"]:
    """Gram-Schmidt over columns, member by member."""
    columns: list[Tensor] = []
    for column in x.double().unbind(-1):
        for _ in range(2):
            for before in columns:
                column = column - before * (column * before).sum(-1, keepdim=True)
        columns.append(column / column.square().sum(-1, keepdim=True).sqrt())
    return torch.stack(columns, -1).to(x.dtype)
