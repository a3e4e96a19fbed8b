"""Concept signal: how much a picture changes when one of its concepts does."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.streams import Streams
from ontogeny.tasks.coloured_discs import COMBINATIONS, ColouredDiscs


def concept_signal(
    task: ColouredDiscs, streams: Streams, absent: str, present: str, samples: int = 64
) -> Float[Tensor, "member"]:
    r"""$\sigma = E \|x(\text{present}) - x(\text{absent})\|_2$ between two combinations, all else being equal.

    Both are drawn with the same place, noise and deviations of colour and radius. In units of a pixel's brightness,
    from 0 to 1.

    Source: Park et al., arXiv 2406.19370, definition 2, as a finite difference.
    """
    images = []
    for name in (absent, present):
        which = torch.full((samples,), COMBINATIONS.index(name), device=streams.device)
        images.append(task.pictures(streams, which)[2].flatten(2))
    distance = (images[1] - images[0]).square().sum(-1).sqrt()
    # Side by side with itself: a sum over samples that keeps an axis gives the same bits alone and in company.
    return torch.stack([distance, distance], -1).mean(1)[:, 0]


class ConceptSignal(Measure):
    """`signal` of colour, between large discs, and of size, between red ones."""

    samples: int = 64

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """The same at every checkpoint.

        Raises: `UserError` for a task other than `ColouredDiscs`.
        """
        task, streams = discs(at), at.streams.of("concept_signal")
        pairs = (("red large", "blue large"), ("red large", "red small"))
        values = [concept_signal(task, streams, *pair, self.samples) for pair in pairs]
        return {
            "signal": Labelled(torch.stack(values, -1), ("member", "concept"), {"concept": CONCEPTS}, unit="brightness")
        }


CONCEPTS = ("colour", "size")


def discs(at: Checkpoint) -> ColouredDiscs:
    """The task, which has to be one of discs."""
    if not isinstance(at.task, ColouredDiscs):
        raise UserError(f"{type(at.task).__name__} has no discs to look at: measure ColouredDiscs")
    return at.task
