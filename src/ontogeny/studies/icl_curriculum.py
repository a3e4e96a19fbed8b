"""Transformers that learn classes of functions in context learn hard classes from fewer samples, and keep the easy
ones, when training moves from easy to hard and mixes the earlier classes in.

An episode shows points and values of a function that nobody has seen before, and asks for the value at each new
point. Functions are linear, quadratic or cubic in one hidden projection of the point, nested in each other: the best
linear predictor of a quadratic function still makes half of the error of knowing nothing, of a cubic one two thirds.
So an error below 0.5 on quadratic functions shows that more than linear regression has been learned.

Five schedules train the same networks for equally many updates, in three blocks; each update is of one class, and
nothing tells which:

    quadratic only   quadratic throughout
    sequential       linear, then quadratic, then cubic
    mixed            linear, then linear and quadratic, then all three
    random           all three from the beginning
    reverse-mixed    cubic, then cubic and quadratic, then all three

What to look at: in the first figure the quadratic error falls below the dashed line as soon as quadratic functions
are mixed into what has been linear (green), after a few updates on them, while networks that see nothing else need
hundreds; and the linear error, which the sequential schedule loses with the end of its first block, stays. The
second figure counts the updates on quadratic functions up to an error of 0.5, and what is forgotten of linear ones.
If quadratic functions came as cheap in random order, there would be nothing in the order but the other tasks; if
they came as cheap in reverse, not even that.

What we see on the desk: all of it. Mixed in after a block of linear functions, quadratic ones are learned within 9 to
17 updates on them, where networks that see nothing else need 250 to 300 and those with all classes at random 73 to
108; in the reverse order two of four never get there. The linear error rises by 0.76 in blocks of one class each, by
0.14 with the earlier classes kept.

What it does not say: fewer quadratic updates are not fewer updates. Up to an error of 0.5 the mixed schedule has
spent its first block on linear functions, and it ends with a larger quadratic error than training on nothing else,
for it has to infer the class as well. Cubic functions are hardly learned in so short a training, and nothing is
claimed of them on the desk. The third figure shows how far all networks are from the best that can be made of the
examples.

The last two figures look at points unlike those of training, and at which attention heads the classes share.

To vary it: `--seeds 8`, or `experiment(...)` below with other schedules of `PLANS`, dimensions, pairs and lengths; a
plan is a table of shares, block by block, so that a schedule of your own is one more row.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from ontogeny import Claim, Control, Gate, Paper, Study, Training, factor, seeds, zipped
from ontogeny.claims import unfold
from ontogeny.intervals import binomial_interval
from ontogeny.measures.head_importance import HeadImportance
from ontogeny.measures.in_context_error import InContextError, PredictorError, ShiftedError, StepsOfEach
from ontogeny.measures.learning_times import amount_until
from ontogeny.models.rescaled import Rescaled
from ontogeny.models.transformer import EMBEDDING, Transformer
from ontogeny.report.figure import Axis, Dash, Figure, Line, Mark, Panel, Points, Rule, category
from ontogeny.report.spread import mean_and_range
from ontogeny.tasks.in_context_hermite import InContextHermite
from ontogeny.tasks.task_schedule import (
    Plan,
    TaskSchedule,
    block_ends,
    mixed,
    reverse_mixed,
    sequential,
    single,
    uniform,
)
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import Adam
from ontogeny.training.schedules import Warmup
from ontogeny.training.steps import At

DEGREES = (1, 2, 3)
LINEAR, QUADRATIC, CUBIC = DEGREES
CLASSES = {LINEAR: "linear", QUADRATIC: "quadratic", CUBIC: "cubic"}
PLANS: dict[str, Plan] = {
    "quadratic only": single(1, 3),
    "sequential": sequential(3),
    "mixed": mixed(3),
    "random": uniform(3),
    "reverse-mixed": reverse_mixed(3),
    "cubic only": single(2, 3),
}
FIVE = tuple(PLANS)[:5]
MEASURED = (0, *range(100, 600, 25), *range(600, 1_200, 100))  # often where quadratic functions are learned
REACHED = 0.5  # an error of quadratic functions that no linear predictor gets below


def ends_of(steps: int) -> tuple[int, ...]:
    """The updates made at the end of each block."""
    return block_ends(steps, len(DEGREES))


def experiment(
    *,
    schedules: tuple[str, ...] = FIVE,
    dimensions: int = 2,
    pairs: int = 8,
    layers: int = 2,
    width: int = 64,
    heads: int = 4,
    lr: float = 2e-3,
    batch: int = 64,
    steps: int = 1_200,
    measured: tuple[int, ...] = MEASURED,
    many: int = 512,
    shifted: int = 128,
    ablated: int = 64,
    draws: int = 1,
    particles: int = 500,
    seeds_: int = 4,
) -> Training:
    """Transformers that learn linear, quadratic and cubic functions in context, by several schedules."""
    classes = tuple(InContextHermite(dimensions=dimensions, pairs=pairs, degree=k) for k in DEGREES)
    start = {"embed.weight": dimensions**0.5, "positions.weight": 1 / EMBEDDING, "unembed.weight": 0.04 * width**0.5}
    return Training(
        factors=zipped(schedule=schedules, plan=tuple(range(len(schedules)))) * seeds(seeds_),
        task=TaskSchedule(
            tasks=classes, plans=tuple(PLANS[name] for name in schedules), plan=factor("plan"), steps=steps
        ),
        # The read-in and the positions start as N(0, 1), the read-out as N(0, 0.02^2).
        model=Rescaled(model=Transformer(layers=layers, width=width, heads=heads), times=start),
        objective=SquaredError(),
        # The loss is half of the squared error: this clips the gradient of the whole of it at 1.
        optimizer=Adam(lr=lr, betas=(0.9, 0.98), clip=0.5, schedule=Warmup(updates=100)),
        batch=batch,
        steps=steps,
        measures=(
            InContextError(many=many, ends=ends_of(steps)),
            StepsOfEach(),
            ShiftedError(size=shifted, since=steps),
            PredictorError(size=shifted, particles=particles, since=steps),
            HeadImportance(size=ablated, draws=draws, since=steps),
        ),
        at=At(steps=(*measured, *ends_of(steps))),
    )


def errors(ds: xr.Dataset, degree: int) -> xr.DataArray:
    """The error of a class by member and step."""
    return ds.error.sel(degree=degree, drop=True)


def after_first_block(ds: xr.Dataset) -> xr.DataArray:
    """The error of linear functions when the first block ends."""
    return errors(ds, LINEAR).sel(step=ends_of(int(ds.step[-1]))[0], drop=True)


def forgetting(ds: xr.Dataset) -> xr.DataArray:
    """How much the error of linear functions rises from the end of the first block to the end."""
    return errors(ds, LINEAR).isel(step=-1, drop=True) - after_first_block(ds)


def quadratic_updates(ds: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """How many updates on quadratic functions a network needs to get below any linear predictor, and if it does."""
    error, seen = errors(ds, QUADRATIC), ds.steps_of_each.sel(degree=QUADRATIC, drop=True)
    count, reached = amount_until(
        error.transpose("member", "step").values, seen.transpose("member", "step").values, REACHED
    )
    one = error.isel(step=0, drop=True)
    return one.copy(data=count), one.copy(data=reached)


def doublings(ds: xr.Dataset, one: str, other: str) -> xr.DataArray:
    """By seed, log2 of how many times as many quadratic updates `one` schedule needs as the `other`.

    For one that never gets there all its quadratic updates count: if it is the other, this is too much.
    """
    count, _ = quadratic_updates(ds)
    updates = unfold(count.to_dataset(name="updates")).updates
    return np.log2(updates.sel(schedule=one, drop=True) / updates.sel(schedule=other, drop=True))


def doublings_if_reached(ds: xr.Dataset, one: str, other: str) -> xr.DataArray:
    """The same; NaN where the other schedule never gets there."""
    _, reached = quadratic_updates(ds)
    there = unfold(reached.to_dataset(name="there")).there.sel(schedule=other, drop=True)
    return doublings(ds, one, other).where(there)


def saved_by_mixing(ds: xr.Dataset) -> xr.DataArray:
    """Doublings of quadratic updates from the mixed schedule to training on quadratic functions only."""
    return doublings_if_reached(ds, "quadratic only", "mixed")


def saved_in_reverse(ds: xr.Dataset) -> xr.DataArray:
    """The same of the reverse order; at most that, where it never gets there."""
    return doublings(ds, "quadratic only", "reverse-mixed")


def saved_by_order(ds: xr.Dataset) -> xr.DataArray:
    """Doublings of quadratic updates from the mixed schedule to the random one."""
    return doublings_if_reached(ds, "random", "mixed")


def saved_by_reverse_order(ds: xr.Dataset) -> xr.DataArray:
    """Doublings from the reverse order to the random one; at most that, where it never gets there."""
    return doublings(ds, "random", "reverse-mixed")


def converged(ds: xr.Dataset, schedule: str, degree: int) -> xr.DataArray:
    """Whether a schedule ends with an error of 0.5 or less, by seed."""
    last = unfold(ds[["error"]]).error.isel(step=-1, drop=True)
    return last.sel(schedule=schedule, degree=degree, drop=True) <= REACHED


def gain_of_convergence(ds: xr.Dataset, schedule: str = "mixed") -> xr.DataArray:
    """How much more often a schedule converges than training on the class alone, mean over quadratic and cubic.

    NaN in a run without the schedules of one class alone.
    """
    alone = {QUADRATIC: "quadratic only", CUBIC: "cubic only"}
    if not {schedule, *alone.values()} <= set(schedules_of(ds)):
        return xr.DataArray([np.nan], dims="replicate")
    gains = [converged(ds, schedule, k).astype(float) - converged(ds, name, k) for k, name in alone.items()]
    return (gains[0] + gains[1]) / 2


def gain_in_reverse(ds: xr.Dataset) -> xr.DataArray:
    """The same of the reverse order."""
    return gain_of_convergence(ds, "reverse-mixed")


def room_for_gain(ds: xr.Dataset) -> xr.DataArray:
    """Above 0 if the mixed schedule ever converges, and training on one class alone not always; else 0."""
    if "cubic only" not in schedules_of(ds):
        return xr.DataArray([np.nan], dims="replicate")
    mixed_ = max(float(converged(ds, "mixed", k).mean()) for k in (QUADRATIC, CUBIC))
    alone = (converged(ds, "quadratic only", QUADRATIC) & converged(ds, "cubic only", CUBIC)).mean()
    return xr.DataArray([min(mixed_, 1.0 - float(alone))], dims="replicate")


def threefold(ds: xr.Dataset, without: str, beside: str) -> xr.DataArray:
    """By how much the rise of the error without some heads exceeds three times that without others; least of all
    classes.
    """
    last = ds.ablated_error.isel(step=-1, drop=True)
    whole = last.sel(without="none", drop=True)
    one, other = (last.sel(without=name, drop=True) - whole for name in (without, beside))
    return (one - 3 * np.maximum(other, 0)).min("degree", skipna=False)


def shared_heads(ds: xr.Dataset) -> xr.DataArray:
    """`threefold` of the heads that matter most for linear functions beside those that matter least."""
    return threefold(ds, "most important", "least important")


def random_heads(ds: xr.Dataset) -> xr.DataArray:
    """`threefold` of random heads beside other random ones."""
    return threefold(ds, "random", "other random")


def lack_of_training(ds: xr.Dataset) -> xr.DataArray:
    """The largest of three errors over what it should be: linear after the first block, quadratic if alone."""
    values = unfold(ds[["error"]]).error.mean("seed", skipna=False)
    linear = values.sel(degree=LINEAR, step=ends_of(int(ds.step[-1]))[0], drop=True)
    last = values.sel(degree=QUADRATIC, schedule="quadratic only").isel(step=-1, drop=True)
    worst = [float(linear.sel(schedule=name)) / 0.2 for name in ("sequential", "mixed")] + [float(last) / 0.4]
    return xr.DataArray([max(worst)], dims="replicate")


def colour_of(schedule: str) -> str:
    """One colour a schedule in all figures."""
    return category(tuple(PLANS).index(schedule))


def schedules_of(ds: xr.Dataset) -> list[str]:
    """Those of the run, in order."""
    return list(dict.fromkeys(ds.schedule.values.tolist()))


def class_panels(marks_of: Callable[[int], list[Mark]], x: Axis, *, top: float = 1.5) -> list[Panel]:
    """A panel a class, of errors."""
    y = Axis("error", limits=(0, top))
    return [
        Panel(f"{name.capitalize()} functions", x=x, y=y, marks=marks_of(degree)) for degree, name in CLASSES.items()
    ]


def lines(ds: xr.Dataset, values: xr.DataArray, along: str) -> list[Mark]:
    """A line with its range over seeds for every schedule."""
    return [
        mark
        for name in schedules_of(ds)
        for mark in mean_and_range(values.isel(member=ds.schedule.values == name), name, colour_of(name), along)
    ]


def counted(ds: xr.Dataset, schedule: str) -> str:
    """How many networks of a schedule have learned quadratic functions at the end, in words."""
    last = errors(ds, QUADRATIC).isel(step=-1, member=ds.schedule.values == schedule).values
    hits = int((last <= REACHED).sum())
    low, high = binomial_interval(hits, last.size)
    return f"{schedule} {hits} of {last.size} ({low:.2f} to {high:.2f})"


def learning_figure(results: dict[str, xr.Dataset]) -> Figure:
    """The error of every class along training, by schedule."""
    ds = results["main"]
    ends = ends_of(int(ds.step[-1]))

    def marks_of(degree: int) -> list[Mark]:
        level = [Rule(y=1 - 1 / degree, label="best linear predictor")] if degree > 1 else []
        blocks = [Rule(x=end, dash="dot", colour="grey") for end in ends[:-1]]
        return [*blocks, *lines(ds, errors(ds, degree), "step"), *level]

    return Figure(
        "Mixing the classes in, from easy to hard: quadratic functions are learned at once and linear ones stay",
        class_panels(marks_of, Axis("update")),
        caption="Squared error of an episode's last three answers, 1 being that of always answering 0; mean and range "
        "over seeds. Dotted: where blocks of the schedules end. Networks with a quadratic error of 0.5 or less at "
        f"the end (95 % interval of their share): {', '.join(counted(ds, name) for name in schedules_of(ds))}.",
        legend="schedule",
    )


def economy_figure(results: dict[str, xr.Dataset]) -> Figure:
    """What quadratic functions cost by schedule, and what becomes of linear ones."""
    ds = results["main"]
    names, lost = schedules_of(ds), forgetting(ds).values
    count, reached = (found.values for found in quadratic_updates(ds))
    cost: list[Mark] = []
    kept: list[Mark] = [Rule(y=0.0, dash="solid")]
    for i, schedule in enumerate(names):
        own = np.flatnonzero(ds.schedule.values == schedule)
        place = i + 0.12 * (np.arange(len(own)) - (len(own) - 1) / 2)
        look: dict[str, Any] = dict(name=schedule, colour=colour_of(schedule), size=8)
        there = reached[own]
        cost.append(Points(place[there], count[own][there], **look))
        cost.append(Points(place[~there], count[own][~there], symbol="ring", **look))
        kept.append(Points(place, lost[own], **look))
    ticks = {float(i): name.replace("-", "-\n").replace(" only", "\nonly") for i, name in enumerate(names)}
    x = Axis(limits=(-0.6, len(names) - 0.4), ticks=ticks)
    return Figure(
        "Few quadratic samples are enough after linear ones, and mixing keeps the linear ones",
        [
            Panel("Quadratic updates until the error is 0.5", x=x, y=Axis("updates", log=True), marks=cost),
            Panel("Rise of the linear error after the first block", x=x, y=Axis("rise of the error"), marks=kept),
        ],
        caption="A point a seed. Ring: never reached, all quadratic updates of the run. No linear predictor has a "
        "quadratic error below 0.5. A schedule without a linear block has no linear functions to forget.",
    )


def examples_figure(results: dict[str, xr.Dataset]) -> Figure:
    """The error of every class by the number of examples seen, at the end."""
    ds = results["main"].isel(step=-1)
    known = ds.predictor_error.isel(member=0)

    def marks_of(degree: int) -> list[Mark]:
        marks = lines(ds, ds.error_by_examples.sel(degree=degree), "examples")
        reference = known.sel(degree=degree).dropna("predictor")
        dashes: dict[str, Dash] = {"least squares": "dash", "posterior mean": "dot"}
        for name in [name for name in reference.predictor.values.tolist() if name in dashes]:
            y = reference.sel(predictor=name).values
            marks.append(Line(reference.examples.values, y, name=name, colour="ink", dash=dashes[name]))
        return marks

    return Figure(
        "Errors fall with the examples in context",
        class_panels(marks_of, Axis("examples seen")),
        caption="At the end of training, mean and range over seeds; 1 is the error of answering 0. The posterior mean "
        "knows the degree, which networks have to infer; least squares is the best predictor of linear functions.",
        legend="schedule",
    )


def shifts_figure(results: dict[str, xr.Dataset]) -> Figure:
    """The error of every class on points of other distributions, at the end."""
    ds = results["main"].isel(step=-1)
    names, points = schedules_of(ds), ds.points.values.tolist()

    def marks_of(degree: int) -> list[Mark]:
        marks: list[Mark] = [Rule(y=1.0)]
        for i, name in enumerate(names):
            own = ds.shifted_error.sel(degree=degree).isel(member=ds.schedule.values == name)
            place = np.arange(len(points)) + 0.13 * (i - (len(names) - 1) / 2)
            low, mean, high = (getattr(own, f)("member").values for f in ("min", "mean", "max"))
            marks.append(Points(place, mean, low=low, high=high, name=name, colour=colour_of(name)))
        return marks

    ticks = {float(i): text.replace(" times as", " times\nas") for i, text in enumerate(points)}
    return Figure(
        "On points unlike those of training",
        class_panels(marks_of, Axis("points", ticks=ticks, limits=(-0.5, len(points) - 0.5)), top=2.0),
        caption="At the end of training, mean and range over seeds; 1 is the error of answering 0 on such points.",
        legend="schedule",
    )


def heads_figure(results: dict[str, xr.Dataset]) -> Figure:
    """The importance of every head for one class against that for linear functions, with the mixed schedule."""
    ds = results["main"]
    last = ds.head_importance.isel(step=-1, member=ds.schedule.values == "mixed").stack(which=("layer", "head"))
    linear = last.sel(degree=LINEAR).values
    panels = []
    for degree, name in list(CLASSES.items())[1:]:
        other = last.sel(degree=degree).values
        rank = np.mean(
            [np.corrcoef(rankdata(one), rankdata(two))[0, 1] for one, two in zip(linear, other, strict=True)]
        )
        points = Points(linear.ravel(), other.ravel(), colour=colour_of("mixed"))
        panels.append(
            Panel(
                f"{name} functions, rank correlation {rank:.2f}".capitalize(),
                x=Axis("rise of the linear error"),
                y=Axis(f"rise of the {name} error"),
                marks=[Rule(x=0.0, dash="dot"), Rule(y=0.0, dash="dot"), points],
            )
        )
    return Figure(
        "Which heads matter, class by class",
        panels,
        caption="Mixed schedule: what replacing a head by its mean adds to the error, relative to the error; a point a "
        "head of a network. The correlation is the mean over networks.",
    )


SMALL: dict[str, Any] = dict(
    pairs=4, layers=1, width=16, heads=2, batch=8, steps=20, measured=(0,), many=16, shifted=16, ablated=16,
    particles=50, seeds_=2,
)  # fmt: skip
LARGE: dict[str, Any] = dict(
    schedules=tuple(PLANS), dimensions=5, pairs=40, layers=6, width=128, lr=3e-4, steps=9_000, many=4_096,
    measured=(0, *range(100, 3_201, 100), *range(3_500, 9_000, 500)), shifted=1_024, ablated=512, draws=4,
    particles=0, seeds_=8,
)  # fmt: skip

trained = Gate(
    "the first block teaches linear functions (0.2), and quadratic ones alone are learned (0.4)",
    lack_of_training,
    where={},
    below=1.0 + 1e-9,
)
TWICE, FIFTH = 1.0, float(np.log2(1.2))

study = Study(
    paper=Paper(
        "How does Multi-Task Training Affect Transformer In-Context Capabilities? Investigations with Function Classes",
        "Bhasin, Ossowski, Zhong & Hu",
        2024,
        arxiv="2404.03558",
    ),
    family="continual-learning-and-curricula",
    differs=[
        "Two layers of width 64 in two dimensions with eight pairs; the paper has 12 layers of width 256, 20 "
        "dimensions and 100 pairs. At gpu scale six layers of width 128, five dimensions and 40 pairs.",
        "Directions have unit length, so that all classes have values of one variance and errors can be compared.",
        "The reverse order is added as a control. Adam's rate is larger and training shorter, with smaller networks.",
        "Errors are relative to those of answering 0 on the same episodes.",
        "Updates on quadratic functions are what samples are counted in.",
    ],
    scales=dict(smoke=experiment(**SMALL), desk=experiment(), gpu=experiment(**LARGE)),
    claims=[
        Claim(
            "sequential-forgets",
            "in blocks of one class each, the error of linear functions rises by 0.4 or more after their block",
            forgetting,
            where=dict(schedule="sequential"),
            above=0.4 - 1e-9,
            gate=trained,
            control=Control(
                "with all classes at random it rises by at most 0.1", where=dict(schedule="random"), below=0.1 + 1e-9
            ),
        ),
        Claim(
            "mixed-keeps",
            "when new classes are mixed in, the error of linear functions rises by at most 0.2",
            forgetting,
            where=dict(schedule="mixed"),
            below=0.2 + 1e-9,
            gate=trained,
            control=Control("in blocks of one class it rises by more", where=dict(schedule="sequential"), above=0.2),
        ),
        Claim(
            "fewer-hard-samples",
            "quadratic functions alone need over twice the quadratic updates of the mixed schedule (in doublings: 1)",
            saved_by_mixing,
            above=TWICE,
            gate=trained,
            control=Control(
                "in the reverse order they need less than 1.5 times as many",
                saved_in_reverse,
                below=float(np.log2(1.5)),
            ),
        ),
        Claim(
            "order-matters",
            "all classes at random need more quadratic updates than the mixed schedule (in doublings: above 0)",
            saved_by_order,
            above=0.0,
            gate=trained,
            control=Control("they need no more than the reverse order", saved_by_reverse_order, below=0.0),
        ),
        Claim(
            "order-saves-a-fifth",
            "all classes at random need at least 1.2 times the quadratic updates of the mixed schedule, on average",
            saved_by_order,
            above=FIFTH - 1e-9,
            decides="mean",
            gate=trained,
            control=Control(
                "in the reverse order they need less than 1.2 times as many", saved_by_reverse_order, below=FIFTH
            ),
        ),
        Claim(
            "mixed-converges",
            "the mixed schedule brings quadratic and cubic errors to 0.5 in 0.3 more of the seeds than one class alone",
            gain_of_convergence,
            above=0.3 - 1e-9,
            gate=Gate("mixed training converges, and training on one class not always", room_for_gain, above=0.0),
            control=Control("with the reverse order it is less than 0.3", gain_in_reverse, below=0.3),
            scales=("gpu",),
        ),
        Claim(
            "shared-heads",
            "without the third of heads that matters most for linear functions all errors rise by over three times as "
            "much as without the least important third",
            shared_heads,
            where=dict(schedule="mixed"),
            above=0.0,
            gate=trained,
            control=Control("random thirds do not differ so much", random_heads, below=0.0),
            scales=("gpu",),
        ),
    ],
    figures=[learning_figure, economy_figure, examples_figure, shifts_figure, heads_figure],
)
