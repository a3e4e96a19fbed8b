"""Forking paths: the outcome distribution along held-out stories, and at which of their words it is decided."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.outcome_distribution import frequencies, hazard, kept, mixture
from ontogeny.models.resample import Question, Resampled, resample, tell_often
from ontogeny.streams import Streams
from ontogeny.tasks.forking_story import ForkingStory
from ontogeny.tasks.story import FORKS, OUTCOMES, Story

SERIES = 400  # constant series to compare with
EPS = (0.3, 0.4, 0.5, 0.7)


def story_task(at: Checkpoint) -> Story:
    """The task of a checkpoint, which has to tell stories.

    Raises: `UserError` for any other task.
    """
    if not isinstance(at.task, Story):
        raise UserError(f"this measure reads stories: it needs a Story, got {type(at.task).__name__}")
    return at.task


def question(task: Story) -> Question:
    """How a story is asked for its outcome."""
    return Question(ask=task.token("ANS"), first=task.token(OUTCOMES[0]), options=len(OUTCOMES))


def opening(task: Story, words: Int[Tensor, "member path place"]) -> Int[Tensor, "member path 1"]:
    """The token before the first word of each story."""
    return torch.full_like(words[..., :1], task.token("BOS"))


def alternates(task: Story) -> list[int]:
    """How many tokens an undecided story can go on with at each word.

    Those are the words of a state, and before the first word of any undecided state, then the fork words and ".".
    """
    marks = len(FORKS) + 1
    return [task.undecided * task.words + marks] + [task.words + marks] * (task.length - 1)


def distance(
    start: Float[Tensor, "member #path outcome"], along: Float[Tensor, "member path prefix outcome"]
) -> Float[Tensor, "member path prefix"]:
    """How far the outcome distribution has come from that before any word, in L2."""
    return (along - start[:, :, None]).square().sum(-1).sqrt()


class ForkingPaths(Measure):
    """Resamples held-out stories at every word: each of the likeliest tokens is told on `samples` times.

    Those are as many as an undecided story has to choose from (see `alternates`). The distribution after a prefix is
    the mixture of what the kept tokens lead to, of which `least` is the smallest probability; the one after the whole
    story is drawn directly. From step `since` on; before it only the first `early` stories are resampled, and the rest
    is NaN. By threshold, story (`path`) and prefix (words read, from 0) or word:

        outcome_law     outcome distribution after the prefix
        hazard          probability of a token at this word that changes the outcome by more than `eps` (L2)
        kept            probability of the tokens kept
        exact_law       the outcome distribution that is best possible, from the task
        fork_at         number of the word that decides (0: none)
        words           the tokens of the story
        start_outcome   distribution of `fresh` stories: never that after 0 words, which would leave no noise at 0

    And to tell a change from noise, at the first threshold, L2 distances from the start at every prefix:

        null_distance   of 400 series whose distribution never changes, with the same numbers of samples and the tokens'
                        probabilities of the stories in turn
        steady_distance of `steady` stories that never fork; NaN for a task without such

    Raises: `UserError` for a task other than a `Story`, or a model that does not generate.
    Cost: (paths + steady) * (words + 5) * samples * length^2 / 2 tokens a member, `words` being those of a state.
    Source: Bigelow et al., arXiv 2412.07961, equations 1 to 4; they sample 30 times and keep tokens of 0.05 or more.
    """

    paths: int = 24
    steady: int = 24
    samples: int = 40
    fresh: int = 400
    least: tuple[float, ...] = (0.005, 0.05)
    eps: tuple[float, ...] = EPS
    since: int = 0
    early: int = 2

    def check(self) -> None:
        """Counts that leave something to measure."""
        for name in ("paths", "steady", "samples", "fresh", "early"):
            if getattr(self, name) < 1:
                raise UserError(f"ForkingPaths: {name} is 1 or more, got {getattr(self, name)}")
        if self.early > self.paths or not self.least or not self.eps:
            raise UserError("ForkingPaths needs a threshold, an eps, and no more early stories than stories")

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """All of the above at one checkpoint."""
        task, streams = story_task(at), at.streams.of("forking paths")
        batch = task.sample(at.world, streams.of("stories"), self.paths)
        words, asked = batch.inputs[..., 1:-1], question(task)
        ready = at.step >= self.since
        looked = words if ready else words[:, : self.early]
        fresh = tell_often(
            at.population, opening(task, words)[:, :1], task.length, self.fresh, asked, streams.of("fresh")
        )
        start = frequencies(fresh[:, 0], asked.options)
        found = self._resample(at, looked, streams.of("resampled"))
        values: dict[str, Tensor] = {**self._along(found, asked.options), "start_outcome": start}
        full = {name: _padded(v, self.paths) if "path" in DIMS[name] else v for name, v in values.items()}
        full["exact_law"], full["words"] = task.outcome_law(at.world, words), words
        full["fork_at"] = batch.latents["fork"]
        full["null_distance"] = self._null(found, start, alternates(task), streams.of("null"))
        full["steady_distance"] = self._steady(at, start, ready)
        coords: dict[str, Any] = dict(least=self.least, eps=self.eps, outcome=OUTCOMES)
        coords |= dict(prefix=range(task.length + 1), word=range(1, task.length + 1))
        return {name: _labelled(v, name, coords) for name, v in full.items()}

    def _resample(self, at: Checkpoint, words: Tensor, streams: Streams) -> Resampled:
        task = story_task(at)
        return resample(
            at.population,
            opening(task, words),
            words,
            question(task),
            streams,
            alternates=alternates(task),
            samples=self.samples,
        )

    def _along(self, found: Resampled, options: int) -> dict[str, Tensor]:
        """What changes along the stories, by threshold."""
        branches, final = frequencies(found.outcome, options), frequencies(found.final, options)
        outcome, risk, mass = [], [], []
        for least in self.least:
            weights = kept(found.probability, least)
            outcome.append(torch.cat([mixture(branches, weights), final[:, :, None]], 2))
            risk.append(torch.stack([hazard(branches, weights, eps) for eps in self.eps], -1))
            mass.append((found.probability * (weights > 0)).sum(-1))
        return {"outcome_law": torch.stack(outcome, 1), "hazard": torch.stack(risk, 1), "kept": torch.stack(mass, 1)}

    def _null(
        self, found: Resampled, start: Float[Tensor, "member outcome"], counts: list[int], streams: Streams
    ) -> Float[Tensor, "member series prefix"]:
        """Distances of series whose distribution is `start` all along."""
        weights = kept(found.probability, self.least[0])
        turn = torch.arange(SERIES, device=start.device) % weights.shape[1]
        weights = weights[:, turn]  # [member, series, place, alternate]
        members, options = start.shape

        def drawn(name: str, *shape: int) -> Tensor:
            law = start.view(members, 1, *[1] * len(shape), options)
            return frequencies(streams.categorical(name, (SERIES, *shape), law), options)

        along = []
        for place, many in enumerate(counts):
            along.append(mixture(drawn(f"branches {place}", many, self.samples), weights[:, :, place, :many]))
        along.append(drawn("final", 4 * self.samples))
        return distance(drawn("start", self.fresh), torch.stack(along, 2))

    def _steady(self, at: Checkpoint, start: Float[Tensor, "member outcome"], ready: bool) -> Tensor:
        """Distances along stories that never fork."""
        task, streams = story_task(at), at.streams.of("steady paths")
        nothing = start.new_full((at.members, self.steady, task.length + 1), torch.nan)
        if not ready or not isinstance(task, ForkingStory):
            return nothing
        words = task.replace(fork=0.0).tell(streams.of("stories"), self.steady).words
        found = self._resample(at, words, streams.of("resampled"))
        return distance(start[:, None], self._along(found, start.shape[-1])["outcome_law"][:, 0])


DIMS = {
    "outcome_law": ("member", "least", "path", "prefix", "outcome"),
    "hazard": ("member", "least", "path", "word", "eps"),
    "kept": ("member", "least", "path", "word"),
    "exact_law": ("member", "path", "prefix", "outcome"),
    "fork_at": ("member", "path"),
    "words": ("member", "path", "word"),
    "start_outcome": ("member", "outcome"),
    "null_distance": ("member", "series", "prefix"),
    "steady_distance": ("member", "steady", "prefix"),
}
UNITS = {name: "probability" for name in ("outcome_law", "hazard", "kept", "exact_law", "start_outcome")}


def _padded(values: Float[Tensor, "member least path *rest"], paths: int) -> Tensor:
    """With NaN for the stories that were not looked at."""
    missing = values.new_full((*values.shape[:2], paths - values.shape[2], *values.shape[3:]), torch.nan)
    return torch.cat([values, missing], 2)


def _labelled(values: Tensor, name: str, coords: dict[str, Any]) -> Labelled:
    here = {dim: labels for dim, labels in coords.items() if dim in DIMS[name]}
    return Labelled(values.double(), DIMS[name], here, UNITS.get(name, ""))
