"""A lazily trained two-layer network interpolates any labels once its parameters clearly outnumber the points, and then
predicts like ridge regression with a penalty that its activation brings with itself.

In the lazy regime a network with N hidden neurons in d dimensions is linear in its N d parameters, with features that
were drawn at random: its neural tangent kernel. Can it fit n points with random labels? With fewer parameters than
points it cannot. Soon after there are more, it can, and the least eigenvalue of its kernel stays away from 0: it tends
to v, the variance of the activation's slope, as long as n is well below d^2. A linear activation has n d features too,
all copies of d, and never fits more than d points.

What does it predict? The kernel is, up to small terms, mu_0^2 times the linear kernel plus v times the identity. So the
interpolant, which has no penalty and no training error, predicts like ridge regression on the raw inputs with the
penalty gamma = v / mu_0^2, to a few percent. Without such a penalty, linear interpolation has its peak of error at
n = d; the network has none.

The first figure has both transitions, of interpolation and of the least eigenvalue, against parameters a point. The
second has the error: against n / d beside ridge theory and linear interpolation, and how it falls to that of infinitely
many neurons. The third has the penalty that the interpolant acts like, against its closed form, for four activations
and three penalties of its own; and how near gradient descent on the true network comes to all this: the scale alpha of
its output makes training lazy.

What we see on the desk: all thirteen claims are reproduced. The penalty that the interpolant acts like is 0.95 to
1.01 of the formula, at n = d linear interpolation errs over 270 times as much as the network, and with alpha = 100
training ends within 0.008 of the interpolant, 20 times nearer than with alpha = 1.

To vary it: `--seeds 20`, or dimensions, points and ratios in the arguments of `experiments` below.
"""

from functools import partial

import numpy as np
import xarray as xr

from ontogeny import Claim, Control, Paper, Study, Trial, seeds, vary
from ontogeny.claims import Statistic, narrow
from ontogeny.factors import Table
from ontogeny.measures.cells import by_factors, every_cell, interval_ends, log_interval_ends, paired_ratio
from ontogeny.measures.hermite import self_induced_penalty, slope_energy
from ontogeny.measures.ridge_theory import ridge_risk
from ontogeny.measures.tangent_regression import CROWDING, generalise, memorise
from ontogeny.report.figure import Axis, Figure, Line, Panel, Rule, level
from ontogeny.report.spread import spread
from ontogeny.training.lazy_descent import train_lazily

NOISE = 0.5
FITTED = 1e-6  # relative residual below which labels count as interpolated
LIMIT = slope_energy("relu")  # of the least eigenvalue


def sizes(deltas: tuple[float, ...], ratios: tuple[float, ...], most: int) -> Table:
    """Every delta with the ratios that make a whole number of neurons, up to `most`; at 1/2 it starts from 2."""
    table: Table | None = None
    for delta in deltas:
        own = tuple(ratio for ratio in ratios if (ratio * delta).is_integer() and ratio * delta <= most)
        column = vary(delta=(delta,), ratio=own)
        table = table + column if table else column
    assert table is not None
    return table


def experiments(
    dimensions: int = 80,
    deltas: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0),
    ratios: tuple[float, ...] = (1.0, 2.0, 4.0, 20.0, 100.0, 200.0),
    most: int = 1_200,
    crowded: tuple[int, ...] = (20, 40, 80),
    lazy: int = 40,
    neurons: int = 400,
    tested: int = 2_000,
    count: int = 10,
) -> dict[str, Trial]:
    """All experiments at one scale."""
    memory = vary(
        activation=("relu", "tanh", "gelu", "linear"), dimensions=crowded, ratio=(0.5, 1.0, 1.25, 1.5, 2.0, 4.0, 8.0)
    )
    relu = vary(activation=("relu",), penalty=(0.0,)) * sizes(deltas, ratios, most)
    linear = vary(activation=("linear",), penalty=(0.0,), delta=(2.0,), ratio=ratios)
    penalised = vary(activation=("relu", "shifted_relu", "tanh", "gelu"), penalty=(0.0, 0.1, 1.0))
    kernel = partial(generalise, dimensions=dimensions, noise=NOISE, tested=tested)
    descent = partial(train_lazily, dimensions=lazy, noise=NOISE, neurons=neurons, tested=tested)
    return dict(
        memory=Trial(factors=memory * seeds(count), function=memorise),
        kernels=Trial(factors=(relu + linear) * seeds(count), function=kernel),
        penalties=Trial(factors=penalised * vary(delta=(1.0,), ratio=(100.0,)) * seeds(count), function=kernel),
        descent=Trial(
            factors=vary(network=("lazy", "linearised"), alpha=(1.0, 10.0, 100.0)) * seeds(count), function=descent
        ),
    )


def fitted(ds: xr.Dataset) -> xr.DataArray:
    """Whether labels are interpolated, with a dimension a factor."""
    return (by_factors(ds, "residual").residual < FITTED).astype(float)


def interpolated(ds: xr.Dataset) -> xr.DataArray:
    """Share of draws whose labels are fitted, for every activation, dimension and ratio."""
    return every_cell(fitted(ds).mean("seed"))


def share_of_limit(ds: xr.Dataset) -> xr.DataArray:
    """The least eigenvalue over v: ends of intervals."""
    return interval_ends(by_factors(ds, "least_eigenvalue").least_eigenvalue / LIMIT)


def rise(ds: xr.Dataset) -> xr.DataArray:
    """What the least eigenvalue over v gains from ratio to ratio: ends of intervals."""
    return interval_ends(by_factors(ds, "least_eigenvalue").least_eigenvalue.diff("ratio") / LIMIT)


def size_of_least(ds: xr.Dataset) -> xr.DataArray:
    """The size of the least eigenvalue, of every draw."""
    return abs(ds.least_eigenvalue)


def mean_ratio(ds: xr.Dataset, above: str, below: str) -> xr.DataArray:
    """Geometric mean over draws of a ratio: ends of intervals."""
    return log_interval_ends(paired_ratio(ds, above, below))


def peak(ds: xr.Dataset) -> xr.DataArray:
    """The error of linear interpolation over the network's, median over draws, of every cell."""
    return every_cell(paired_ratio(ds, "unpenalised_error", "error").median("seed"))


def excess_of_few(ds: xr.Dataset, error: str = "error", other: str = "infinite_error") -> xr.DataArray:
    """The error over that of infinitely many neurons, at 4 parameters a point less at 100: ends of intervals."""
    ratio = paired_ratio(ds, error, other)
    return interval_ends(ratio.sel(ratio=4.0, drop=True) - ratio.sel(ratio=100.0, drop=True))


def gap(ds: xr.Dataset) -> xr.DataArray:
    """Distance of predictions from the interpolant's over the size of these, by seed."""
    return ds.gap


def log_gap_ratio(ds: xr.Dataset) -> xr.DataArray:
    """Ln of how much farther from the interpolant training ends at alpha 1 than at 100, by seed."""
    by = by_factors(ds, "gap").gap
    ratio = by.sel(alpha=1.0, drop=True) / by.sel(alpha=100.0, drop=True)
    return ratio.copy(data=np.log(ratio.values))


def curves(ds: xr.Dataset, above: str, below: str = "") -> list:
    """A curve over parameters a point for every n / d."""
    relu, marks = narrow(ds, dict(activation="relu")), []
    deltas = np.unique(relu.delta.values)
    for i, delta in enumerate(deltas):
        one = narrow(relu, dict(delta=delta))
        values = paired_ratio(one, above, below) if below else by_factors(one, above)[above]
        marks += spread(values, name=f"ReLU, n / d = {delta:g}", colour=level(i, of=len(deltas)))
    return marks


RATIO = Axis("parameters a point", log=True)


def transitions(results: dict[str, xr.Dataset]) -> Figure:
    """Interpolation and the least eigenvalue against parameters a point."""
    memory = results["memory"]
    widest = int(memory.dimensions.values.max())
    marks = []
    for name in dict.fromkeys(memory.activation.values.tolist()):
        share = fitted(narrow(memory, dict(activation=name, dimensions=widest))).mean("seed")
        marks.append(Line(share.ratio, share, name=name))
    title, y = f"Random labels, d = {widest}, n = {CROWDING * widest}", Axis("share of draws interpolated")
    least = [*curves(results["kernels"], "least_eigenvalue"), Rule(y=LIMIT, label="v = Var s'(G)")]
    return Figure(
        "Past one parameter a point, tangent features fit any labels",
        [
            Panel(title, x=RATIO, y=y, marks=[*marks, Rule(x=1.0)]),
            Panel("The tangent kernel", x=RATIO, y=Axis("least eigenvalue"), marks=least),
        ],
        caption="Right: median and range over draws; v is the limit of many neurons where d << n << d^2.",
    )


def errors(results: dict[str, xr.Dataset]) -> Figure:
    """The interpolant's error beside ridge theory, and how it falls with the number of neurons."""
    many = narrow(results["kernels"], dict(activation="relu", ratio=100.0))
    fine = np.geomspace(many.delta.values.min(), many.delta.values.max(), 60)
    theory = [ridge_risk(self_induced_penalty("relu"), delta, NOISE) for delta in fine]
    both = by_factors(many, "error", "unpenalised_error")
    marks = [
        *spread(both.error, name="network, 100 parameters a point"),
        *spread(both.unpenalised_error, name="linear interpolation"),
        Line(fine, theory, name="ridge theory, gamma = v / mu_0^2", colour="ink", dash="dash"),
    ]
    few = [*curves(results["kernels"], "error", "infinite_error"), Rule(y=1.0)]
    y = Axis("error over that of infinitely many neurons", log=True)
    return Figure(
        "The interpolant predicts like ridge regression with a penalty, and has no peak at n = d",
        [
            Panel("Linear target with noise", x=Axis("n / d", log=True), y=Axis("excess error", log=True), marks=marks),
            Panel("Fewer neurons", x=RATIO, y=y, marks=few),
        ],
        caption="Median and range over draws. The network has no penalty of its own and no training error.",
    )


def penalties(results: dict[str, xr.Dataset]) -> Figure:
    """The penalty that the interpolant acts like against its formula, and how near true training comes to it."""
    ds, marks = results["penalties"], []
    for name in dict.fromkeys(ds.activation.values.tolist()):
        both = by_factors(narrow(ds, dict(activation=name)), "acts_like", "gamma")
        marks += spread(both.acts_like.assign_coords(penalty=both.gamma.isel(seed=0).values), name=name)
    ends = np.array([float(ds.gamma.min()) / 1.5, float(ds.gamma.max()) * 1.5])
    descent = []
    for network, said in (("lazy", "true network"), ("linearised", "slopes frozen")):
        descent += spread(by_factors(narrow(results["descent"], dict(network=network)), "gap").gap, name=said)
    acts, far = Axis("ridge penalty it acts like", log=True), Axis("relative distance from the interpolant", log=True)
    return Figure(
        "The activation sets the penalty, and a large scale makes training lazy",
        [
            Panel(
                "Own penalty lambda 0, 0.1 and 1, n = d",
                x=Axis("(lambda + v) / mu_0^2", log=True),
                y=acts,
                marks=[*marks, Line(ends, ends, colour="ink", dash="dot")],
            ),
            Panel("Trained by gradient descent", x=Axis("scale alpha", log=True), y=far, marks=descent),
        ],
        caption="Median and range over draws. Dotted: the closed form. Descent stops at a training loss of 1e-4.",
    )


ENDS, CELLS = "ends of 95 % intervals over draws", "cells, shares of draws"
JUDGED = dict(activation="relu", delta=(1.0, 2.0))
LINEAR = dict(activation="linear")
EQUIVALENT = dict(activation="relu", delta=(0.5, 1.0, 2.0), ratio=(100.0, 200.0))
AT_PEAK = dict(activation="relu", delta=1.0, ratio=(100.0, 200.0))
NO_FLOOR = Control(
    "with a linear activation the least eigenvalue is 0 (1e-10), with any number of neurons",
    size_of_least,
    where=LINEAR,
    below=1e-10,
    decides="every",
)
NEVER = Control(
    "a linear activation never fits them, with any number of neurons", where=LINEAR, below=1e-9, decides="every"
)
PEAK = Control(
    "without a penalty, at n = d, the median error is over 5 times the network's",
    peak,
    where=AT_PEAK,
    above=5.0,
    decides="every",
)


def in_memory(id: str, says: str, where: dict, control: Control, **bound: float) -> Claim:
    """A claim about shares of draws that interpolate random labels."""
    return Claim(
        id, says, interpolated, of="memory", where=where, interval="none", unit=CELLS, control=control, **bound
    )


def in_kernels(id: str, says: str, statistic: Statistic, where: dict, control: Control, **bound) -> Claim:
    """A claim about means of the tangent kernel or of its predictor."""
    return Claim(id, says, statistic, of="kernels", where=where, interval="none", unit=ENDS, control=control, **bound)


study = Study(
    family="optimisation-theory",
    paper=Paper(
        "The interpolation phase transition in neural networks: memorization and generalization under lazy training",
        "Montanari & Zhong",
        2020,
        arxiv="2007.12826",
    ),
    scales=dict(
        smoke=experiments(dimensions=6, crowded=(5,), lazy=5, neurons=20, tested=20, count=2),
        desk=experiments(),
        gpu=experiments(
            dimensions=300, deltas=(0.5, 1.0, 2.0, 4.0, 10.0, 20.0), crowded=(40, 80, 160), lazy=80, count=20
        ),
    ),
    claims=[
        in_memory(
            "too-few",
            "with half a parameter a point random labels are never interpolated",
            dict(ratio=0.5),
            Control(
                "with two parameters a point they are in 0.9 of draws or more, with tanh and GELU",
                where=dict(ratio=2.0, activation=("tanh", "gelu")),
                above=0.9 - 1e-9,
                decides="every",
            ),
            below=1e-9,
        ),
        in_memory(
            "smooth-interpolate",
            "from 1.25 parameters a point on, tanh and GELU interpolate in 0.9 of draws or more",
            dict(activation=("tanh", "gelu"), ratio=(1.25, 1.5, 2.0, 4.0, 8.0)),
            NEVER,
            above=0.9 - 1e-9,
        ),
        in_memory(
            "relu-interpolates",
            "from 4 parameters a point on, ReLU interpolates in 0.9 of draws or more",
            dict(activation="relu", ratio=(4.0, 8.0)),
            NEVER,
            above=0.9 - 1e-9,
        ),
        *[
            in_kernels(
                f"floor-at-{ratio:g}",
                f"at {ratio:g} parameters a point the least eigenvalue is {least:g} v or more, for n = d and 2 d",
                share_of_limit,
                JUDGED | dict(ratio=ratio),
                NO_FLOOR,
                above=least,
            )
            for ratio, least in ((20.0, 0.5), (100.0, 0.65))
        ],
        in_kernels(
            "floor-rises",
            "from 4 over 20 to 100 parameters a point the least eigenvalue rises, for n = d and 2 d",
            rise,
            JUDGED | dict(ratio=(4.0, 20.0, 100.0)),
            Control(
                "with a linear activation it does not (1e-10)", where=LINEAR, between=(-1e-10, 1e-10), decides="every"
            ),
            above=0.0,
        ),
        in_kernels(
            "no-floor-at-1",
            "at one parameter a point the least eigenvalue is 0.05 v or less, for n = d and 2 d",
            share_of_limit,
            JUDGED | dict(ratio=1.0),
            Control("at 100 it is more", where=JUDGED | dict(ratio=100.0), above=0.05, decides="every"),
            below=0.05,
        ),
        in_kernels(
            "ridge-error",
            "at 100 and 200 parameters a point the error is 0.93 to 1.08 of that of ridge with gamma, n = d/2 to 2 d",
            partial(mean_ratio, above="error", below="ridge_error"),
            EQUIVALENT,
            PEAK,
            between=(0.93, 1.08),
        ),
        in_kernels(
            "self-induced-penalty",
            "the ridge penalty whose predictions are closest to the network's is 0.7 to 1.4 gamma, n = d/2 to 2 d",
            partial(mean_ratio, above="acts_like", below="gamma"),
            EQUIVALENT,
            PEAK,
            between=(0.7, 1.4),
        ),
        Claim(
            "no-peak",
            "at n = d linear interpolation has a median error over 5 times the network's",
            peak,
            of="kernels",
            where=AT_PEAK,
            above=5.0,
            interval="none",
            unit="cells, medians over draws",
            control=Control(
                "at n = d/2 and n = 2 d less than 1.6 times",
                where=AT_PEAK | dict(delta=(0.5, 2.0)),
                below=1.6,
                decides="every",
            ),
        ),
        in_kernels(
            "more-neurons",
            "the error over that of infinitely many neurons is larger by 0.2 at 4 than at 100 parameters a point",
            excess_of_few,
            JUDGED | dict(ratio=(4.0, 100.0)),
            Control(
                "ridge regression, which has no neurons, on data drawn anew for both: by 0.2 neither way",
                partial(excess_of_few, error="ridge_error_anew", other="infinite_error_anew"),
                between=(-0.2, 0.2),
                decides="every",
            ),
            above=0.2,
        ),
        Claim(
            "lazy",
            "with alpha = 100 the trained network's predictions are within 0.03 of the interpolant's, relatively",
            gap,
            of="descent",
            where=dict(network="lazy", alpha=100.0),
            below=0.03,
            unit="draws",
            control=Control("with alpha = 1 they are not", where=dict(network="lazy", alpha=1.0), above=0.03),
        ),
        Claim(
            "not-lazy",
            "with alpha = 1 they are 5 times as far as with 100, or more (ln of the ratio)",
            log_gap_ratio,
            of="descent",
            where=dict(network="lazy"),
            above=np.log(5.0),
            unit="draws",
            control=Control(
                "with slopes frozen, training at alpha = 1 ends within 0.02",
                gap,
                where=dict(network="linearised", alpha=1.0),
                below=0.02,
            ),
        ),
    ],
    figures=[transitions, errors, penalties],
    differs=[
        "20 to 80 dimensions, 40 to 320 points; the paper's theorems are limits. The least eigenvalue nears v with "
        "corrections of order sqrt(n / d^2), so it is asked for a share of v, and n = 4 d is shown but not judged.",
        "Equal patterns of a ReLU's activity delay its interpolation: it is asked for from 4 parameters a point on.",
        "Gradient descent on the true network is stopped at a mean squared error of 1e-4.",
        "A replicate is a draw of points, neurons, direction and noise. All errors of a draw are on the same data.",
    ],
)
