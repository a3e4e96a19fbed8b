"""A network that learns to output its input learns one concept after another, and its loss on an unseen combination of
them can go down, up and down again.

Each cluster of the data shows one concept: it sits on an axis of its own, at a distance (the concept's signal) and with
a spread (its diversity). The test is the corner where all concepts come together, which no cluster covers. Concepts
are learned one after the other, and a concept's speed is the second moment of the data along its axis,
a = spread^2 + distance^2 / s: signal and diversity both count, as the exact solutions of linear networks say.

The way to the corner need not be direct. In a two-layer linear network with tied weights, W = U U^T, an off-diagonal
entry of W grows at the mean of two concepts' rates and is pushed back to zero once the faster of them is learned. In
between the slow concept is answered by what it borrows from the fast one. The answer moves towards the corner, falls
back when the loan is called in, and comes again when the slow concept is learned by itself: the *swing-by*. It needs
concepts that are aligned at the start. Without entries off the diagonal there is no swing, it grows with the alignment
and with the number of concepts. Independent Gaussian weights are not aligned: with many hidden units the swing is
absent, with only as many as there are concepts some seeds show it by chance.

What to look at: on the left the concept plane, with the two clusters as dots and the corner as a diamond. Every path
starts near the origin; the more aligned the start, the farther it swings out and back. In the middle the loss at the
corner, with the borrowed entry of the Jacobian dashed: it has peaked and is on its way back while the loss rises. On
the right how far the loss comes back up, for every kind of start. The second figure shows how much later the weak
concept is learned, against what the second moments predict.

What we see at desk scale: all of it. From aligned starts the loss comes back up by a fifth of its start with two
concepts, and by more with each further one; no start without entries off the diagonal swings. The ReLU networks shown
come back up by less than a tenth.

To vary it: `--seeds 128` draws more starts; other alignments, distances, spreads and depths are the arguments of
`experiments` below.
"""

from typing import Any

import numpy as np
import xarray as xr

from ontogeny import Claim, Control, Gate, Paper, Study, Training, every, factor, seeds, vary, zipped
from ontogeny.claims import narrow, unfold
from ontogeny.factors import Table
from ontogeny.measures.concept_dynamics import (
    STILL,
    all_learned,
    amplitude,
    growth,
    lateness,
    losses,
    peaks_first,
    strongest_first,
    tops,
    turns,
)
from ontogeny.measures.concept_trajectory import ConceptJacobian, ConceptTrajectory
from ontogeny.measures.contract import Measure
from ontogeny.measures.swing import terminal_rate
from ontogeny.models.contract import Model
from ontogeny.models.factored_linear import Aligned, Jittered, TiedLinear, UntiedLinear
from ontogeny.models.mlp import MLP
from ontogeny.report.figure import Axis, Figure, Line, Panel, Points, Rule, level
from ontogeny.report.rows import in_row, row_axis
from ontogeny.tasks.structured_identity import PopulationIdentity, StructuredIdentity
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import SGD

STEP = 0.01  # of time a step of the population's flow
SWINGS = 0.1  # a rise of the loss by a tenth of its start
OFTEN = 0.95 - 1e-3  # of the seeds; bounds are strict, "at least" is not
EVEN = float(np.log2(1.25))  # two concepts are learned at one time: within a quarter of each other, in doublings
WORLD = dict(concepts=2, spacing=1.0, spread=0.05, widening=0.0)  # distances 1 and 2
DIVERSE = dict(concepts=2, spacing=0.0, spread=0.05, widening=0.95)  # spreads 0.05 and 1 at one distance
SAME = {**WORLD, "spacing": 0.0}
SAME_WIDE = dict(concepts=2, spacing=0.0, spread=1.0, widening=0.0)
THREE = {**WORLD, "concepts": 3}
JITTERS = (0.1, 0.3, 1.0)
WIDE = 0.5  # spread of the clusters from which a ReLU network learns both concepts
GROWN = dict(layers=2, spread=WIDE, spacing=1.0)
GROWN_ALIKE = {**GROWN, "spacing": 0.0}
ALIGNMENTS = (-1.0, 0.0, 0.5, 0.7, 0.8, 0.9, 1.0)
RATIO = (0.05**2 + 0.5) ** -1 * (1 + 0.5)  # of the two second moments in DIVERSE


def worlds(*settings: dict[str, Any]) -> Table:
    """Data with these numbers of concepts, distances and spreads."""
    return zipped(**{name: tuple(setting[name] for setting in settings) for name in WORLD})


def flow(
    factors: Table,
    model: Model,
    steps: Any,
    measures: tuple[Measure, ...] = (ConceptTrajectory(),),
    interval: int = 5,
    lr: Any = STEP,
) -> Training:
    """A linear network under the gradient flow of the population loss, a step being `lr` of time."""
    return Training(
        factors=factors,
        task=PopulationIdentity(**{name: factor(name) for name in WORLD}),
        model=model,
        objective=SquaredError(),
        optimizer=SGD(lr=lr),
        batch=factor("concepts"),
        examples=factor("concepts"),
        steps=steps,
        measures=measures,
        at=every(interval),
        dtype="float64",
    )


def networks(settings: Table, count: int, width: int, clusters: int = 2, each: int = 32) -> Training:
    """ReLU networks of several layers without biases, from small weights, on points drawn once a seed."""
    return Training(
        factors=settings * seeds(count),
        task=StructuredIdentity(spacing=factor("spacing"), spread=factor("spread")),
        model=MLP(layers=factor("layers"), width=width, activation="relu", bias=False, init_scale=0.03**0.5),
        objective=SquaredError(),
        optimizer=SGD(lr=factor("lr")),
        batch=clusters * each,
        examples=clusters * each,
        steps=factor("steps"),
        measures=(ConceptTrajectory(),),
        at=every(5),
    )


def experiments(
    count: int = 32,
    grown: int = 16,
    hidden: int = 32,
    width: int = 64,
    concepts: tuple[int, ...] = (2, 3, 4, 5),
    shrunk: int = 1,
) -> dict[str, Training]:
    """All experiments at one scale; `shrunk` divides their steps.

    The steps suffice for every concept to be learned: the exact flow needs 3,900 for the weakest of five from the
    smallest start, 1,400 for that of three.
    """
    usual, many = 2_000 // shrunk, 5_000 // shrunk
    seeded, exact = seeds(count), seeds(1)
    random_worlds = worlds(WORLD, THREE, SAME, DIVERSE, SAME_WIDE) * seeded
    ramp = zipped(
        concepts=concepts,
        steps=tuple(usual if s < 4 else many for s in concepts),
        **{name: (WORLD[name],) * len(concepts) for name in ("spacing", "spread", "widening")},
    )
    grown_worlds = zipped(
        layers=(2, 2, 2, 3, 4),
        spacing=(1.0, 1.0, 0.0, 1.0, 1.0),
        spread=(0.05, WIDE, WIDE, 0.05, 0.05),
        lr=(*(0.02,) * 4, 0.005),
        steps=(*(1_500 // shrunk,) * 4, 4_000 // shrunk),
    )
    both = (ConceptTrajectory(), ConceptJacobian())
    return dict(
        tied=flow(random_worlds, TiedLinear(hidden=hidden), usual),
        untied=flow(random_worlds, UntiedLinear(hidden=hidden), usual),
        narrow=flow(worlds(WORLD) * seeded, TiedLinear(), usual),
        one_layer=flow(worlds(WORLD, DIVERSE, SAME_WIDE) * exact, one_layer(), usual, interval=1),
        crowds=flow(
            ramp * vary(scale=(0.1, 0.01), coupled=(1.0, 0.0)) * exact,
            TiedLinear(start=Aligned(scale=factor("scale"), coupled=factor("coupled"))),
            factor("steps"),
        ),
        aligned=flow(
            worlds(WORLD) * vary(alignment=ALIGNMENTS, coupled=(1.0, 0.0), lr=(STEP, STEP / 2)) * exact,
            TiedLinear(start=Aligned(alignment=factor("alignment"), coupled=factor("coupled"))),
            usual,
            both,
            lr=factor("lr"),
        ),
        jittered=flow(
            worlds(WORLD) * zipped(jitter=(*JITTERS, JITTERS[0]), coupled=(*(1.0,) * len(JITTERS), 0.0)) * seeded,
            TiedLinear(start=Jittered(jitter=factor("jitter"), coupled=factor("coupled"))),
            usual,
            both,
        ),
        networks=networks(grown_worlds, grown, width),
    )


def one_layer() -> MLP:
    """A single matrix that starts at zero: each column of it decays to the identity's by itself."""
    return MLP(layers=1, activation="identity", bias=False, init_scale=0.0)


def turns_as_expected(ds: xr.Dataset) -> xr.DataArray:
    """Whether the loss turns exactly twice with two or three concepts, and at least twice with more."""
    found = turns(ds)
    return (found == 2) | ((found > 2) & (ds.concepts > 3))


def swings_by(ds: xr.Dataset) -> xr.DataArray:
    """Whether the loss goes down, up by more than a tenth of its start, and down again."""
    return (amplitude(ds) > SWINGS) & (turns(ds) == 2)


def growth_with_concepts(ds: xr.Dataset) -> xr.DataArray:
    """What each further concept adds to the amplitude, at every scale of the start."""
    return growth(ds, "concepts")


def growth_with_alignment(ds: xr.Dataset) -> xr.DataArray:
    """What each step of the alignment adds to the amplitude."""
    return growth(ds, "alignment")


def half_step(ds: xr.Dataset) -> xr.DataArray:
    """By what share the amplitude changes when the step of time is halved."""
    by = unfold(amplitude(ds).to_dataset(name="amplitude")).amplitude
    return abs(by.sel(lr=STEP / 2) / by.sel(lr=STEP) - 1)


def borrowed_peaks_first(ds: xr.Dataset) -> xr.DataArray:
    """Whether what the first concept borrows from the second is largest before the loss is back at its top."""
    return peaks_first(ds, (1, 2))


def own_peaks_first(ds: xr.Dataset) -> xr.DataArray:
    """The same of what the first concept knows by itself."""
    return peaks_first(ds, (1, 1))


def final_rate(ds: xr.Dataset) -> xr.DataArray:
    """The rate at which the loss at the corner ends, over the one of a tied map, 8 times the least second moment."""
    rate = terminal_rate(losses(ds).values, STEP * ds.step.values)
    least = [
        float(PopulationIdentity(**{name: ds[name].values[i].item() for name in WORLD}).rates.min())
        for i in range(ds.sizes["member"])
    ]
    return ds.ood_loss.isel(step=0, drop=True).copy(data=rate / (-8 * np.array(least)))


def _steps(ds: xr.Dataset, count: int = 300) -> np.ndarray:
    """Recorded steps with about equal ratios between them, without those that are missing."""
    last = ds.sizes["step"] - 1
    return np.unique(np.geomspace(1, max(last, 1), count).astype(int))


def swing_figure(results: dict[str, xr.Dataset]) -> Figure:
    """The concept plane, the loss at the corner with the borrowed entry, and who swings how far."""
    ds = narrow(results["aligned"], dict(coupled=1.0, lr=STEP))
    shown = [c for c in ALIGNMENTS if c >= 0 and c != 0.7]
    paths = []
    for i, c in enumerate(shown):
        output = narrow(ds, dict(alignment=c)).concept_output.isel(member=0).transpose("concept", "step").values
        look: dict[str, Any] = dict(name=f"alignment {c:g}", colour=level(i, of=len(shown)))
        paths.append(Line(output[0], output[1], **look))
        paths.append(Points(output[0, ::30], output[1, ::30], size=4.0, **look))
    plane = Panel(
        "The way to the unseen corner",
        x=Axis("weak concept", limits=(-0.1, 1.1)),
        y=Axis("strong concept", limits=(-0.1, 1.1)),
        marks=[
            *paths,
            Points([1.0, 0.0], [0.0, 1.0], name="clusters", colour="grey", size=10.0),
            Points([1.0], [1.0], name="never seen", colour="accent", symbol="diamond", size=12.0),
        ],
        equal=True,
    )
    return Figure(
        "On its way to an unseen combination an aligned network swings out and comes back",
        panels=[plane, _losses_panel(results, ds), _who_swings_panel(results)],
        caption="Tied linear networks on distances 1 and 2, spread 0.05; a dot every 30 steps. Dashed: what the weak "
        "concept borrows from the strong one (an entry of the Jacobian). Right: a point a seed.",
    )


def _losses_panel(results: dict[str, xr.Dataset], tied: xr.Dataset) -> Panel:
    marks = []
    one = narrow(results["one_layer"], WORLD)
    kinds = (
        ("one layer", one, "grey"),
        ("alignment 0.5", narrow(tied, dict(alignment=0.5)), None),
        ("alignment 1", narrow(tied, dict(alignment=1.0)), None),
    )
    for name, ds, colour in kinds:
        keep = _steps(ds)
        x = ds.step.values[keep]
        loss = losses(ds).values[0]
        marks.append(Line(x, loss[keep] / loss[0], name=name, colour=colour))
        if "jacobian" in ds:
            entry = ds.jacobian.isel(member=0).sel(output=1, input=2).values
            marks.append(Line(x, np.abs(entry[keep]), name=name, colour=colour, dash="dash", width=1.5))
    return Panel(
        "Its loss, and what is borrowed",
        x=Axis("step", log=True),
        y=Axis("of the loss at the start", limits=(0.0, 1.05)),
        marks=marks,
    )


def _who_swings_panel(results: dict[str, xr.Dataset]) -> Panel:
    exact = narrow(results["aligned"], dict(coupled=1.0, lr=STEP))
    jittered = narrow(results["jittered"], dict(coupled=1.0))
    kinds: dict[str, xr.Dataset] = {
        **{f"alignment {c:g}": narrow(exact, dict(alignment=c)) for c in (0.5, 0.9, 1.0)},
        **{f"jitter {j:g}": narrow(jittered, dict(jitter=j)) for j in JITTERS},
        "Gaussian, 2 wide": results["narrow"],
        "Gaussian, wider": narrow(results["tied"], WORLD),
        "ReLU networks": narrow(results["networks"], dict(spread=0.05)),
    }
    look: dict[str, Any] = dict(colour="accent", size=4.0, opacity=0.6)
    return Panel(
        "How far the loss comes back up",
        x=Axis("of the loss at the start", limits=(-0.02, 0.3)),
        y=row_axis(list(kinds)),
        marks=[*(in_row(amplitude(ds).values, i, **look) for i, ds in enumerate(kinds.values())), Rule(x=SWINGS)],
    )


def cause_figure(results: dict[str, xr.Dataset]) -> Figure:
    """The loss with more concepts, with and without borrowing, and the time of the loan against that of the top."""
    crowds = narrow(results["crowds"], dict(scale=0.1))
    counts = sorted(set(crowds.concepts.values.tolist()))
    lines = []
    for i, s in enumerate(counts):
        for coupled in (1.0, 0.0):
            ds = narrow(crowds, dict(concepts=s, coupled=coupled))
            loss = losses(ds).values[0]
            here = np.flatnonzero(~np.isnan(loss))
            keep = here[_steps(ds.isel(step=here))]
            look: dict[str, Any] = dict(name=f"{s} concepts", colour=level(i, of=len(counts)))
            lines.append(Line(ds.step.values[keep], loss[keep] / loss[0], dash="solid" if coupled else "dot", **look))
    points, silent = [], []
    for jitter in JITTERS:
        ds = narrow(results["jittered"], dict(coupled=1.0, jitter=jitter))
        found = tops(ds, (1, 2))
        points.append(Points(found.entry.values, found.loss.values, name=f"jitter {jitter:g}", opacity=0.7))
        silent.append(f"{ds.sizes['member'] - found.sizes['member']} of {ds.sizes['member']} at jitter {jitter:g}")
    diagonal = np.array([10.0, 1_000.0])
    return Figure(
        "The loss comes back up when what was borrowed is called in",
        panels=[
            Panel(
                "More concepts, a larger swing",
                x=Axis("step", log=True),
                y=Axis("loss at the corner, of its start"),
                marks=lines,
            ),
            Panel(
                "The loan peaks before the loss does",
                x=Axis("step at which the loan is largest", log=True),
                y=Axis("step at which the loss is back at its top", log=True),
                marks=[Line(diagonal, diagonal, colour="grey", dash="dash"), *points],
            ),
        ],
        caption="Left: dotted with all that lies off the diagonal taken away. Right: two concepts, a point a seed; "
        f"left out are those that do not swing: {', '.join(silent)}.",
    )


def order_figure(results: dict[str, xr.Dataset]) -> Figure:
    """How much later the weak concept is learned, against the ratio of the second moments."""
    linear = ("one layer", "one_layer"), ("tied", "tied"), ("untied", "untied")
    strong = (0.05**2 + 2) / (0.05**2 + 0.5)
    wide = (WIDE**2 + 2) / (WIDE**2 + 0.5)
    rows: list[tuple[str, float, list[tuple[str, xr.Dataset]]]] = [
        ("twice the distance", strong, [(n, narrow(results[e], WORLD)) for n, e in linear]),
        ("twenty times the spread", RATIO, [(n, narrow(results[e], DIVERSE)) for n, e in linear]),
        ("alike", 1.0, [(n, narrow(results[e], SAME_WIDE)) for n, e in linear]),
        ("twice the distance, spread 0.5", wide, [("ReLU", narrow(results["networks"], GROWN))]),
        ("alike, spread 0.5", 1.0, [("ReLU", narrow(results["networks"], GROWN_ALIKE))]),
    ]
    marks: list[Any] = []
    for place, (_, predicted, kinds) in enumerate(rows):
        for i, (name, ds) in enumerate(kinds):
            row = place + 0.25 * i - 0.25 * (len(kinds) > 1)
            marks.append(in_row(2.0 ** lateness(ds).values, row, 0.16, name=name, size=5.0, opacity=0.6))
        ends = [-place - 0.45, -place + 0.45]
        marks.append(Line([predicted] * 2, ends, name="ratio of second moments", colour="ink"))
    return Figure(
        "A concept is learned the earlier the larger its second moment: signal and diversity both count",
        panels=[
            Panel(
                "How many times later the first concept is learned than the second",
                x=Axis("ratio of the times", log=True, limits=(0.5, 12.0), ticks=(0.5, 1, 2, 4, 8)),
                y=row_axis([title for title, *_ in rows]),
                marks=[*marks, Rule(x=1.0)],
            )
        ],
        caption="The second concept against the first; a point a seed.",
        aspect=0.5,
    )


def order_claims() -> list[Claim]:
    """Strongest first, for both factorisations and two and three concepts."""
    return [
        Claim(
            f"order-{kind}-{count}",
            f"a two-layer linear network with {kind} weights learns {count} concepts in the order of their second "
            "moments, in 95 % of the seeds or more",
            strongest_first,
            of=kind,
            where=where,
            above=OFTEN,
            decides="mean",
            control=Control(
                "two concepts alike are learned at one time, on average (doublings)",
                lateness,
                where=SAME,
                between=(-EVEN, EVEN),
            ),
        )
        for kind in ("tied", "untied")
        for count, where in (("two", WORLD), ("three", THREE))
    ]


def diversity_claims() -> list[Claim]:
    """Spread counts as distance does."""
    alike = Control(
        "two concepts with one spread are learned at one time (doublings)",
        lateness,
        where=SAME_WIDE,
        between=(-EVEN, EVEN),
    )
    exact, near = (tuple(float(np.log2(RATIO * (1 + s * off))) for s in (-1, 1)) for off in (0.01, 0.2))
    return [
        Claim(
            "diversity-one-layer",
            "one layer learns of two concepts at one distance the less diverse one later by the ratio of their second "
            "moments, to a hundredth (doublings)",
            lateness,
            of="one_layer",
            where=DIVERSE,
            between=exact,
            decides="every",
            interval="none",
            unit="exact solutions",
            control=alike,
        ),
        Claim(
            "diversity-first",
            "two layers with tied weights learn the more diverse one first, whatever the seed",
            strongest_first,
            of="tied",
            where=DIVERSE,
            above=0.5,
            decides="every",
            control=alike,
        ),
        Claim(
            "diversity-ratio",
            "and that by the ratio of the second moments, within a fifth (doublings, median)",
            lateness,
            of="tied",
            where=DIVERSE,
            between=near,
            decides="median",
            control=alike,
        ),
    ]


HALVED = Gate(
    "the swing is the flow's and not the step's: at half the step it is the same",
    half_step,
    of="aligned",
    where=dict(alignment=1.0, coupled=1.0),
    below=0.02,
)


def swing_claims() -> list[Claim]:
    """The swing, where it comes from and what it grows with."""
    crowd = dict(of="crowds", decides="every", interval="none", unit="numbers of concepts")
    exact = dict(of="aligned", decides="every", interval="none", unit="starts")
    full, cut = dict(scale=0.1, coupled=1.0), dict(scale=0.1, coupled=0.0)
    return [
        Claim(
            "swing",
            "from an aligned start the loss on the unseen combination comes back up by over a tenth, with 2 to 5 "
            "concepts",
            amplitude,
            where=full,
            above=SWINGS,
            gate=HALVED,
            control=Control("with nothing off the diagonal it never rises", where=cut, below=1e-6),
            **crowd,
        ),
        Claim(
            "swing-turns",
            "it goes down, up and down, with 4 and 5 concepts perhaps more than once",
            turns_as_expected,
            where=full,
            above=0.5,
            gate=HALVED,
            control=Control("with nothing off the diagonal it never turns", turns, where=cut, below=0.5),
            **crowd,
        ),
        Claim(
            "swing-grows",
            "every further concept makes the swing larger, from large starts and from small",
            growth_with_concepts,
            where=dict(coupled=1.0),
            above=0.0,
            control=Control("with nothing off the diagonal it adds nothing", where=dict(coupled=0.0), below=1e-6),
            **{**crowd, "unit": "further concepts"},
        ),
        Claim(
            "swing-jittered",
            "nearly every start that is aligned but for some noise swings: down, up by a tenth, and down",
            swings_by,
            of="jittered",
            where=dict(coupled=1.0, jitter=0.1),
            above=OFTEN,
            decides="mean",
            control=Control("with nothing off the diagonal none does", where=dict(coupled=0.0), below=0.05),
        ),
        Claim(
            "only-aligned",
            "without alignment, with half of it, or with concepts set against each other there is no swing",
            amplitude,
            where=dict(alignment=(-1.0, 0.0, 0.5), coupled=1.0, lr=STEP),
            below=STILL,
            gate=Gate("all concepts are learned", all_learned, above=0.5),
            control=Control("aligned there is", where=dict(alignment=1.0, coupled=1.0, lr=STEP), above=SWINGS),
            **exact,
        ),
        Claim(
            "one-layer-still",
            "a single layer does not swing",
            amplitude,
            of="one_layer",
            where=WORLD,
            below=STILL,
            decides="every",
            interval="none",
            unit="exact solutions",
            control=Control(
                "two aligned ones do", of="aligned", where=dict(alignment=1.0, coupled=1.0, lr=STEP), above=SWINGS
            ),
        ),
        Claim(
            "cause",
            "taking away what lies off the diagonal takes away the swing, with 2 to 5 concepts",
            amplitude,
            where=cut,
            below=1e-6,
            control=Control("it is there otherwise", where=full, above=SWINGS, decides="every"),
            **crowd,
        ),
        Claim(
            "alignment",
            "the more aligned the start, the larger the swing",
            growth_with_alignment,
            where=dict(alignment=(0.5, 0.7, 0.8, 0.9, 1.0), coupled=1.0, lr=STEP),
            above=0.0,
            control=Control(
                "with nothing off the diagonal the alignment adds nothing",
                where=dict(alignment=(0.5, 0.7, 0.8, 0.9, 1.0), coupled=0.0, lr=STEP),
                below=1e-6,
            ),
            **{**exact, "unit": "steps of the alignment"},
        ),
        *(
            Claim(
                f"loan-{jitter:g}",
                f"what the weak concept borrows is largest before the loss is back at its top (jitter {jitter:g}, runs "
                "that swing)",
                borrowed_peaks_first,
                of="jittered",
                where=dict(coupled=1.0, jitter=jitter),
                above=OFTEN,
                decides="mean",
                unit="runs that swing",
                control=Control("what it knows by itself is largest after that", own_peaks_first, below=0.05),
            )
            for jitter in (0.1, 0.3)
        ),
    ]


study = Study(
    family="generative-models",
    paper=Paper(
        "Swing-by dynamics in concept learning and compositional generalization",
        "Yang et al.",
        2024,
        arxiv="2410.08309",
    ),
    scales=dict(
        smoke=experiments(count=2, grown=2, hidden=4, width=8, concepts=(2, 3), shrunk=100),
        desk=experiments(),
        gpu=experiments(count=128, grown=128, width=256),
    ),
    claims=[
        *order_claims(),
        Claim(
            "order-relu",
            "a ReLU network learns a concept at half the distance over twice as late (doublings)",
            lateness,
            of="networks",
            where=GROWN,
            above=1.0,
            control=Control(
                "two concepts alike are learned at one time, on average", where=GROWN_ALIKE, between=(-EVEN, EVEN)
            ),
        ),
        *diversity_claims(),
        *swing_claims(),
        Claim(
            "slow-down",
            "the last of the way is slow: the loss ends exponentially, at 8 times the least second moment",
            final_rate,
            of="aligned",
            where=dict(alignment=1.0, coupled=1.0, lr=STEP),
            between=(0.97, 1.03),
            decides="every",
            interval="none",
            unit="exact solutions",
            control=Control(
                "one layer ends four times slower, at twice it", of="one_layer", where=WORLD, between=(0.2425, 0.2575)
            ),
        ),
    ],
    figures=[swing_figure, cause_figure, order_figure],
    differs=[
        "The linear networks follow the population's loss, in Euler steps of time 0.01; the largest second moment "
        "is scaled to 2.",
        "Starts are chosen: aligned, aligned but for noise, or Gaussian. Which one the paper's theorem assumes was not "
        "checked; independent Gaussian weights do not show the swing.",
        "A thousandth of the scale is added to the diagonal of every aligned start, which would be singular otherwise.",
        "Without entries off the diagonal: they are taken from the start, and gradient descent never brings them back.",
        "Two equal concepts are compared by the mean of their ratio, not by whether its interval covers 1, which one "
        "interval in twenty does not.",
        "Of networks trained on points only ReLU networks of two to four layers are shown.",
        "No diffusion model is trained on rendered pictures.",
    ],
)
