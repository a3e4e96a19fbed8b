"""Concept trajectory: where a model's answer to an unseen combination stands, concept by concept, as it learns."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.population import Population
from ontogeny.models.stacked import member_sum


@runtime_checkable
class Composed(Protocol):
    """A task with a combination of concepts that it never shows."""

    @property
    def concepts(self) -> int:
        """Number of concepts, which are the first dimensions of the output."""
        ...

    @property
    def corner(self) -> Tensor:
        """The combination, as input and as wanted output: `[member, dimension]`, or one row for all."""
        ...


class ConceptTrajectory(Measure):
    r"""The answer at the unseen combination $\hat x$, a point in concept space at every checkpoint.

    `concept_output` is $O_i = f(\hat x)_i / \hat x_i$, 1 where concept i is right. `ood_loss` is
    $\frac12 |f(\hat x) - \hat x|^2$ over all dimensions.
    """

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Both.

        Raises: `UserError` for a task without such a combination.
        """
        task, corner = combination(at)
        answer = at.population(corner[:, None])[:, 0]
        shown = slice(0, task.concepts)
        return {
            "concept_output": Labelled(
                answer[:, shown] / corner[:, shown],
                ("member", "concept"),
                {"concept": range(1, task.concepts + 1)},
                unit="of the distance",
            ),
            "ood_loss": Labelled(0.5 * member_sum((answer - corner).square()), ("member",), unit="squared distance"),
        }


class ConceptJacobian(Measure):
    r"""`jacobian`: $J_{ij} = \partial f_i / \partial x_j$ at the unseen combination, between the concepts.

    On the diagonal it says how far a concept is learned by itself, off it how much one borrows from another.
    """

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """By automatic differentiation: one pass forward and one back on as many copies as there are concepts.

        Raises: `UserError` for a task without such a combination.
        """
        task, corner = combination(at)
        places = range(1, task.concepts + 1)
        return {
            "jacobian": Labelled(
                jacobian(at.population, corner)[:, : task.concepts, : task.concepts],
                ("member", "output", "input"),
                {"output": places, "input": places},
            )
        }


def jacobian(
    population: Population, points: Float[Tensor, "member dimension"]
) -> Float[Tensor, "member output dimension"]:
    """d f_i / d x_j of every member at its point, for as many outputs as inputs."""
    with torch.enable_grad():
        # Sample k is there for output k alone: one pass back gives every row.
        copies = points[:, None].expand(-1, points.shape[1], -1).clone().requires_grad_()
        outputs = torch.diagonal(population(copies), dim1=1, dim2=2)
        (rows,) = torch.autograd.grad(outputs, copies, torch.ones_like(outputs))
    return rows


def combination(at: Checkpoint) -> tuple[Composed, Float[Tensor, "member dimension"]]:
    """The task, and its unseen combination for every member."""
    if not isinstance(at.task, Composed):
        raise UserError(f"{type(at.task).__name__} has no unseen combination: measure StructuredIdentity or the like")
    flat = at.population.flat
    return at.task, at.task.corner.to(flat).expand(at.members, -1)


def trajectory(
    checkpoints: Iterable[Callable[[Any], Any]], probe: Any, readouts: Mapping[str, Callable[[Any], float]]
) -> dict[str, list[float]]:
    """The trajectory of any models: what each readout says of each checkpoint's answer to `probe`, in their order.

    A checkpoint is anything that can be called on the probe, a readout anything that turns its answer into a number
    (a probe's score for an attribute, the size of a drawn disc). `ontogeny.measures.learning_times.lasting_time` and
    `ontogeny.measures.swing.swing` take what it gives.
    """
    found: dict[str, list[float]] = {name: [] for name in readouts}
    for model in checkpoints:
        answer = model(probe)
        for name, readout in readouts.items():
            found[name].append(float(readout(answer)))
    return found
