"""Path diversity: how many different right paths networks write at each temperature, and how often they are right."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.measures.average import average
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.path_reading import navigation_task, read_path, share
from ontogeny.models.generate import generate, sampled
from ontogeny.tasks.dag_navigation import paths_of, pick_pairs

COUNTS = ("several", "one", "one, found greedily")


def distinct(rows: Int[Tensor, "*pair sample place"], valid: Bool[Tensor, "*pair sample"]) -> Int[Tensor, "*pair"]:
    """Number of different rows among the valid ones."""
    same = (rows[..., :, None, :] == rows[..., None, :, :]).all(-1)
    before = torch.ones(same.shape[-2:], dtype=torch.bool, device=rows.device).tril(-1)
    seen = (same & before & valid[..., None, :]).any(-1)
    return (valid & ~seen).sum(-1)


class PathDiversity(Measure):
    """Writes `samples` paths for each held-out pair at each temperature (0: the most probable token).

    By whether a pair has several paths or one (`paths`):

    - `diversity`: different valid paths among the samples, over the number of paths there are (at most `samples`), mean
      over pairs; from 0, none was found, to 1, all were.
    - `validity`: share of samples that are valid paths.
    - `law_diversity`: the diversity of as many paths drawn by the task itself.

    A pair with one path may gain by temperature too, when the most probable path is a wrong one and another is drawn
    now and then. With the most probable one right, "one, found greedily", its diversity can only fall.

    With several paths it can only rise up to a temperature of 1 where a network is the law that draws all paths alike:
    the expected number of different paths among n samples, the sum of 1 - (1 - p)^n over paths, is greatest when all
    have the same probability p and no other path has any.

    Cost: temperatures * samples * pairs generated paths.
    """

    temperatures: tuple[float, ...] = (0.0, 0.3, 0.5, 0.7, 1.0, 1.25, 1.5, 2.0)
    samples: int = 32
    pairs: int = 128

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Diversity and validity at one checkpoint."""
        task, world, streams = navigation_task(at), at.world, at.streams.of("path diversity")
        start, goal, there = pick_pairs(streams, world.held_out & world.reachable, self.pairs)
        count = paths_of(world, start, goal)
        prompts, end = task.prompts("STEP", start, goal), task.token("END")
        first = generate(at.population, prompts, task.longest + 1)
        known = read_path(first, start, goal, world.edges, end).outcome == 0
        one = there & (count == 1)
        kinds = (there & (count > 1), one, one & known)
        many, many_goals = (t[..., None].expand(-1, -1, self.samples).flatten(1) for t in (start, goal))
        prompts = task.prompts("STEP", many, many_goals)

        def found(paths: Int[Tensor, "member row place"]) -> Float[Tensor, "member pair"]:
            valid = read_path(paths, many, many_goals, world.edges, end).outcome == 0
            cut = paths.where((paths == end).cumsum(-1) == 0, end).unflatten(1, (self.pairs, self.samples))
            return distinct(cut, valid.unflatten(1, (self.pairs, self.samples))) / count.clamp(1, self.samples)

        diversity, validity = [], []
        for i, temperature in enumerate(self.temperatures):
            if temperature == 0:  # all samples are the one that is there already
                paths = first[:, :, None].expand(-1, -1, self.samples, -1).flatten(1, 2)
            else:
                choose = sampled(streams.of(f"temperature {i}"), temperature)
                paths = generate(at.population, prompts, task.longest + 1, choose)
            valid = read_path(paths, many, many_goals, world.edges, end).outcome == 0
            right = valid.unflatten(1, (self.pairs, self.samples)).sum(-1).double() / self.samples
            diversity.append(torch.stack([average(found(paths), kind) for kind in kinds], -1))
            validity.append(torch.stack([average(right, kind) for kind in kinds], -1))
        drawn = task.draw_path(world, streams.of("law"), many, many_goals)
        drawn = torch.cat([drawn, torch.full_like(drawn[..., :1], end)], -1)
        law = torch.stack([average(found(drawn), kind) for kind in kinds], -1)
        dims, coords = ("member", "temperature", "paths"), dict(temperature=self.temperatures, paths=COUNTS)
        return {
            "diversity": share(torch.stack(diversity, 1), dims, **coords),
            "validity": share(torch.stack(validity, 1), dims, **coords),
            "law_diversity": share(law, ("member", "paths"), paths=COUNTS),
        }
