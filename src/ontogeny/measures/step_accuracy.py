"""Time-step accuracy: at what share of a trial's steps the output is on the right side of a half."""

from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure


class StepAccuracy(Measure):
    """`step_accuracy`: share of steps with output > 1/2 where the target is, over `samples` held-out trials.

    From 0 to 1; a network that is silent throughout a delayed activation has 1/2. An output of NaN counts as inactive.
    """

    samples: int = 1

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Counts the steps of every member's trials."""
        batch = at.batch("step_accuracy", self.samples)
        right = (at.population(batch.inputs) > 0.5) == (batch.targets > 0.5)
        share = right.flatten(1).sum(1) / right[0].numel()
        return {"step_accuracy": Labelled(share, ("member",), unit="share of steps")}
