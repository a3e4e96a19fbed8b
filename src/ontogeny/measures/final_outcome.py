"""Final outcome: what a network makes of a whole story, beside the best possible prediction."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.forking_paths import question, story_task
from ontogeny.models.stacked import member_sum


def centred_correlation(
    p: Float[Tensor, "member sample option"], q: Float[Tensor, "member sample option"]
) -> Float[Tensor, "member"]:
    """Correlation of two tables of probabilities after taking from each option its mean over samples.

    From -1 to 1. What is the same for all samples does not count: NaN where nothing else is there.
    """
    p, q = (x - x.mean(1, keepdim=True) for x in (p, q))
    product, own, other = (member_sum(a * b) for a, b in ((p, q), (p, p), (q, q)))
    scale = (own * other).sqrt()
    # Of equal rows rounding leaves a trace.
    return (product / scale).where(torch.minimum(own, other) > 1e-24 * p[0].numel(), torch.nan)


class FinalOutcome(Measure):
    """On `samples` held-out stories, from the network's probabilities of the outcomes at the end, which sum to 1:

    - `final_correlation`: correlation with the best possible prediction, each less its mean over stories;
    - `final_error`: L1 distance from it, mean over stories, from 0 to 2.

    Raises: `UserError` for a task other than a `Story`.
    """

    samples: int = 400

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """One forward pass."""
        task = story_task(at)
        batch, asked = at.batch("final outcome", self.samples), question(task)
        logits = at.population(batch.inputs)[:, :, -1, asked.first : asked.first + asked.options]
        p = torch.softmax(logits.double(), -1)
        best = task.outcome_law(at.world, batch.inputs[..., 1:-1])[:, :, -1]
        error = member_sum((p - best).abs().sum(-1)) / self.samples
        return {
            "final_correlation": Labelled(centred_correlation(p, best), ("member",), unit="correlation"),
            "final_error": Labelled(error, ("member",), unit="probability"),
        }
