"""Memorised: how many of its training labels a network gives back."""

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.held_out import accuracy
from ontogeny.tasks.permuted_labels import PermutedLabels


class Memorised(Measure):
    """`training_accuracy`: the share of all training pictures that get the label they were given, from 0 to 1.

    Raises: `UserError` for a task other than `PermutedLabels`.
    """

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Reads the network's outputs once."""
        if not isinstance(at.task, PermutedLabels):
            raise UserError(f"Memorised needs the task PermutedLabels, got {type(at.task).__name__}")
        batch = at.task.everything(at.world)
        found = accuracy(at.population(batch.inputs.to(at.population.flat.dtype)), batch.targets)
        return {"training_accuracy": Labelled(found, ("member",), unit="share")}
