"""Contrastive learning makes its projector expand or shrink the signal, by augmentation and temperature, and a shrunken
signal is why features before the projector classify better.

A linear projector W is trained with InfoNCE on two views of each sample, from W = I and without labels. The data are
two Gaussian classes that differ along one axis, the signal. Its *gain* R says how much more W stretches that axis than
the others. Weak augmentation and a small temperature make R fall below 1: what tells samples apart are the many other
axes, so they are kept and the signal is given up. Stronger augmentation or a higher temperature make R rise above 1.

What that does downstream is exact for the simplest read-out. Behind diag(R, 1, ..., 1) the difference of the class
means of n labelled samples is right with probability Phi(mu / sqrt(1 + p / (n mu^2 R^4))): it rises with R. Ridge
regression and the largest margin follow it in sign. Least squares with many labels does not: no invertible map changes
it, so a probe with many labels and no penalty sees none of this. Behind an encoder that is trained along, features
before the projector read out better where it shrinks the signal, and no worse where it expands it.

What to look at: the first figure is the map of ln R over temperature and augmentation, with the line of no effect;
beside it the change of accuracy on the same map, and one against the other. The second figure holds the formula against
simulated read-outs, and the third the trained encoder. Where the encoder itself gives the signal up (augmentation 0.2,
temperature 0.1) there is nothing left for the projector to shrink, and both sides are near chance.

What we see on the desk: all twelve claims are reproduced. R falls to 0.48 at the weak end and rises to 4.3 at the
strong one; with a trained encoder, to 0.61 and to 1.44.

To vary it: `--seeds 8` trains more projectors; other sizes, signals, batches and grids are the arguments of
`experiments` below. The batch acts like the temperature, for it sets the number of negatives: hold it fixed.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr

from ontogeny import Claim, Control, Gate, Paper, Study, Training, Trial, at, factor, seeds, vary, zipped
from ontogeny.claims import narrow, unfold
from ontogeny.factors import Table
from ontogeny.labelled import Labelled
from ontogeny.measures.alignment_uniformity import AlignmentUniformity
from ontogeny.measures.downstream_change import INVARIANT, DownstreamChange, expected_accuracy, labelled_sets
from ontogeny.measures.head_effect import HeadEffect
from ontogeny.measures.linear_readout import gaussian_accuracy, mean_difference, to_unit_scale
from ontogeny.measures.signal_gain import SignalGain
from ontogeny.models.projector import EncodedProjector, Projector
from ontogeny.report.figure import Axis, Figure, Heatmap, Line, Panel, Points, Rule, level
from ontogeny.streams import Streams
from ontogeny.tasks.two_gaussian_views import MixedGaussianViews, TwoGaussianViews
from ontogeny.training.infonce import InfoNCE
from ontogeny.training.optimizers import Adam

AUGMENTATIONS = (0.2, 0.7, 1.5, 3.0)
TEMPERATURES = (0.1, 0.5, 1.0, 3.0, 10.0)
GAINS = (0.25, 0.5, 1.0, 2.0, 4.0)
SIGNAL = 2.0
CLEAR = 0.2  # |ln R| from which on a cell has a sign
JUDGED = ("mean difference", "ridge", "max margin")
SHRINKS, EXPANDS = dict(augmentation=0.2, temperature=0.1), dict(augmentation=1.5, temperature=1.0)
BLIND = ((0.2, 0.1), (1.5, 1.0), (3.0, 10.0), (1.5, 10.0))  # where there is no signal: augmentation, temperature
HAIR = 1e-3  # bounds are strict, "at least" is not


def cells(*pairs: tuple[float, float]) -> Table:
    """These pairs of augmentation and temperature."""
    augmentation, temperature = zip(*pairs, strict=True)
    return zipped(augmentation=augmentation, temperature=temperature)


def grid(augmentations: tuple[float, ...], temperatures: tuple[float, ...]) -> Table:
    """All pairs."""
    return cells(*((s, t) for s in augmentations for t in temperatures))


def projectors(
    factors: Table, dimensions: int, batch: int, steps: int, normalised: bool = True, direction: Any = "all"
) -> Training:
    """Projectors under InfoNCE on fresh pairs of views, measured at the end."""
    return Training(
        factors=factors,
        task=TwoGaussianViews(
            dimensions=dimensions,
            signal=factor("signal"),
            augmentation=factor("augmentation"),
            direction=direction,
        ),
        model=Projector(),
        objective=InfoNCE(temperature=factor("temperature"), normalised=normalised),
        optimizer=Adam(lr=5e-3),
        batch=batch,
        steps=steps,
        measures=(SignalGain(), DownstreamChange(labelled=dimensions // 2), AlignmentUniformity()),
        at=at(steps),
    )


def encoders(factors: Table, dimensions: int, hidden: int, batch: int, steps: int, measure: HeadEffect) -> Training:
    """The same with an encoder trained along, behind a random matrix."""
    return Training(
        factors=factors,
        task=MixedGaussianViews(dimensions=dimensions, signal=SIGNAL, augmentation=factor("augmentation")),
        model=EncodedProjector(hidden=hidden, projector=factor("projector")),
        objective=InfoNCE(temperature=factor("temperature")),
        optimizer=Adam(lr=2e-3),
        batch=batch,
        steps=steps,
        measures=(measure,),
        at=at(steps),
    )


def planted(streams: Streams, signal: float, labelled: int, dimensions: int, draws: int) -> dict[str, Labelled]:
    """Accuracy of the mean difference behind diag(R, 1, ..., 1), over draws of labelled samples, beside the formula."""
    task = TwoGaussianViews(dimensions=dimensions, signal=signal)
    h, y = labelled_sets(task, streams, draws, labelled)
    mu, accuracies, formula = torch.tensor([signal], dtype=h.dtype, device=h.device), [], []
    for gain in GAINS:
        stretch = torch.ones_like(h[0, 0, 0])
        stretch[0] = gain
        w = stretch * mean_difference(to_unit_scale(h * stretch), y)
        accuracies.append(gaussian_accuracy(w, mu)[0])
        formula.append(expected_accuracy(stretch[:1], mu, labelled, dimensions)[0])
    found, coords = torch.stack(accuracies), {"gain": GAINS}
    error = found.std(-1) / draws**0.5
    gains = torch.tensor(GAINS, dtype=h.dtype, device=h.device)
    wrong = expected_accuracy(gains.sqrt(), mu.expand(len(GAINS)), labelled, dimensions)
    return {
        "accuracy": Labelled(found.mean(-1)[None], ("member", "gain"), coords, unit="share"),
        "standard_error": Labelled(error[None], ("member", "gain"), coords, unit="share"),
        "formula": Labelled(torch.stack(formula)[None], ("member", "gain"), coords, unit="share"),
        "formula_squared": Labelled(wrong[None], ("member", "gain"), coords, unit="share"),
    }


def experiments(
    dimensions: int = 32,
    batch: int = 256,
    steps: int = 250,
    encoded: int = 1_000,
    hidden: int = 64,
    count: int = 4,
    augmentations: tuple[float, ...] = AUGMENTATIONS,
    temperatures: tuple[float, ...] = TEMPERATURES,
    labelled: tuple[int, ...] = (16, 64, 320),
    draws: int = 1_000,
    effect: HeadEffect = HeadEffect(),
) -> dict[str, Training | Trial]:
    """All experiments at one scale."""
    train = partial(projectors, dimensions=dimensions, batch=batch, steps=steps)
    seeded = seeds(count)
    few = (
        grid((0.2, 1.5), (0.1, 1.0, 10.0)) * vary(signal=(SIGNAL,)) * seeds(max(1, count // 2))
    )  # reported, not judged
    trained = vary(augmentation=(0.2, 1.5), temperature=(0.1, 1.0), projector=("linear",))
    frozen = vary(augmentation=(0.2, 1.5), temperature=(1.0,), projector=("identity",))
    return dict(
        grid=train(grid(augmentations, temperatures) * vary(signal=(SIGNAL,)) * seeded),
        blind=train(cells(*BLIND) * vary(signal=(0.0,)) * seeded),
        raw=train(few, normalised=False),
        directed=train(few * vary(direction=("off", "along")), direction=factor("direction")),
        planted=Trial(
            factors=vary(signal=(1.0, 2.0), labelled=labelled) * seeds(1),
            function=partial(planted, dimensions=dimensions, draws=draws),
        ),
        trained=encoders((trained + frozen) * seeded, dimensions, hidden, batch, encoded, effect),
    )


def end(variable: xr.DataArray) -> xr.DataArray:
    """What was measured when training ended."""
    return variable.isel(step=-1, drop=True)


def log_gain(ds: xr.Dataset) -> xr.DataArray:
    """ln R of each projector; that of the start, I, is 0."""
    return end(ds.log_gain)


def size_of_log_gain(ds: xr.Dataset) -> xr.DataArray:
    """|ln R|."""
    return abs(log_gain(ds))


def by_cell(values: xr.DataArray) -> xr.DataArray:
    """Values with the dimensions augmentation and temperature, rising, and seed if there are several, not member."""
    unfolded = unfold(values.to_dataset(name="value").drop_vars("signal", errors="ignore")).value
    return unfolded.expand_dims([d for d in ("augmentation", "temperature") if d not in unfolded.dims]).sortby(
        ["augmentation", "temperature"]
    )


def rises_with_temperature(ds: xr.Dataset) -> xr.DataArray:
    """Whether R rises with every step of the temperature, at every augmentation."""
    return (by_cell(log_gain(ds)).diff("temperature") > 0).all(["augmentation", "temperature"])


def rises_with_augmentation(ds: xr.Dataset) -> xr.DataArray:
    """Whether R rises with every step of the augmentation, at every temperature."""
    return (by_cell(log_gain(ds)).diff("augmentation") > 0).all(["augmentation", "temperature"])


def agreement(ds: xr.Dataset, probe: str) -> xr.DataArray:
    """Share of the clear cells in which the accuracy of a read-out changes with the sign of ln R, seed by seed.

    Clear are cells whose mean ln R over seeds is at least 0.2 away from 0. NaN where there is none.
    """
    mean = by_cell(log_gain(ds))
    mean = mean.mean("seed") if "seed" in mean.dims else mean
    change = by_cell(end(ds.accuracy_change.sel(probe=probe, drop=True)))
    agrees = (np.sign(change) == np.sign(mean)).where(abs(mean) >= CLEAR)
    return agrees.mean(["augmentation", "temperature"])


def change_of_least_squares(ds: xr.Dataset) -> xr.DataArray:
    """How far the accuracy of least squares with ten samples a dimension changes, at most over cells, seed by seed."""
    change = by_cell(abs(end(ds.accuracy_change.sel(probe=INVARIANT, drop=True))))
    return change.max(["augmentation", "temperature"])


def miss(ds: xr.Dataset) -> xr.DataArray:
    """How far the simulated accuracy lies from the formula, one value a planted map."""
    return abs(ds.accuracy - ds.formula).stack(cell=("member", "gain"))


def miss_of_the_square(ds: xr.Dataset) -> xr.DataArray:
    """The same of the formula with R squared, at R = 1/2."""
    return abs(ds.accuracy - ds.formula_squared).sel(gain=0.5, drop=True)


def uncertainty(ds: xr.Dataset) -> xr.DataArray:
    """Standard error of the simulated accuracies."""
    return ds.standard_error.stack(cell=("member", "gain"))


def accuracy_behind(ds: xr.Dataset) -> xr.DataArray:
    """Accuracy behind the projector less that before it."""
    return end(ds.accuracy_after - ds.accuracy_before)


def trained_gain(ds: xr.Dataset) -> xr.DataArray:
    """The signal behind the projector over that before it."""
    return end(ds.signal_after / ds.signal_before)


def map_figure(results: dict[str, xr.Dataset]) -> Figure:
    """ln R and the change of accuracy over temperature and augmentation, and one against the other."""
    ds = results["grid"]
    gain = _mean(by_cell(log_gain(ds)))
    change = _mean(by_cell(end(ds.accuracy_change.sel(probe="mean difference", drop=True))))
    tau, noise = gain.temperature.values, gain.augmentation.values
    x, y = Axis("temperature", log=True), Axis("augmentation", log=True)
    panels = []
    for title, values, scale in (("Signal gain", gain, "ln R"), ("Read-out behind it", change, "change of accuracy")):
        limit = float(np.nanmax(np.abs(values.values)))
        limit = limit if limit > 0 else 1.0
        table = values.transpose("augmentation", "temperature").values
        marks: list[Any] = [Heatmap(tau, noise, table, scale=Axis(scale, limits=(-limit, limit)), palette="diverging")]
        marks.append(Line(*_zero(tau, noise, gain.transpose("augmentation", "temperature").values), colour="ink"))
        panels.append(Panel(title, x=x, y=y, marks=marks))
    marks = []
    for i, probe in enumerate(JUDGED):
        values = end(ds.accuracy_change.sel(probe=probe, drop=True))
        cell = _mean(by_cell(values)).transpose(*gain.dims).values.ravel()
        marks.append(Points(gain.values.ravel(), cell, name=probe, symbol=("circle", "square", "diamond")[i]))
    panels.append(
        Panel(
            "One against the other",
            x=Axis("ln R"),
            y=Axis("change of accuracy"),
            marks=[*marks, Rule(x=0.0), Rule(y=0.0)],
        )
    )
    return Figure(
        "Augmentation and temperature decide whether a projector shrinks the signal, and with it what can be read out",
        panels,
        caption=f"Means over {len(np.unique(ds.seed))} seeds. The line is where R = 1. Accuracy from few labelled "
        "samples, behind the projector less before it; middle: by the difference of the means.",
        columns=3,
        aspect=0.9,
    )


def _mean(values: xr.DataArray) -> xr.DataArray:
    return values.mean("seed") if "seed" in values.dims else values


def _zero(x: np.ndarray, y: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each row of a table passes zero on its way up, on a logarithmic axis; rows that do not are left out."""
    found = []
    for place, row in zip(y, table, strict=True):
        up = np.flatnonzero((row[:-1] < 0) & (row[1:] >= 0))
        if len(up):
            i = up[0]
            part = -row[i] / (row[i + 1] - row[i])
            found.append((x[i] * (x[i + 1] / x[i]) ** part, place))
    return tuple(np.array(found, float).reshape(-1, 2).T)  # type: ignore[return-value]


def formula_figure(results: dict[str, xr.Dataset]) -> Figure:
    """Simulated accuracies behind planted maps on the formula's curves; the sweep without normalisation."""
    ds = results["planted"]
    fine = torch.logspace(-2.3, 2.3, 120, base=2.0, dtype=torch.float64)
    panels = []
    counts = sorted(set(ds.labelled.values.tolist()))
    for signal in sorted(set(ds.signal.values.tolist())):
        marks: list[Any] = []
        for i, n in enumerate(counts):
            one = narrow(ds, dict(signal=signal, labelled=n)).isel(member=0)
            curve = expected_accuracy(fine, torch.full_like(fine, signal), n, results["grid"].sizes["rank"])
            look: dict[str, Any] = dict(name=f"{n} labelled", colour=level(i, of=len(counts)))
            marks.append(Line(fine.numpy(), curve.numpy(), **look))
            marks.append(Points(one.gain.values, one.accuracy.values, **look))
        x, y = Axis("signal gain R", log=True), Axis("accuracy behind it")
        panels.append(Panel(f"Signal {signal:g}", x=x, y=y, marks=marks))
    marks = []
    for name, ds, where in (
        ("all axes", results["grid"], {}),
        ("not normalised", results["raw"], {}),
        ("off the signal", results["directed"], dict(direction="off")),
        ("along the signal", results["directed"], dict(direction="along")),
    ):
        gain = _mean(by_cell(log_gain(narrow(ds, where)).drop_vars("direction", errors="ignore")))
        gain = gain.sel(augmentation=1.5 if 1.5 in gain.augmentation.values else gain.augmentation.values[0])
        marks.append(Line(gain.temperature.values, gain.values, name=name))
    panels.append(
        Panel(
            "Augmentation 1.5, of other kinds",
            x=Axis("temperature", log=True),
            y=Axis("ln R"),
            marks=[*marks, Rule(y=0.0)],
        )
    )
    return Figure(
        "What can be read out behind a linear map is known: the fourth power of its gain counts",
        panels,
        caption="Points: means over draws of labelled samples; curves: the formula. Right: noise of views on all axes, "
        "only off the signal's, or only along it, and a loss without normalisation.",
        columns=3,
        aspect=0.8,
    )


def encoder_figure(results: dict[str, xr.Dataset]) -> Figure:
    """Accuracy before and behind the projector of a trained encoder, a line a seed, and the projector's gain."""
    ds = narrow(results["trained"], dict(projector="linear"))
    pairs = sorted(
        {(s, t) for s, t in zip(ds.augmentation.values.tolist(), ds.temperature.values.tolist(), strict=True)}
    )
    accuracies, gains, ticks = [], [], {}
    for place, (s, t) in enumerate(pairs):
        one = narrow(ds, dict(augmentation=s, temperature=t))
        ticks[float(place)] = f"s {s:g}, τ {t:g}"
        for before, after in zip(end(one.accuracy_before).values, end(one.accuracy_after).values, strict=True):
            accuracies.append(Line([place - 0.2, place + 0.2], [before, after], colour="grey", width=1.0))
            accuracies.append(Points([place - 0.2], [before], name="before the projector", size=6.0))
            accuracies.append(Points([place + 0.2], [after], name="behind it", size=6.0))
        ratio = trained_gain(one).values
        gains.append(Points(place + np.linspace(-0.1, 0.1, len(ratio)), ratio, colour="accent"))
    x = Axis(ticks=ticks, limits=(-0.5, len(pairs) - 0.5))
    return Figure(
        "Behind a trained encoder: where the projector shrinks the signal, the features before it read out better",
        [
            Panel("Accuracy from 50 labelled samples", x=x, y=Axis("accuracy"), marks=accuracies),
            Panel("Signal behind over before", x=x, y=Axis("ratio", log=True), marks=[*gains, Rule(y=1.0)]),
        ],
        caption="A line or a point a seed, s the augmentation and τ the temperature.",
        columns=2,
    )


def regime_claims() -> list[Claim]:
    """Both regimes, and what moves a projector from one to the other."""
    return [
        Claim(
            "shrinks",
            "with weak augmentation at a low temperature the projector shrinks the signal, R below 0.85 (ln R)",
            log_gain,
            of="grid",
            where=SHRINKS,
            below=float(np.log(0.85)),
            decides="every",
            control=Control(
                "without a signal nothing happens to its axis", of="blind", where=SHRINKS, between=(-0.1, 0.1)
            ),
        ),
        Claim(
            "expands",
            "with strong augmentation at a higher one it expands it, R above 1.5 (ln R)",
            log_gain,
            of="grid",
            where=EXPANDS,
            above=float(np.log(1.5)),
            decides="every",
            control=Control(
                "without a signal nothing happens to its axis", of="blind", where=EXPANDS, between=(-0.1, 0.1)
            ),
        ),
        Claim(
            "temperature",
            "R rises with every step of the temperature, at each augmentation",
            rises_with_temperature,
            of="grid",
            above=0.5,
            decides="every",
            control=Control(
                "without a signal the axis stays as it is where R is largest (|ln R|)",
                size_of_log_gain,
                of="blind",
                where=dict(augmentation=3.0, temperature=10.0),
                below=0.15,
            ),
        ),
        Claim(
            "augmentation",
            "R rises with every step of the augmentation up to 1.5, at temperatures up to 1",
            rises_with_augmentation,
            of="grid",
            where=dict(augmentation=(0.2, 0.7, 1.5), temperature=(0.1, 0.5, 1.0)),
            above=0.5,
            decides="every",
            control=Control(
                "without a signal the axis stays as it is where R is largest (|ln R|)",
                size_of_log_gain,
                of="blind",
                where=dict(augmentation=1.5, temperature=10.0),
                below=0.15,
            ),
        ),
    ]


def downstream_claims() -> list[Claim]:
    """What the gain does to read-outs."""
    return [
        *(
            Claim(
                f"downstream-{probe.replace(' ', '-')}",
                f"behind a projector that clearly shrinks the signal the {probe} of few labelled samples reads out "
                "worse, behind one that expands it better (share of nine in ten cells or more)",
                partial(agreement, probe=probe),
                of="grid",
                above=0.9 - HAIR,
                decides="mean",
                control=Control(
                    "least squares with ten samples a dimension does not change", change_of_least_squares, below=1e-6
                ),
            )
            for probe in JUDGED
        ),
        Claim(
            "formula",
            "behind diag(R, 1, ..., 1) the mean difference is as accurate as the formula says, to 0.012",
            miss,
            of="planted",
            below=0.012,
            decides="every",
            interval="none",
            unit="planted maps",
            gate=Gate("the simulated means are known to 0.0015", uncertainty, below=0.0015 + 1e-9),
            control=Control(
                "with R squared in place of its fourth power it is off",
                miss_of_the_square,
                where=dict(signal=2.0, labelled=16),
                above=0.05,
            ),
        ),
    ]


def encoder_claims() -> list[Claim]:
    """The same behind an encoder that is trained along."""
    weak, strong = (dict(augmentation=s, temperature=1.0, projector="linear") for s in (0.2, 1.5))
    none_weak, none_strong = ({**where, "projector": "identity"} for where in (weak, strong))
    same = "without a projector both sides are one"
    return [
        Claim(
            "trained-shrinks",
            "behind a trained encoder the projector takes away a hundredth of accuracy where augmentation is weak",
            accuracy_behind,
            of="trained",
            where=weak,
            below=-0.01 + 1e-9,
            decides="every",
            control=Control(same, where=none_weak, between=(-1e-9, 1e-9)),
        ),
        Claim(
            "trained-expands",
            "where it is strong it takes none away, not half a hundredth",
            accuracy_behind,
            of="trained",
            where=strong,
            above=-0.005 - 1e-9,
            decides="every",
            control=Control(same, where=none_strong, between=(-1e-9, 1e-9)),
        ),
        Claim(
            "trained-gain-weak",
            "there, with weak augmentation, it shrinks the signal to less than 0.8",
            trained_gain,
            of="trained",
            where=weak,
            below=0.8,
            decides="every",
            control=Control(same, where=none_weak, between=(1 - 1e-9, 1 + 1e-9)),
        ),
        Claim(
            "trained-gain-strong",
            "and with strong augmentation it expands it to over 1.1",
            trained_gain,
            of="trained",
            where=strong,
            above=1.1,
            decides="every",
            control=Control(same, where=none_strong, between=(1 - 1e-9, 1 + 1e-9)),
        ),
    ]


study = Study(
    family="representation-geometry",
    paper=Paper(
        "Unraveling projection heads in contrastive learning: insights from expansion and shrinkage",
        "Gui, Ma & Zhong",
        2023,
        arxiv="2306.03335",
    ),
    scales=dict(
        smoke=experiments(
            dimensions=4,
            batch=16,
            steps=20,
            encoded=20,
            hidden=8,
            count=2,
            augmentations=(0.2, 0.7, 1.5),
            temperatures=(0.1, 0.5, 1.0),
            labelled=(8, 16),
            draws=20,
            effect=HeadEffect(labelled=10, draws=5, test=100),
        ),
        desk=experiments(),
        gpu=experiments(
            dimensions=256,
            batch=1_024,
            steps=2_000,
            encoded=2_000,
            hidden=512,
            count=5,
            labelled=(128, 512, 2_560),
            effect=HeadEffect(labelled=400),
        ),
    ),
    claims=[*regime_claims(), *downstream_claims(), *encoder_claims()],
    figures=[map_figure, formula_figure, encoder_figure],
    differs=[
        "The encoder's outputs are given, two Gaussian classes; one experiment trains an encoder too. No pictures.",
        "The projector is square, starts at the identity and is trained for a fixed number of steps, for R goes on "
        "growing slowly at high temperatures.",
        "The formula for the accuracy is derived here, for the difference of the means; it leaves out a fluctuation of "
        "relative order 1 / sqrt(n).",
        "No read-out has an intercept, but for the one behind the trained encoder, which centres on the labelled "
        "samples' mean.",
        "Shares of agreeing cells are counted seed by seed, which is stricter than averaging the seeds first.",
    ],
)
