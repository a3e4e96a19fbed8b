"""Concept elicitation: what a generator draws when asked for a combination it never saw, plainly and by other means."""

from itertools import accumulate
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.interventions.concept_vector import Edit, concept_vector, random_vector
from ontogeny.interventions.overprompting import overprompted, random_pushes
from ontogeny.labelled import Labelled
from ontogeny.measures.concept_signal import CONCEPTS, discs
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.disc_readout import (
    concept_coordinates,
    concepts_right,
    read_discs,
    seen_radii,
    wanted_coordinates,
)
from ontogeny.models.flow_sampler import flow_samples
from ontogeny.streams import Streams
from ontogeny.tasks.coloured_discs import COMBINATIONS, ColouredDiscs, from_net

COLOUR = slice(0, 3)  # of a condition
RED_LARGE, RED_SMALL, BLUE_LARGE, ASKED = range(4)  # ASKED: blue small
MEANS = ("prompts", "random prompts", "vector", "random vector")


def capability(right: Bool[Tensor, "member sample prompt"]) -> Float[Tensor, "member"]:
    """The share of samples that the best of several prompts gets right, not biased by choosing it.

    The best prompt on one half of the samples is scored on the other, both ways, and the mean of the two is taken: a
    maximum of noisy shares would lie above them all by itself. Of equally good prompts the first is taken, which should
    be the plain one. An odd last sample is left out.
    """
    half = right.shape[1] // 2
    shares = [right[:, i * half : (i + 1) * half].to(torch.float32).mean(1) for i in range(2)]
    scores = [other.gather(1, one.argmax(1, keepdim=True)) for one, other in (shares, shares[::-1])]
    return 0.5 * (scores[0] + scores[1])[:, 0]


class Drawn(NamedTuple):
    """Pictures of every prompt, and which prompts each means has."""

    images: Float[Tensor, "member prompt sample 3 row column"]
    groups: dict[str, list[int]]


class ConceptElicitation(Measure):
    r"""Pictures of `ColouredDiscs` for every combination, and for the small blue disc by several means.

    - `z`: the mean coordinates of what is drawn for each combination's own condition: colour (red 0, blue 1) and size
      (large 0, small 1), not clipped; NaN where nothing is drawn. Pictures without a disc are left out.
    - `right`: the share of them that shows this combination and nothing else. For the small blue disc it is the *naive*
      score.
    - `capability`: the best share for the small blue disc, chosen and scored on different samples, by `prompts`: the
      colour told, times each of `factors`; by `random prompts`: as many conditions as far from the plain one in random
      directions; by `vector`: hidden units under the small red disc's condition moved by each of `strengths` times what
      blue changes in large discs; and by `random vector`: moved as far in a random direction.

    All prompts see the same noise at every checkpoint, and members of one seed the same.

    Source: Park et al., arXiv 2406.19370, section 4.3; the readout is exact where the paper trains a classifier.
    """

    samples: int = 64
    factors: tuple[float, ...] = (1.0, 0.5, 0.7, 1.4, 2.0, 3.0)  # the plain prompt first: it wins ties
    strengths: tuple[float, ...] = (0.5, 1.0, 2.0)
    steps: int = 16
    site: str = "hook_first"

    def check(self) -> None:
        """Two halves of samples, and the plain prompt among the others."""
        if self.samples < 2 or self.steps < 1:
            raise UserError(f"elicitation needs 2 samples and 1 step, got samples={self.samples}, steps={self.steps}")
        if not self.factors or self.factors[0] != 1.0 or not self.strengths:
            raise UserError(f"elicitation needs strengths, and factors from 1 on, the plain prompt; got {self.factors}")

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """All three.

        Raises: `UserError` for a task other than `ColouredDiscs`, or a network without the site.
        """
        task = discs(at)
        drawn = self.draw(at)
        z, right = judged(task, at, drawn.images)
        there = z.isfinite()
        # Sums over samples keep prompts and concepts apart, so that a member's bits are its own.
        mean = z.where(there, 0.0).sum(2) / there.sum(2)
        own = slice(0, len(COMBINATIONS))
        hits = right.transpose(1, 2)
        found = [capability(hits[:, :, drawn.groups[name]]) for name in MEANS]
        names = {"combination": COMBINATIONS}
        share = dict(unit="share")
        return {
            "z": Labelled(mean[:, own], ("member", "combination", "concept"), {**names, "concept": CONCEPTS}),
            "right": Labelled(
                self.own_right(task, at, drawn.images[:, own]), ("member", "combination"), names, **share
            ),
            "capability": Labelled(torch.stack(found, -1), ("member", "means"), {"means": MEANS}, **share),
        }

    def draw(self, at: Checkpoint) -> Drawn:
        """Pictures for every prompt, each drawn once: those of the combinations, then those of each means."""
        streams = at.streams.of("elicitation")
        own = discs(at).conditions(streams)
        asked = own[:, ASKED]
        prompts = overprompted(asked, COLOUR, self.factors)
        random = random_pushes(streams, asked, prompts)
        moved = own[:, RED_SMALL, None].expand(-1, len(self.strengths), -1)
        # The first prompt is the plain one, with or without random directions.
        parts = (own, prompts[:, 1:], random[:, 1:], moved, moved)
        told = torch.cat(parts, 1)
        ends = list(accumulate(x.shape[1] for x in parts))
        groups = {name: list(range(*ends[i : i + 2])) for i, name in enumerate(MEANS)}
        for name in MEANS[:2]:
            groups[name].insert(0, ASKED)
        network, count, n = at.population, told.shape[1], self.samples
        noise = streams.normal("noise", (n, 3 * discs(at).pixels ** 2)).to(network.flat)
        # One long row of samples a member, prompt by prompt.
        told = told.to(network.flat).repeat_interleave(n, 1)
        with network.edit({self.site: self.pushed(streams, groups)}):
            rows = flow_samples(network, noise.repeat(1, count, 1), told, self.steps)
        return Drawn(from_net(rows).unflatten(1, (count, n)), groups)

    def pushed(self, streams: Streams, groups: dict[str, list[int]]) -> Edit:
        """The edit that moves hidden units for the prompts that are moved, and for no others."""
        n = self.samples
        red, blue = (slice(i * n, (i + 1) * n) for i in (RED_LARGE, BLUE_LARGE))
        moved = [slice(groups[name][0] * n, (groups[name][-1] + 1) * n) for name in MEANS[2:]]
        by = torch.tensor(self.strengths, device=streams.device).repeat_interleave(n)
        along, anywhere = concept_vector(red, blue, moved[0], by), random_vector(streams, red, blue, moved[1], by)
        return lambda h: anywhere(along(h))

    def own_right(self, task: ColouredDiscs, at: Checkpoint, images: Tensor) -> Float[Tensor, "member combination"]:
        """The share of pictures that show what their condition says."""
        _, right = judged(task, at, images, wanted_coordinates(images.device)[:, None])
        return right.to(images.dtype).mean(2)


def judged(
    task: ColouredDiscs,
    at: Checkpoint,
    images: Float[Tensor, "member prompt sample 3 row column"],
    wanted: Float[Tensor, "#prompt 1 2"] | None = None,
) -> tuple[Float[Tensor, "member prompt sample 2"], Bool[Tensor, "member prompt sample"]]:
    """Coordinates of pictures, and whether they show what is wanted: None is a small blue disc."""
    if wanted is None:
        wanted = wanted_coordinates(images.device)[ASKED, None, None]
    radii = seen_radii(task, task.radii(at.streams)).to(images)[:, None, None]
    signal = torch.as_tensor(task.colour_signal, device=images.device).to(images.dtype)
    signal = signal.expand(at.members)[:, None, None]
    reading = read_discs(images, signal)
    z = concept_coordinates(reading, signal, radii)
    return z, concepts_right(reading, z, signal, wanted.to(images))
