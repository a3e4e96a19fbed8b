"""Textbook statements about deep networks become small exact tests: weight sharing, adversarial fitting, dropout, batch
normalisation, over-parametrisation, margins and depth.

A survey has no finding of its own. Its statements, made testable here, are judged one by one.

Weight sharing: does a convolution with a maximum over places recognise a pattern where it never saw it, when a fully
connected network does not? Where the answer is the place itself, the same convolution must be at a loss. Adversarial
fitting: does the discriminator find p / (p + q) while the generator rests, and a Wasserstein generator the data's mean
and width? Dropout of the inputs of linear regression should be a ridge penalty, in closed form. Batch normalisation
should let plain gradient descent take far larger steps; its control freezes the statistics at the first step. A large
network should learn permuted labels by heart, and still generalise from true ones. Without a penalty the test error
should peak where random features are as many as points, and with ridge not. Gradient descent on separable points should
turn, very slowly, towards the largest margin, if its loss is logistic. Depth: ten units in five layers draw 32 linear
pieces, by construction; whether training finds 8 more easily with depth is another question, and the last claim.

The first figure has the networks that were trained, the second the linear models.

To vary it: `--seeds 8`, and the arguments of `experiments` below. Of the survey's subjects,
recurrent networks are not tried here.
"""

import math
from functools import partial

import numpy as np
import torch
import xarray as xr

from ontogeny import Claim, Control, Paper, Study, Training, Trial, at, every, factor, seeds, vary, zipped
from ontogeny.claims import narrow
from ontogeny.labelled import Labelled
from ontogeny.measures.cells import by_factors
from ontogeny.measures.discriminator import DiscriminatorGap
from ontogeny.measures.double_descent import PENALTIES, errors_over_penalties, local_peak, relu_features
from ontogeny.measures.held_out import HeldOut
from ontogeny.measures.linear_pieces import TentError, count_pieces
from ontogeny.measures.memorised import Memorised
from ontogeny.measures.stable_rate import largest_stable_rate
from ontogeny.models.batch_norm import BatchNormMLP
from ontogeny.models.choice import Choice
from ontogeny.models.cnn import CNN
from ontogeny.models.mlp import MLP
from ontogeny.models.uniform_mlp import UniformMLP, tent_network
from ontogeny.report.figure import Axis, Figure, Line, Panel, Points, Rule
from ontogeny.report.spread import spread
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape
from ontogeny.tasks.digits import Digits
from ontogeny.tasks.permuted_labels import PermutedLabels
from ontogeny.tasks.shifted_patterns import ShiftedPatterns
from ontogeny.tasks.tent_map import TentMap, tent
from ontogeny.tasks.two_normals import TwoNormals, best_discriminator
from ontogeny.training.adversarial import adversaries
from ontogeny.training.binary_cross_entropy import BinaryCrossEntropy
from ontogeny.training.dropout_descent import dropout_descent, dropout_ridge
from ontogeny.training.margin_bias import margin_angles
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import SGD, Adam

SHIFT = 3.0
RATES = tuple(10.0 ** (k / 2) for k in range(-6, 5))
FEATURES = (10, 30, 60, 80, 100, 120, 150, 300, 1_000, 2_000)
DEEP, SHALLOW = (5, 9), (1, 133)  # hidden layers and units: 388 and 400 parameters
NETWORKS = {"convolution": CNN(filters=16, size=5), "fully connected": MLP(layers=2, width=64)}
DEPTHS = {name: UniformMLP(hidden=h, units=u) for name, (h, u) in {"deep": DEEP, "shallow": SHALLOW}.items()}


def fit_normal(streams: Streams, game: str, steps: int) -> dict[str, Labelled]:
    """Mean and deviation that an affine generator ends with, for data from N(3, 1)."""

    def data(now: Streams, size: int) -> torch.Tensor:
        return SHIFT + now.normal("data", (size, 1))

    found = adversaries(streams, data, game, steps=steps, averaged=max(1, steps // 4))
    return {name: Labelled(value.cpu(), ("member",)) for name, value in found.items()}


def regress_with_dropout(streams: Streams, keep: float, steps: int) -> dict[str, Labelled]:
    """Weights after descent with dropout and by least squares, and their distance from ridge regression."""
    x, noise = streams.normal("inputs", (200, 20)).double(), streams.normal("noise", (200,)).double()
    y = (x @ streams.normal("teacher", (20, 1)).double())[..., 0] + noise
    ridge = dropout_ridge(x, y, keep)
    weights = {
        "dropout": dropout_descent(x, y, keep, streams.of("masks"), steps=steps, averaged_from=steps // 3),
        "least_squares": dropout_ridge(x, y, 1.0),
    }
    values = {"ridge": Labelled(ridge.cpu(), ("member", "input"))}
    for name, w in weights.items():
        values[name] = Labelled(w.cpu(), ("member", "input"))
        values[f"{name}_distance"] = Labelled(((w - ridge).norm(dim=-1) / ridge.norm(dim=-1)).cpu(), ("member",))
    return values


def descend_twice(streams: Streams, features: tuple[int, ...], draws: int) -> dict[str, Labelled]:
    """Test errors over the number of random features, median over draws of them: least norm, and the best ridge."""
    x, test = streams.normal("points", (100, 10))[0].double(), streams.normal("test", (1_000, 10))[0].double()
    teacher = streams.normal("teacher", (10,))[0].double() / 10**0.5
    y = x @ teacher + 0.3 * streams.normal("noise", (100,))[0].double()
    penalties = torch.cat([torch.zeros(1, dtype=torch.float64), PENALTIES]).to(x.device)
    table = torch.empty(2, len(features), draws, dtype=torch.float64)
    for i, count in enumerate(features):
        for j in range(draws):
            w = streams.of(f"features {j}").normal(f"{count}", (10, count))[0].double()
            errors = errors_over_penalties(relu_features(x, w), y, relu_features(test, w), test @ teacher, penalties)
            table[:, i, j] = torch.stack([errors[0], errors[1:].amin()]).cpu()
    middle = table.median(-1).values
    coords = {"features": features}
    return {
        name: Labelled(row[None], ("member", "features"), coords)
        for name, row in zip(("least_norm", "best_ridge"), middle, strict=True)
    }


def turn_to_margin(streams: Streams, loss: str, steps: tuple[int, ...]) -> dict[str, Labelled]:
    """Angles to the largest margin's direction, of 40 points in 20 dimensions labelled by a half-space."""
    x = streams.normal("points", (40, 20))[0].double()
    labels = torch.sign(x @ streams.normal("direction", (20,))[0].double())
    angles = margin_angles(x * labels[:, None], loss, steps)  # type: ignore[arg-type]
    return {"angle": Labelled(angles[None], ("member", "update"), {"update": steps})}


def construct(streams: Streams, depth: int) -> dict[str, Labelled]:
    """Pieces and error of the network that is the tent map by construction, in float32.

    Beside it, the pieces of a random network with all its units in one layer (seen from -3 to 3), and the error of one
    that is a layer short.
    """
    x, even = torch.linspace(0.0, 1.0, 3_001), torch.linspace(0.0, 1.0, 4_097)  # on the even ones it is exact
    wanted = tent(x.double(), depth)
    y, kinks = (tent_network(depth)(at.view(1, -1, 1)).detach()[..., 0] for at in (x, even))
    short = tent_network(depth - 1)(x.view(1, -1, 1)).detach()[..., 0] if depth > 1 else x[None]
    shallow = UniformMLP(units=2 * depth).build(Shape(features=1, outputs=1), streams).double()
    wide = torch.linspace(-3.0, 3.0, 4_097, dtype=torch.float64)
    values = dict(
        pieces=count_pieces(even, kinks, 0.1),
        error=(y.double() - wanted).abs().amax(-1),
        shallow_pieces=count_pieces(wide, shallow(wide.view(1, -1, 1)).detach()[..., 0]),
        short=(short.double() - wanted).abs().amax(-1),
    )
    return {name: Labelled(value, ("member",)) for name, value in values.items()}


def experiments(
    steps: int = 2_000,
    dropout_steps: int = 6_000,
    shift_steps: int = 600,
    sizes: tuple[int, ...] = (50, 200, 1_000),
    rate_steps: int = 200,
    rates: tuple[float, ...] = RATES,
    features: tuple[int, ...] = FEATURES,
    margin_steps: tuple[int, ...] = (100, 300, 1_000, 3_000, 20_000),
    memory_steps: int = 5_000,
    tent_steps: int = 3_000,
    tents: tuple[int, ...] = (1, 3, 5),
    held_out: int = 2_000,
    count: int = 4,
    margin_seeds: int = 8,
) -> dict[str, Trial | Training]:
    """All panels at one scale."""
    examples = zipped(size=sizes, batch=tuple(min(64, size) for size in sizes))
    return dict(
        shift=Training(
            factors=vary(asked=("which", "where"), network=tuple(NETWORKS)) * examples * seeds(count),
            task=ShiftedPatterns(asked=factor("asked")),
            model=Choice(name=factor("network"), options=NETWORKS),
            optimizer=Adam(lr=3e-3),
            batch=factor("batch"),
            examples=factor("size"),
            steps=shift_steps,
            measures=(HeldOut(samples=held_out),),
            at=at(shift_steps),
        ),
        discriminator=Training(
            factors=vary(shift=(0.0, SHIFT)) * seeds(count),
            task=TwoNormals(shift=factor("shift")),
            model=MLP(layers=3, width=32),
            objective=BinaryCrossEntropy(),
            optimizer=Adam(lr=1e-3),
            batch=256,
            steps=steps,
            measures=(DiscriminatorGap(samples=8_000),),
            at=at(0, steps),
        ),
        generator=Trial(
            factors=vary(game=("wasserstein",)) * seeds(count),
            function=partial(fit_normal, steps=steps),
        ),
        dropout=Trial(
            factors=vary(keep=(0.5, 0.8)) * seeds(count), function=partial(regress_with_dropout, steps=dropout_steps)
        ),
        rates=Training(
            factors=vary(norm=("none", "batch", "frozen"), lr=rates) * seeds(count),
            task=Digits(),
            model=BatchNormMLP(norm=factor("norm"), reference=Digits()),
            optimizer=SGD(lr=factor("lr")),
            batch=128,
            steps=rate_steps,
            at=at(rate_steps),
        ),
        memory=Training(
            factors=vary(labels=("true", "permuted")) * seeds(count),
            task=PermutedLabels(labels=factor("labels")),
            model=MLP(layers=2, width=512),
            optimizer=Adam(lr=3e-3),
            batch=128,
            steps=memory_steps,
            measures=(HeldOut(samples=360), Memorised()),
            at=every(500),
        ),
        double_descent=Trial(factors=seeds(count), function=partial(descend_twice, features=features, draws=5)),
        margin=Trial(
            factors=vary(loss=("logistic", "square")) * seeds(margin_seeds),
            function=partial(turn_to_margin, steps=margin_steps),
        ),
        constructed=Trial(factors=vary(depth=(1, 2, 3, 4, 5)) * seeds(1), function=construct),
        depth=Training(
            factors=vary(times=tents, network=tuple(DEPTHS)) * seeds(count),
            task=TentMap(times=factor("times")),
            model=Choice(name=factor("network"), options=DEPTHS),
            objective=SquaredError(),
            optimizer=Adam(lr=3e-3),
            batch=256,
            steps=tent_steps,
            measures=(TentError(times=factor("times")),),
            at=at(tent_steps),
        ),
    )


def logs(values: xr.DataArray) -> xr.DataArray:
    """Natural logarithms."""
    return values.copy(data=np.log(values.values))


def final_accuracy(ds: xr.Dataset) -> xr.DataArray:
    """Accuracy on held-out signals at the end, by member."""
    return ds.held_out_accuracy.isel(step=-1)


def convolution_gain(ds: xr.Dataset) -> xr.DataArray:
    """Accuracy of the convolution less that of the fully connected network, by seed."""
    accuracy = by_factors(ds, "held_out_accuracy").held_out_accuracy.isel(step=-1)
    return accuracy.sel(network="convolution", drop=True) - accuracy.sel(network="fully connected", drop=True)


def discriminator_gap(ds: xr.Dataset) -> xr.DataArray:
    """Mean distance of the trained discriminator from the best one, by member."""
    return ds.discriminator_gap.isel(step=-1)


def generator_error(ds: xr.Dataset) -> xr.DataArray:
    """The larger error of mean and deviation, by member."""
    errors = xr.concat([abs(ds["shift"] - SHIFT), abs(abs(ds["scale"]) - 1.0)], "of", coords="minimal")
    return errors.max("of", skipna=False)


def untrained_error(ds: xr.Dataset) -> xr.DataArray:
    """The same for a generator that stands still, N(0, 1)."""
    return xr.full_like(ds["shift"], SHIFT)


def distance(ds: xr.Dataset, of: str) -> xr.DataArray:
    """Relative distance of weights from the closed form, by member."""
    return ds[f"{of}_distance"]


def stable_rates(ds: xr.Dataset) -> xr.DataArray:
    """The largest stable learning rate, by norm and seed."""
    losses = by_factors(ds, "train_loss").train_loss.sortby("lr").transpose("norm", "seed", "lr", "update")
    found = largest_stable_rate(losses.lr.values.tolist(), losses.values, math.log(10.0))
    return losses.isel(lr=0, update=0, drop=True).copy(data=found)


def log_rate_gain(ds: xr.Dataset, norm: str) -> xr.DataArray:
    """Ln of the largest stable rate with a norm over that without, by seed."""
    by = stable_rates(ds)
    return logs(by.sel(norm=norm, drop=True) / by.sel(norm="none", drop=True))


def memorised(ds: xr.Dataset) -> xr.DataArray:
    """The best training accuracy that was read, every 500 steps, by member."""
    return ds.training_accuracy.max("step", skipna=False)


def log_peak(ds: xr.Dataset, fit: str) -> xr.DataArray:
    """Ln of the error at 100 features over its neighbours' geometric mean, by seed."""
    errors = ds[fit]
    low, mid, high = (torch.tensor(errors.sel(features=n).values) for n in (60, 100, 150))
    return logs(errors.isel(features=0, drop=True).copy(data=local_peak(mid, low, high).numpy()))


def worst_count(ds: xr.Dataset) -> xr.DataArray:
    """The number of features with the largest error, by seed."""
    return ds.least_norm.idxmax("features").astype(float)


def log_turn(ds: xr.Dataset) -> xr.DataArray:
    """Ln of the angle to the largest margin after 100 steps over that at the end, by seed."""
    return logs(ds.angle.sel(update=100, drop=True) / ds.angle.isel(update=-1, drop=True))


def column(ds: xr.Dataset, name: str) -> xr.DataArray:
    """One variable, by member, as a number."""
    return ds[name].astype(float)


def depth_gain(ds: xr.Dataset) -> xr.DataArray:
    """Error of the shallow network less that of the deep one, by seed."""
    error = by_factors(ds, "tent_error").tent_error.isel(step=-1)
    return error.sel(network="shallow", drop=True) - error.sel(network="deep", drop=True)


def trained(results: dict[str, xr.Dataset]) -> Figure:
    """Networks that were trained: places never seen, D against D*, stable rates, and the tent map."""
    signals = results["shift"].drop_vars("batch")  # smaller where there are few signals
    shift = by_factors(signals, "held_out_accuracy").held_out_accuracy.isel(step=-1)
    marks = []
    for network in NETWORKS:
        marks += spread(shift.sel(asked="which", network=network), name=network)
    panels = [
        Panel(
            "Patterns at places never seen",
            x=Axis("training signals", log=True),
            y=Axis("accuracy", limits=(0, 1.02)),
            marks=[*marks, Rule(y=0.25, label="chance")],
        )
    ]
    said = narrow(results["discriminator"], dict(shift=SHIFT)).discriminator.isel(step=-1)
    exact = best_discriminator(torch.tensor(said.x.values), SHIFT).numpy()
    panels.append(
        Panel(
            "Data N(3, 1) or made up, N(0, 1)",
            x=Axis("x"),
            y=Axis("D"),
            marks=[
                *[Line(said.x, row, name="discriminator", width=1.0) for row in said.values],
                Line(said.x, exact, name="p / (p + q)", colour="ink", dash="dot"),
            ],
        )
    )
    losses, marks = by_factors(results["rates"], "train_loss").train_loss, []
    ends = losses.isel(update=slice(-20, None)).mean("update", skipna=False)
    for norm, name in (("none", "without"), ("batch", "batch normalisation"), ("frozen", "frozen statistics")):
        middle = ends.sel(norm=norm).median("seed", skipna=False).clip(max=20.0)
        marks += [Line(middle.lr, middle, name=name), Points(middle.lr, middle, name=name)]
    panels.append(
        Panel(
            "Gradient descent on digits",
            x=Axis("learning rate", log=True),
            y=Axis("final loss", "nats", log=True),
            marks=[*marks, Rule(y=math.log(10.0), label="chance")],
        )
    )
    times = int(np.unique(results["depth"].times.values)[1])
    one = narrow(results["depth"], dict(times=times))
    x = one.x.values
    marks = [Line(x, narrow(one, dict(network=n)).curve.isel(member=0, step=-1), name=n) for n in DEPTHS]
    exact = tent(torch.tensor(x), times).numpy()
    panels.append(
        Panel(
            f"Tent map, {times} times",
            x=Axis("x"),
            y=Axis("f(x)"),
            marks=[*marks, Line(x, exact, name="tent map", colour="ink", dash="dot")],
        )
    )
    return Figure(
        "Sharing, adversarial fitting, normalisation and depth in small networks",
        panels,
        columns=2,
        caption="Median and range over seeds; of the tent map one seed. Losses above 20 are drawn at 20, those that "
        "are not finite left out.",
    )


def exact(results: dict[str, xr.Dataset]) -> Figure:
    """Linear models: dropout and ridge, double descent, and the turn to the largest margin."""
    half = narrow(results["dropout"], dict(keep=0.5))
    marks = [
        Points(half.ridge.values.ravel(), half[name].values.ravel(), name=said)
        for name, said in (("least_squares", "least squares"), ("dropout", "dropout, averaged"))
    ]
    ends = np.array([float(half.ridge.min()), float(half.ridge.max())])
    panels = [
        Panel(
            "Inputs kept with probability 1/2",
            x=Axis("ridge weight, closed form"),
            y=Axis("weight"),
            marks=[*marks, Line(ends, ends, colour="ink", dash="dot")],
        )
    ]
    descents = by_factors(results["double_descent"], "least_norm", "best_ridge")
    panels.append(
        Panel(
            "100 points, random ReLU features",
            x=Axis("features", log=True),
            y=Axis("test error", log=True),
            marks=[
                *spread(descents.least_norm, name="no penalty"),
                *spread(descents.best_ridge, name="best ridge"),
                Rule(x=100.0, label="points"),
            ],
        )
    )
    angles, marks = by_factors(results["margin"], "angle").angle, []
    for loss in ("logistic", "square"):
        marks += spread(angles.sel(loss=loss), name=f"{loss} loss")
    panels.append(
        Panel(
            "Separable points",
            x=Axis("update", log=True),
            y=Axis("angle to the largest margin", "radians", log=True),
            marks=marks,
        )
    )
    return Figure(
        "Dropout is a ridge, interpolation has a peak, and the logistic loss finds the margin",
        panels,
        caption="Median and range over seeds; weights of all seeds.",
    )


study = Study(
    family="optimisation-theory",
    paper=Paper("A selective overview of deep learning", "Fan, Ma & Zhong", 2019, arxiv="1904.05526"),
    scales=dict(
        smoke=experiments(
            steps=8,
            dropout_steps=9,
            shift_steps=3,
            sizes=(8, 1_000),
            rate_steps=3,
            rates=(1e-2, 1e-1),
            features=(60, 100, 150),
            margin_steps=(100, 200),
            memory_steps=3,
            tent_steps=3,
            held_out=20,
            count=2,
            margin_seeds=2,
        ),
        desk=experiments(),
        gpu=experiments(features=(*FEATURES, 5_000, 20_000), count=10, margin_seeds=10),
    ),
    claims=[
        Claim(
            "convolution-shifts",
            "after 1,000 signals the convolution knows patterns at places never seen: accuracy 0.9 or more",
            final_accuracy,
            of="shift",
            where=dict(asked="which", network="convolution", size=1_000),
            above=0.9,
            control=Control(
                "where the place is asked for, it is behind the fully connected network",
                convolution_gain,
                where=dict(asked="where", size=1_000),
                below=0.0,
            ),
        ),
        Claim(
            "fully-connected-does-not",
            "the fully connected network does not: accuracy 0.6 or less",
            final_accuracy,
            of="shift",
            where=dict(asked="which", network="fully connected", size=1_000),
            below=0.6,
            control=Control(
                "where the place is asked for, it is ahead of the convolution",
                convolution_gain,
                where=dict(asked="where", size=1_000),
                below=0.0,
            ),
        ),
        Claim(
            "best-discriminator",
            "with the generator at rest the discriminator is within 0.05 of p / (p + q), on average over the data",
            discriminator_gap,
            of="discriminator",
            where=dict(shift=SHIFT),
            below=0.05,
            control=Control("of equal distributions it says 0.5, to 0.03", where=dict(shift=0.0), below=0.03),
        ),
        Claim(
            "generator-finds-the-data",
            "a Wasserstein generator ends within 0.2 of the data's mean and deviation, in every seed",
            generator_error,
            of="generator",
            where=dict(game="wasserstein"),
            below=0.2,
            decides="every",
            control=Control("at rest it is not", untrained_error, where=dict(game="wasserstein"), above=0.2),
        ),
        *[
            Claim(
                f"dropout-is-ridge-{keep:g}",
                f"with inputs kept with probability {keep:g}, averaged weights are within 2 % of the ridge solution",
                partial(distance, of="dropout"),
                of="dropout",
                where=dict(keep=keep),
                below=0.02,
                control=Control(
                    "least squares is 15 % away from it or more", partial(distance, of="least_squares"), above=0.15
                ),
            )
            for keep in (0.5, 0.8)
        ],
        Claim(
            "batch-norm-rates",
            "with batch normalisation the largest stable learning rate is 5 times larger or more (ln), in every seed",
            partial(log_rate_gain, norm="batch"),
            of="rates",
            above=math.log(5.0),
            decides="every",
            control=Control(
                "with statistics frozen at the first step it is larger by no more than a step of the grid (ln 3.2)",
                partial(log_rate_gain, norm="frozen"),
                below=math.log(3.2),
                decides="every",
            ),
        ),
        Claim(
            "permuted-labels-are-memorised",
            "a network that is large enough gives back 0.99 of permuted training labels or more",
            memorised,
            of="memory",
            where=dict(labels="permuted"),
            above=0.99,
            control=Control(
                "it has learned nothing by it: accuracy on new pictures 0.2 or less", final_accuracy, below=0.2
            ),
        ),
        Claim(
            "true-labels-generalise",
            "of true labels the same network gives accuracy 0.9 or more on new pictures",
            final_accuracy,
            of="memory",
            where=dict(labels="true"),
            above=0.9,
            control=Control("of permuted ones 0.2 or less", where=dict(labels="permuted"), below=0.2),
        ),
        Claim(
            "double-descent",
            "with as many features as points the error is 3 times that of its neighbours, or more (ln)",
            partial(log_peak, fit="least_norm"),
            of="double_descent",
            above=math.log(3.0),
            control=Control(
                "with the best ridge penalty it is 1.3 times theirs at most (ln)",
                partial(log_peak, fit="best_ridge"),
                below=math.log(1.3),
            ),
        ),
        Claim(
            "peak-at-interpolation",
            "the error is largest with as many features as points, in every seed",
            worst_count,
            of="double_descent",
            between=(99.0, 101.0),
            decides="every",
        ),
        Claim(
            "margin",
            "from 100 to 20,000 steps the angle to the largest margin falls by a factor of 1.5 or more (ln)",
            log_turn,
            of="margin",
            where=dict(loss="logistic"),
            above=math.log(1.5),
            control=Control(
                "with a square loss by a factor between 0.8 and 1.2 (ln)",
                where=dict(loss="square"),
                between=(math.log(0.8), math.log(1.2)),
            ),
        ),
        Claim(
            "ten-units-32-pieces",
            "five hidden layers of two units make 32 linear pieces",
            partial(column, name="pieces"),
            of="constructed",
            where=dict(depth=5),
            between=(31.5, 32.5),
            interval="none",
            unit="networks",
            control=Control(
                "one hidden layer of ten units has 11 at most",
                partial(column, name="shallow_pieces"),
                below=11.5,
                decides="every",
            ),
        ),
        Claim(
            "exact-tent",
            "they are the tent map, five times, to 1e-5 in float32",
            partial(column, name="error"),
            of="constructed",
            where=dict(depth=5),
            below=1e-5,
            interval="none",
            unit="networks",
            control=Control("four layers are not: off by 0.5 or more", partial(column, name="short"), above=0.5),
        ),
        Claim(
            "depth-learns",
            "of 8 pieces a deep network misses less than a shallow one: mean absolute errors differ by 0.05 or more",
            depth_gain,
            of="depth",
            where=dict(times=3),
            above=0.05,
            control=Control(
                "of 2 pieces, where nothing is composed, they differ by less than 0.01",
                where=dict(times=1),
                between=(-0.01, 0.01),
            ),
        ),
    ],
    figures=[trained, exact],
    differs=[
        "The paper is a survey: experiments, thresholds and controls are made here, for statements chosen from it.",
        "Recurrent networks and vanishing gradients, which it treats, are not tried.",
        "Labels are memorised within 5,000 steps, and the best of the training accuracies read on the way counts.",
        "Frozen statistics are those of another batch of training pictures at the first step, not of the first batch.",
        "The best ridge penalty of 32 is chosen on the test points: no way to choose it does better.",
        "A seed sets data, initial weights and batches together. The four patterns belong to the task.",
    ],
)
