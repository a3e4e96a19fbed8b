"""Comparison skills: for every place of two numbers, how often it is read right where it decides."""

import torch
from jaxtyping import Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.average import average
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.tasks.balanced_comparison import BalancedComparison


def comparison_task(at: Checkpoint) -> BalancedComparison:
    """The task of a checkpoint, which has to be one of comparisons.

    Raises: `UserError` for any other task.
    """
    if not isinstance(at.task, BalancedComparison):
        raise UserError(f"this measure compares numbers: it needs BalancedComparison, got {type(at.task).__name__}")
    return at.task


class ComparisonSkills(Measure):
    """The relation that networks take for the most probable, by the place that decides, the most significant first.

    - `deciding_accuracy`: share right among `pairs` pairs that share what is before the place and differ there, other
      digits free, as in training.
    - `contrast_accuracy`: share right among `contrast` pairs that differ at this place and nowhere else, and
      `contrast_equal`: share of them that is taken for equal. But for the last place such pairs are rare in training.
    - `equal_accuracy`: share right among `contrast` pairs of identical numbers.

    All tokens compete. Cost: a forward pass over places * (pairs + contrast) + contrast short texts.
    """

    pairs: int = 120
    contrast: int = 30

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """All of it at one checkpoint."""
        task, places = comparison_task(at), range(comparison_task(at).digits)
        streams = at.streams.of("comparison skills")
        asked = [task.deciding(streams.of(f"deciding {q}"), self.pairs, q) for q in places]
        asked += [task.contrast(streams.of(f"contrast {q}"), self.contrast, q) for q in places]
        asked.append(task.identical(streams.of("identical"), self.contrast))
        outputs = at.population(torch.cat([batch.inputs for batch in asked], 1), task.shape.since)[:, :, -1]
        guesses = outputs.argmax(-1).split([batch.inputs.shape[1] for batch in asked], 1)
        right = [
            average((guess == batch.targets[..., -1]).double()) for guess, batch in zip(guesses, asked, strict=True)
        ]
        equal = [_share(guess, task.token("=")) for guess in guesses[task.digits : -1]]
        dims, coords = ("member", "place"), {"place": task.places}
        named = {
            "deciding_accuracy": right[: task.digits],
            "contrast_accuracy": right[task.digits : -1],
            "contrast_equal": equal,
        }
        found = {
            name: Labelled(torch.stack(values, -1), dims, coords, unit="share of pairs")
            for name, values in named.items()
        }
        return {**found, "equal_accuracy": Labelled(right[-1], ("member",), unit="share of pairs")}


def _share(guess: Int[Tensor, "member sample"], token: int) -> Tensor:
    return average((guess == token).double())
