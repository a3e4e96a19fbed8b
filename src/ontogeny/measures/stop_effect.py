"""Stop effect: how far the outcome moves when "." is written in an undecided story, by the state of the word before."""

import torch

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.forking_paths import opening, question, story_task
from ontogeny.measures.outcome_distribution import frequencies
from ontogeny.models.resample import tell_often
from ontogeny.tasks.forking_story import ForkingStory

FIRST = 3  # the first word that is replaced


class StopEffect(Measure):
    """`stop_distance`: L2 between the outcome distributions after "." and after a word, each told `samples` times.

    By the undecided state whose word stands before (`after`), over `prefixes` stories without fork or filler, whose
    words 3, 4, ... (going round to the last but two) are replaced. The "." decides after two of the states and is
    filler after the others. Measured from step `since` on, NaN before, and NaN for a story that cannot fork.

    Raises: `UserError` for a task other than a `Story`, or stories of fewer than 4 words.
    Cost: 2 * states * prefixes * samples rollouts a member.
    """

    prefixes: int = 12
    samples: int = 60
    since: int = 0

    def check(self) -> None:
        """Counts that leave something to measure."""
        if self.prefixes < 1 or self.samples < 1:
            raise UserError(f"StopEffect needs a prefix and a sample, got {self.prefixes} and {self.samples}")

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Distances at one checkpoint."""
        task, streams = story_task(at), at.streams.of("stop effect")
        ring = torch.arange(task.undecided, device=streams.device)
        if at.step < self.since or not isinstance(task, ForkingStory):
            found = torch.full((at.members, task.undecided, self.prefixes), torch.nan, dtype=torch.float64)
            return {"stop_distance": _labelled(found.to(streams.device), task.undecided)}
        if task.length <= FIRST:
            raise UserError(f"StopEffect needs stories of {FIRST + 1} words or more, got length={task.length}")
        asked, steady, columns = question(task), task.replace(fork=0.0, filler=0.0), []
        for i in range(self.prefixes):
            here, place = streams.of(f"prefix {i}"), FIRST + i % max(1, task.length - FIRST - 1)
            # Word `place` - 1 belongs to state 0, 1, ...: the story starts so many states before.
            start = (ring - (place - 2)) % task.undecided
            words = steady.tell(here, task.undecided, start=start).words[..., :place].repeat(1, 2, 1)
            words[:, : task.undecided, -1] = task.token(".")
            prompts = torch.cat([opening(task, words), words], -1)
            told = tell_often(at.population, prompts, task.length - place, self.samples, asked, here.of("told"))
            stop, word = frequencies(told, asked.options).chunk(2, 1)
            columns.append((stop - word).square().sum(-1).sqrt())
        return {"stop_distance": _labelled(torch.stack(columns, -1), task.undecided)}


def _labelled(values: torch.Tensor, states: int) -> Labelled:
    return Labelled(values, ("member", "after", "prefix_number"), {"after": range(states)}, unit="L2")
