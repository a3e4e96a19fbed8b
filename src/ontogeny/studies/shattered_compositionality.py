"""Networks learn the digits of a sum from the most significant down, in the reverse of the order that carries need.

Small transformers add four numbers of two digits, digit by digit: `37+02+89+15=143`. Whoever carries begins with the
units. Networks begin with the hundreds, of which every leading digit of an operand tells a little (0.112 nats), and go
on to the tens, of which single digits tell nothing until the hundreds are written before them. The units are left for
last: nothing less than all four of their digits tells anything. What is learned first is what correlates, not what an
adder needs first.

So a place that is no prerequisite can be needed all the same. When the hundreds in the training texts are replaced by
meaningless digits, nothing is learned about the tens, although no carry ever comes from there. With the units
meaningless, which do carry into the tens, these are learned as before. Written units first, the hundreds still come
first: the order is not only that of writing.

Comparing numbers, `4071,4069#>`, all four places are learned side by side if pairs are balanced, so that each of them
decides equally often. With free pairs the first place decides nine times of ten, and later ones are learned much later
or not. Pairs that differ in a single place and agree in those after it, too, are hardly seen in training: for a while
many of them are taken for equal by networks that know the deciding place well, an error of mixed skills.

What you see: the share of wrong digits by place along training, in four conditions; how much the guessed hundreds
depend on a leading digit, and the guessed units on a units digit, over what the true ones do (dashed); how the error of
written sums narrows. Then, for comparisons, how often pairs are right that a given place decides.

What we see on the desk: the order of places and what drives it. Tens are learned after 200 to 400 updates; with the
hundreds meaningless not within the run, and with the units meaningless after 0.75 to 1 times as many. When the tens
come, the guessed hundreds depend on a leading digit about as the true ones do. Of comparisons, free pairs teach
the first place some 19 times sooner than the last; balanced ones teach all four side by side, but not within a factor
of 5 in every network (1.7 to 5.8, two of four over 5), so `parallel` is not reproduced.

The reason is not that some place is learned last. On balanced pairs most places are right in 0.6 to 0.8 of the pairs
for some 300 updates, and waver by 0.1 from one look to the next, so it is chance when one of them first is at 0.75
twice in a row. Asked about 1,000 pairs a place, networks of seeds 1 to 4 have ratios of 6.6, 6.7, 4.5 and 4.5; the
slowest is the first place in one, the third in one and the last in two. Asked about 120 they have 6.6, 4.0, 6.6 and
4.0.

Four networks had left it open whether the hundreds depend on a leading digit as they should, within 25 % (0.90, 95 %
from 0.73 to 1.08). So there are six now, asked about 2,000 sums instead of 600, for half of the variance was due to
the sums: it is 0.91 (0.84 to 0.98). Conditions of which nobody asks
how long the tens take end after 400 updates.

To vary it: `--seeds 12`, or `addition(...)` and `comparison(...)` below with more operands and digits, and a
scratchpad; `MultiOperandAddition` writes sums in any order. In the paper the units are learned as well, by far the
last: not within the steps of the desk. Sorting, where digits that contradict each other mix up numbers, is part of the
gpu scale.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ontogeny import Claim, Control, Paper, Study, Training, factor, seeds, vary, zipped
from ontogeny.claims import narrow, unfold
from ontogeny.measures.addition_skills import PlaceErrors, UnitsInformation, WrittenSums
from ontogeny.measures.comparison_skills import ComparisonSkills
from ontogeny.measures.learning_times import first_time, order_score
from ontogeny.measures.mixing_errors import MixingErrors
from ontogeny.models.rescaled import Rescaled
from ontogeny.models.transformer import EMBEDDING, Transformer
from ontogeny.report.figure import Axis, Figure, Mark, Panel, Rule, category
from ontogeny.report.spread import mean_and_range
from ontogeny.tasks.balanced_comparison import BalancedComparison
from ontogeny.tasks.balanced_sorting import BalancedSorting
from ontogeny.tasks.multi_operand_addition import MultiOperandAddition
from ontogeny.training.optimizers import AdamW
from ontogeny.training.schedules import Warmup
from ontogeny.training.steps import At, Steps, log_spaced

PLAIN, NO_LEADING, NO_TENS, NO_UNITS, REVERSE = CONDITIONS = (
    "plain",
    "leading digit meaningless",
    "tens meaningless",
    "units meaningless",
    "units written first",
)
BALANCED, FREE = {"balanced": 1.0}, {"balanced": 0.0}
START = 0.02  # standard deviation of embeddings and unembedding
RIGHT = 0.75  # of the pairs that a place decides
LN10 = float(np.log(10))
DOUBLED, NEARLY = 1.0, float(np.log2(1.6))


def model(layers: int, width: int, heads: int) -> Rescaled:
    """A transformer with small embeddings."""
    times = {
        "embed.weight": START / EMBEDDING,
        "positions.weight": START / EMBEDDING,
        "unembed.weight": START * 2 * width**0.5,
    }
    return Rescaled(model=Transformer(layers=layers, width=width, heads=heads), times=times)


def optimizer(lr: float) -> AdamW:
    """AdamW at a constant rate after a warm-up."""
    return AdamW(lr=lr, betas=(0.9, 0.98), weight_decay=0.01, clip=1.0, schedule=Warmup(updates=50))


def addition(
    *,
    operands: int = 4,
    digits: int = 2,
    scratchpad: bool = False,
    layers: int = 2,
    width: int = 64,
    heads: int = 2,
    lr: float = 2e-3,
    batch: int = 128,
    steps: tuple[int, int] = (800, 400),
    measured: Steps = At(steps=(0, 25, 50, 75, 100, 150, 200, 250, 300, 350, 400, 600)),
    items: int = 2_000,
    seeds_: int = 6,
) -> Training:
    """Transformers that learn to add: plainly, with one digit of the sum meaningless, and with units written first.

    The second number of steps is for the two conditions of which nobody asks how long the tens take.
    """
    last = digits + 1
    plain = int("".join(str(i + 1) for i in range(last)))
    conditions = zipped(
        condition=CONDITIONS,
        order=(plain,) * 4 + (int(str(plain)[::-1]),),
        randomised=(0, 1, last - 1, last, 0),
        steps=(steps[0], steps[0], steps[1], steps[0], steps[1]),
    )
    return Training(
        factors=conditions * seeds(seeds_),
        task=MultiOperandAddition(
            operands=operands,
            digits=digits,
            order=factor("order"),
            randomised=factor("randomised"),
            scratchpad=scratchpad,
        ),
        model=model(layers, width, heads),
        optimizer=optimizer(lr),
        batch=batch,
        steps=factor("steps"),
        measures=(
            PlaceErrors(items=items),
            UnitsInformation(contexts=items // 30),
            WrittenSums(items=items // 10),
        ),
        at=measured,
    )


def comparison(
    *,
    digits: int = 4,
    layers: int = 2,
    width: int = 64,
    heads: int = 2,
    lr: float = 2e-3,
    batch: int = 128,
    steps: int = 600,
    measured: Steps = At(steps=tuple(round(20 * 30 ** (i / 27)) for i in range(28))),
    pairs: int = 1_000,
    seeds_: int = 4,
) -> Training:
    """Transformers that learn to compare, from balanced pairs and from free ones."""
    return Training(
        factors=vary(balanced=(1.0, 0.0)) * seeds(seeds_),
        task=BalancedComparison(digits=digits, balanced=factor("balanced")),
        model=model(layers, width, heads),
        optimizer=optimizer(lr),
        batch=batch,
        steps=steps,
        measures=(ComparisonSkills(pairs=pairs, contrast=pairs // 10),),
        at=measured,
    )


def sorting(
    *,
    layers: int = 6,
    width: int = 384,
    heads: int = 6,
    lr: float = 1e-3,
    batch: int = 512,
    steps: int = 10_000,
    measured: Steps = log_spaced(20),
    items: int = 2_000,
    seeds_: int = 4,
) -> Training:
    """Transformers that learn to sort four numbers."""
    return Training(
        factors=seeds(seeds_),
        task=BalancedSorting(),
        model=model(layers, width, heads),
        optimizer=optimizer(lr),
        batch=batch,
        steps=steps,
        measures=(MixingErrors(items=items),),
        at=measured,
    )


def acquired(ds: xr.Dataset) -> xr.DataArray:
    """The first measured step at which a place has half the error of the best constant, or less; infinite for none."""
    error = ds.place_error.transpose("member", "place", "step")
    reached = error <= ds.constant_error.transpose("member", "place", "step") / 2
    return error.isel(step=0, drop=True).copy(data=first_time(reached.values, ds.step.values))


def reverse_order(ds: xr.Dataset) -> xr.DataArray:
    """Order score of the places from the most significant down: 1 for the reverse of the human order, -1 for that."""
    times = acquired(ds)
    return times.isel(place=0, drop=True).copy(data=order_score(times.values))


def tens_time(ds: xr.Dataset) -> xr.DataArray:
    """When the tens are acquired; the end of training where they are not."""
    return acquired(ds).sel(place="tens", drop=True).clip(max=float(ds.step[-1]))


def doublings(ds: xr.Dataset, condition: str) -> xr.DataArray:
    """How many times the time to the tens doubles from plain training to a condition, seed by seed."""
    times = tens_time(ds).drop_vars(["order", "randomised", "steps"]).to_dataset(name="time")
    by_seed = unfold(times).time
    ratio = by_seed.sel(condition=condition, drop=True) / by_seed.sel(condition=PLAIN, drop=True)
    return ratio.copy(data=np.log2(ratio.values))


def doublings_without_leading(ds: xr.Dataset) -> xr.DataArray:
    """How many times the tens' time doubles when the leading digit is meaningless."""
    return doublings(ds, NO_LEADING)


def doublings_without_units(ds: xr.Dataset) -> xr.DataArray:
    """How many times it doubles when the units are meaningless."""
    return doublings(ds, NO_UNITS)


def leading_information(ds: xr.Dataset) -> xr.DataArray:
    """What predicted leading digits tell of that of an operand, over what true ones do, at every step."""
    corner = dict(input_place=0, place=0)
    return ds.information.isel(corner, drop=True) / ds.data_information.isel(corner, drop=True)


def when_tens_come(ds: xr.Dataset, values: xr.DataArray) -> xr.DataArray:
    """A quantity at the step at which the tens are acquired; NaN where they are not."""
    times = acquired(ds).sel(place="tens", drop=True)
    return values.where(values.step == times).max("step")


def leading_when_tens_come(ds: xr.Dataset) -> xr.DataArray:
    """`leading_information` when the tens are acquired."""
    return when_tens_come(ds, leading_information(ds))


def units_when_tens_come(ds: xr.Dataset) -> xr.DataArray:
    """What predicted units tell of an operand's units, over the ln 10 that true ones do, when the tens are acquired."""
    return when_tens_come(ds, ds.units_information) / LN10


def informed_at_start(ds: xr.Dataset) -> xr.DataArray:
    """The larger of both informations before training, in nats."""
    leading = ds.information.isel(step=0, input_place=0, place=0, drop=True)
    return np.maximum(leading, ds.units_information.isel(step=0, drop=True))


def tens_off_chance(ds: xr.Dataset) -> xr.DataArray:
    """The error at the tens less that of a blind guess, at each network's own end."""
    excess = (ds.place_error - ds.constant_error).sel(place="tens", drop=True)
    return excess.sel(step=ds.steps, drop=True).drop_vars("step", errors="ignore")


def place_times(ds: xr.Dataset) -> xr.DataArray:
    """When 0.75 of the pairs that a place decides are right at two measured steps in a row, by place; else the end."""
    right = ds.deciding_accuracy.transpose("member", "place", "step")
    times = first_time(right.values >= RIGHT, ds.step.values, hold=2)
    return right.isel(step=0, drop=True).copy(data=np.minimum(times, float(ds.step[-1])))


def time_ratio(ds: xr.Dataset) -> xr.DataArray:
    """The last place's time over the first's, whichever places these are."""
    times = place_times(ds)
    return times.max("place") / times.min("place")


def mixing(ds: xr.Dataset, test: str) -> xr.DataArray:
    """Share of lists whose middle numbers come out with swapped or repeated tails, at the end."""
    return ds.mixing.isel(step=-1).sel(test=test, kind=["swap", "repeat"]).sum("kind")


def conflict_ratio(ds: xr.Dataset) -> xr.DataArray:
    """Mixing errors on conflicting lists over those on agreeing ones, the latter being one in 2,000 at least."""
    return mixing(ds, "conflicting") / np.maximum(mixing(ds, "agreeing"), 1 / 2_000)


def conflict_ratio_at_start(ds: xr.Dataset) -> xr.DataArray:
    """The same before training."""
    return conflict_ratio(ds.isel(step=[0]))


def by_place(values: xr.DataArray) -> list[Mark]:
    """A line along training for every place, the most significant first."""
    marks: list[Mark] = []
    for i, place in enumerate(values.place.values.tolist()):
        marks += mean_and_range(values.sel(place=place), place, category(i), "step")
    return marks


def digits_figure(results: Mapping[str, xr.Dataset]) -> Figure:
    """Wrong digits by place along training in four conditions, and what the guesses depend on in two."""
    ds = results["addition"]
    step, wrong = Axis("step", log=True), Axis("share of wrong digits", limits=(-0.02, 1))
    panels = [
        Panel(c.capitalize(), x=step, y=wrong, marks=by_place(narrow(ds, {"condition": c}).place_error))
        for c in (PLAIN, REVERSE, NO_LEADING, NO_UNITS)
    ]
    told = Axis("share of the data's information", limits=(-0.05, 1.2))
    for condition, short in ((PLAIN, PLAIN), (NO_LEADING, "no leading")):
        here = narrow(ds, {"condition": condition})
        both = {0: leading_information(here), -1: here.units_information / LN10}
        marks: list[Mark] = [Rule(y=1.0)]
        for i, share in both.items():
            marks += mean_and_range(share, ds.place.values[i].item(), category(i % ds.sizes["place"]), "step")
        panels.append(Panel(f"Information, {short}", x=step, y=told, marks=marks))
    return Figure(
        "The most significant digits of a sum are learned first",
        panels,
        legend="digit of the sum",
        caption="Mean over seeds, with a band from the least to the greatest; digits before it are given as they "
        "should be. Below: mutual information of an operand's leading digit and the guessed leading digit, and "
        "of its units and the guessed units when all other digits are known, over that of the true digits.",
    )


def width_figure(results: Mapping[str, xr.Dataset]) -> Figure:
    """How far the sums that networks write are from the true ones."""
    ds = results["addition"]
    marks: list[Mark] = []
    for i, condition in enumerate(CONDITIONS):
        width = narrow(ds, {"condition": condition}).sum_width
        marks += mean_and_range(width, condition, category(i), "step")
    digits = ds.sizes["place"]
    steps = [Rule(y=10.0**k, label=place) for k, place in enumerate(ds.place.values[::-1].tolist()[: digits - 1])]
    return Figure(
        "Sums narrow place by place",
        [
            Panel(
                x=Axis("step", log=True),
                y=Axis("spread of written less true sums", log=True),
                marks=[*marks, *steps],
            )
        ],
        caption="Standard deviation over sums that networks write by themselves; mean over seeds, with a band from the "
        "least to the greatest.",
    )


def comparison_figure(results: Mapping[str, xr.Dataset]) -> Figure:
    """How often pairs are right by the place that decides, and what single differences are taken for."""
    ds = results["comparison"]
    panels = []
    for title, name, where in (
        ("Balanced pairs: the place decides", "deciding_accuracy", BALANCED),
        ("Free pairs: the place decides", "deciding_accuracy", FREE),
        ("Balanced pairs: nothing else differs", "contrast_accuracy", BALANCED),
        ("... and are taken for equal", "contrast_equal", BALANCED),
    ):
        marks = by_place(narrow(ds, where)[name])
        if name == "deciding_accuracy":
            marks.append(Rule(y=RIGHT))
        panels.append(
            Panel(title, x=Axis("step", log=True), y=Axis("share of pairs", limits=(-0.02, 1.02)), marks=marks)
        )
    return Figure(
        "Balanced pairs teach all places at once, free pairs the first one",
        panels,
        legend="place",
        caption="Trained on balanced or on free pairs, asked about pairs that share what is before the place and "
        "differ there, with other digits free (above) or equal (below). Mean over seeds, with a band from the least "
        "to the greatest. Dashed: the accuracy by which a place counts as learned.",
    )


LARGE: dict[str, Any] = dict(layers=6, width=384, heads=6, lr=1e-3, batch=512, seeds_=4)
SMALL: dict[str, Any] = dict(layers=1, width=16, heads=2, batch=8, seeds_=2)

study = Study(
    paper=Paper(
        "Shattered Compositionality: Counterintuitive Learning Dynamics of Transformers for Arithmetic",
        "Zhao, Sharma, Uppaal & Zhong",
        2026,
        arxiv="2601.22510",
    ),
    family="reasoning",
    differs=[
        "On the desk four operands of two digits, up to 800 updates, networks of two layers, width 64; the paper adds "
        "three digits over 800,000 updates of six layers, width 384.",
        "Numbers are padded with zeros, data is always fresh, and there is no dropout.",
        "Only the sum (the relation, the sorted list) and its end count in the loss.",
        "What units tell is measured with all other digits known, by writing each of the ten digits, in 66 sums.",
        "Scratchpads can be asked for, and are not run; multiplication, word problems and language models are left "
        "out.",
        "Weights are float32 at gpu scale too.",
    ],
    scales=dict(
        smoke={
            "addition": addition(operands=2, digits=1, steps=(20, 10), measured=At(steps=(0, 10)), items=60, **SMALL),
            "comparison": comparison(digits=2, steps=20, measured=At(steps=(5, 10)), pairs=20, **SMALL),
            "sorting": sorting(steps=4, measured=At(steps=(0,)), items=20, **SMALL),
        },
        desk={"addition": addition(), "comparison": comparison()},
        gpu={
            "addition": addition(digits=3, steps=(60_000, 60_000), measured=log_spaced(40), items=3_000, **LARGE),
            "comparison": comparison(steps=10_000, measured=log_spaced(28), pairs=1_000, **LARGE),
            "sorting": sorting(),
        },
    ),
    claims=[
        Claim(
            "reverse-order", "places are acquired from the most significant down, in every network", reverse_order,
            where=dict(condition=PLAIN), of="addition", above=0.9, decides="every",
            control=Control(
                "not so with the leading digit meaningless", where=dict(condition=NO_LEADING), below=0.5 + 1e-9
            ),
        ),
        Claim(
            "leading-correlation",
            "when tens are acquired, guessed leading digits depend on an operand's as true ones do, within 25 %",
            leading_when_tens_come, where=dict(condition=PLAIN), of="addition", between=(0.75, 1.25),
            control=Control("before training neither depends on anything: 0.02 nats", informed_at_start, below=0.02),
        ),
        Claim(
            "units-ignored", "when tens are acquired, guessed units have less than 5 % of what units tell of units",
            units_when_tens_come, where=dict(condition=PLAIN), of="addition", below=0.05,
            control=Control("leading digits have over 75 % of theirs by then", leading_when_tens_come, above=0.75),
        ),
        Claim(
            "scaffold", "with the leading digit meaningless the tens take twice as long or more: one doubling",
            doublings_without_leading, of="addition", above=DOUBLED - 1e-9,
            control=Control(
                "with the units meaningless they take as long, within a factor 1.6", doublings_without_units,
                between=(-NEARLY, NEARLY),
            ),
        ),
        Claim(
            "meaningless", "tens that are meaningless in training are guessed blindly, within 0.02", tens_off_chance,
            where=dict(condition=NO_TENS), of="addition", between=(-0.02, 0.02), decides="mean",
            control=Control("others are not: at least half fewer are wrong", where=dict(condition=PLAIN), below=-0.45),
        ),
        Claim(
            "parallel", "balanced pairs teach all places within a factor 5 of steps, in every network", time_ratio,
            where=BALANCED, of="comparison", below=5.0, decides="every",
            control=Control("free pairs do not within a factor 10", where=FREE, above=10.0 - 1e-9),
        ),
        Claim(
            "mixing", "contradicting digits mix three times as many numbers as agreeing ones", conflict_ratio,
            of="sorting", above=3.0, scales=["gpu"],
            control=Control("before training they do not", conflict_ratio_at_start, below=3.0),
        ),
    ],
    figures=[digits_figure, width_figure, comparison_figure],
)  # fmt: skip
