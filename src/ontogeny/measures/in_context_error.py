"""In-context error: the squared error of a regression by how many examples the network has seen, class by class."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Task
from ontogeny.tasks.in_context_hermite import InContextHermite
from ontogeny.tasks.regression_predictors import averaging, least_squares, nearest_neighbours, posterior_mean
from ontogeny.tasks.task_schedule import Scheduled, TaskSchedule

EPISODES = Streams((0,), "in-context error")  # of all members: their errors differ by what they learned alone
AT_ONCE = 64  # episodes: about a training batch, which a cohort is sized for
PREDICTORS = ("least squares", "averaging", "3 neighbours", "posterior mean")
SHIFTS = {
    "as trained": dict[str, object](),
    "1.5 times as far": dict[str, object](scale=1.5),
    "skewed": dict[str, object](inputs="skewed"),
}


def classes_of(task: Task) -> tuple[InContextHermite, ...]:
    """The function classes of a task: itself, or those of a schedule.

    Raises: `UserError` for another task.
    """
    given = task.tasks if isinstance(task, TaskSchedule) else (task,)
    classes = tuple(one for one in given if isinstance(one, InContextHermite))
    if len(classes) < len(given):
        names = ", ".join(type(one).__name__ for one in given)
        raise UserError(f"this measure looks at functions in context: it needs InContextHermite, got {names}")
    return classes


def episodes(task: InContextHermite, members: int, size: int, device: torch.device) -> Batch:
    """The first `size` of the episodes that all members are measured on; of every degree with the same points."""
    one = task.sample(None, Streams(EPISODES.seeds, EPISODES.purpose, device=device), size)
    # Copies, not views of one: a product must not see whether a member is alone.
    return Batch(
        inputs=one.inputs.repeat(members, 1, 1, 1),
        targets=one.targets.repeat(members, 1, 1, 1),
        latents={name: value.expand(members, *value.shape[1:]) for name, value in one.latents.items()},
    )


def error_by_examples(population: Population, batch: Batch) -> Float[Tensor, "member pair"]:
    r"""The squared error at each pair's point, before its value is shown, in units of that of the answer 0; float64.

    $\sum_e (\hat y - y)^2 / \sum_e y^2$ over episodes. Where y has variance 1 this is the mean squared error too, but
    less noisy: few large values of y make most of the error, and of its noise.
    """
    parts = []
    for first in range(0, batch.inputs.shape[1], AT_ONCE):
        some = batch.take(slice(first, first + AT_ONCE))
        answers = population(some.inputs.to(population.flat.dtype))[:, :, ::2]
        parts.append((answers - some.targets[:, :, ::2])[..., 0].double().square().sum(1))
    return torch.stack(parts).sum(0) / batch.latents["y"].double().square().sum(1)


def at_the_end(curve: Float[Tensor, "*any pair"], last: int) -> Float[Tensor, "*any"]:
    """The mean of a curve over its last pairs, over all of them where there are fewer."""
    return curve[..., -last:].mean(-1)


class InContextError(Measure):
    """The squared error by degree, 1 being that of the answer 0, on the same episodes for all members and checkpoints.

    `error` is the mean over the `last` pairs of an episode, on `episodes` of them; at the steps `ends` on `many`, and
    there also `error_by_examples`, pair by pair: `examples` are those seen before.

    Raises: `UserError` for a task other than `InContextHermite`, or a schedule of some.
    """

    episodes: int = 256
    many: int = 1_024
    ends: tuple[int, ...] = ()
    last: int = 3

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Both."""
        classes, many = classes_of(at.task), at.step in self.ends
        size = self.many if many else self.episodes
        device = at.population.flat.device
        curves = [error_by_examples(at.population, episodes(one, at.members, size, device)) for one in classes]
        curve = torch.stack(curves, 1)
        coords = {"degree": [one.degree for one in classes], "examples": range(curve.shape[-1])}
        dims = ("member", "degree", "examples")
        found = {"error": Labelled(at_the_end(curve, self.last), dims[:2], {"degree": coords["degree"]}, unit="E y²")}
        if many:
            found["error_by_examples"] = Labelled(curve, dims, coords, unit="E y²")
        return found


class StepsOfEach(Measure):
    """`steps_of_each`: how many of the updates made are of each task of a `TaskSchedule`.

    Raises: `UserError` for another task.
    """

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """By degree."""
        if not isinstance(at.task, TaskSchedule) or not isinstance(at.world, Scheduled):
            raise UserError(f"StepsOfEach counts what a TaskSchedule draws, got {type(at.task).__name__}")
        degrees = [one.degree for one in classes_of(at.task)]
        count = at.task.steps_of_each(at.world, at.step)
        return {"steps_of_each": Labelled(count, ("member", "degree"), {"degree": degrees}, unit="updates")}


class ShiftedError(Measure):
    """`shifted_error` on points of other distributions than those of training, 1 being that of the answer 0 there.

    The mean over the `last` pairs on `size` episodes, by `points` (see `SHIFTS`) and degree. From step `since` on.
    """

    size: int = 512
    last: int = 3
    since: int = 0

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Nothing before `since`."""
        if at.step < self.since:
            return {}
        classes, found = classes_of(at.task), []
        for shift in SHIFTS.values():
            for one in classes:
                batch = episodes(one.replace(**shift), at.members, self.size, at.population.flat.device)
                found.append(at_the_end(error_by_examples(at.population, batch), self.last))
        values = torch.stack(found, 1).unflatten(1, (len(SHIFTS), len(classes)))
        coords = {"points": tuple(SHIFTS), "degree": [one.degree for one in classes]}
        return {"shifted_error": Labelled(values, ("member", "points", "degree"), coords, unit="E y²")}


class PredictorError(Measure):
    """`predictor_error`: what `PREDICTORS` get wrong on the episodes of `InContextError`, by degree and examples.

    The posterior mean knows the degree; it has `particles` directions, 0 leaving it out (NaN), as one would in more
    than three dimensions. From step `since` on; the same for all members.
    """

    size: int = 512
    particles: int = 2_000
    since: int = 0

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Nothing before `since`."""
        if at.step < self.since:
            return {}
        classes = classes_of(at.task)
        rows = []
        for one in classes:
            drawn = episodes(one, 1, self.size, at.population.flat.device).latents
            x, y = drawn["x"][0].double(), drawn["y"][0].double()
            errors = [(p - y).square().sum(0) / y.square().sum(0) for p in self._predictions(x, y, one.degree)]
            rows.append(torch.stack(errors))
        values = torch.stack(rows, 1)[None].expand(at.members, -1, -1, -1)
        coords = {
            "predictor": PREDICTORS,
            "degree": [one.degree for one in classes],
            "examples": range(values.shape[-1]),
        }
        return {"predictor_error": Labelled(values, ("member", *coords), coords, unit="E y²")}

    def _predictions(
        self, x: Float[Tensor, "episode pair dimension"], y: Float[Tensor, "episode pair"], degree: int
    ) -> list[Tensor]:
        known = torch.full_like(y, torch.nan)
        if self.particles:
            streams = Streams(EPISODES.seeds, EPISODES.purpose, device=x.device)
            chunks = zip(x.split(AT_ONCE), y.split(AT_ONCE), strict=True)
            known = torch.cat([posterior_mean(a, b, degree, streams, self.particles) for a, b in chunks])
        return [least_squares(x, y), averaging(x, y), nearest_neighbours(x, y), known]
