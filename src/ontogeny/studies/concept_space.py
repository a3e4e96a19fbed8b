"""A conditional generator learns the concept with the stronger signal first, and can draw a combination that it never
saw, if pushed from within, before it does so when plainly asked.

Networks learn to draw discs that are red or blue and large or small, told which; small blue discs are never shown. How
much a picture changes with a concept is that concept's signal, which the separation of the two colours sets here. What
is drawn when a small blue disc is asked for is a point in concept space, and its way there during training tells what
is learned when. The paper's second finding is a hidden capability: the colour told more strongly than in any training
picture, or a push of hidden units, draws the unseen combination at a time when the plain prompt does not.

Pictures are judged by formulas and not by a trained classifier, and both concepts have to be right from both sides. It
matters: the small fully connected network first *adds* the blue of a large disc to a small one, which is several
times too much of it, and composes late, from some hundreds of updates on, first where colours are far apart.
Discs are read against the background that was drawn: networks draw lighter and darker ones than there are in the data,
and a hundredth of it, summed over the picture, is up to a third of a small disc.

What to look at: on the left the concept plane, with the three corners that are shown as dots and the fourth as a
diamond: the paths overshoot in colour and come back, so that their sharpest turn (a cross) is where they do, for any
separation. In the middle when each concept is learned, against the signal of colour: the lines cross where both signals
are about alike (that of size grows too: colours that are farther apart are also darker). On the right the share of
small blue discs that are right; where the dotted or the dashed line rises before the solid one, a capability is hidden.

What we see at desk scale: the order of learning, in every seed. Colour is learned after some 150 updates where its
signal is weakest and within 10 where it is strongest, size after 20 to 35 in all. The plain prompt draws small blue
discs from 200 to 600 updates on, the earlier the farther colours are apart. Hidden units pushed from within draw them
ten times sooner (ln 2.3, 1.8 to 2.9); pushes in random directions gain next to nothing (0.04).

Prompts that tell the colour more or less strongly draw them four times sooner (ln 1.4, 0.8 to 2.1), and random ones
gain 0.04, where 0.1 is allowed. But mind what is drawn. Where colours are far apart, half the colour told gives small
blue discs at the first 10 to 30 updates, and not again before the plain prompt does. These discs are noisy, pale and of
middling size, which telling less colour makes paler and smaller still, and they come before the turn, where the finding
has nothing yet: `not-before-the-turn` is not reproduced (0.49, 0.30 to 0.68, where 0.2 is allowed), and
`hidden-capability` has to be read together with it. In half of the trial networks the best prompt and the plain one
began together. And networks that saw large discs only can be prompted to small blue ones, in every seed
(`not-without-small-discs`): they are told how large each disc is, and seem to go on beyond the sizes that they saw. Of
pushes from within, the same is open (0.40, -0.10 to 0.90).

The turn does not tell when (`turn-is-capability`). It is where colour comes back from its farthest, at some 50 updates
with strong colours (1.5 to 1.7 where blue is 1) and later with weak ones (3 to 5). Weak colours go back as they came
(175 degrees); strong ones come back while size still grows, so that the turn is blunter at that end than where both
signals are alike (by 28 degrees, 6 to 50; `turns-by-order` asks for the opposite). Prompts that work begin before or
long after it. Ways over one, two or three measurements make no difference. A convolutional network, which does not add
the blue of a large disc to a small one, should decide: it is not built, and the gpu scale has the same kind of network
on larger pictures.

To vary it: `--seeds 16`, or `experiment(...)` below: other separations, combinations shown, widths, or a share of small
red discs whose colour is not told. `ontogeny.measures.concept_elicitation` has the prompts and the pushes,
`ontogeny.measures.turn.sharpest_turn` takes any trajectory.
"""

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from ontogeny import Claim, Control, Gate, Paper, Study, Training, factor, seeds, vary
from ontogeny.claims import narrow
from ontogeny.measures.concept_elicitation import ConceptElicitation
from ontogeny.measures.concept_order import (
    UNSEEN,
    by_signal,
    crossing_signals,
    flips,
    lateness,
    learning_time,
    least_angle,
    log_signal,
    sharper_than_balanced,
    slope,
    slope_beyond_signal,
)
from ontogeny.measures.concept_signal import ConceptSignal
from ontogeny.measures.hidden_capability import (
    before_the_turn,
    best,
    by_means,
    hidden,
    masking_delays,
    measurements_apart,
    naive,
    pairs,
    random_gain,
    turn_and_capability,
    turns_with_capability,
)
from ontogeny.measures.turn import sharpest_turn
from ontogeny.models.gated_denoiser import GatedDenoiser
from ontogeny.report.figure import Axis, Dash, Figure, Line, Mark, Panel, Points, Rule, level
from ontogeny.report.spread import spread
from ontogeny.tasks.coloured_discs import COMBINATIONS, ColouredDiscs
from ontogeny.tasks.flow_matching import FlowMatching
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import AdamW
from ontogeny.training.steps import At

SIGNALS = (0.1, 0.2, 0.3, 0.45, 0.6, 0.8)  # separations of the two colours
STRONG = (0.45, 0.6, 0.8)
CONTROLS = (0.8,)
PLAIN = dict(masked=0.0, size_signal=0.4)


def experiment(
    *,
    signals: tuple[float, ...] = SIGNALS,
    sizes: tuple[float, ...] = (0.4,),
    masked: tuple[float, ...] = (0.0,),
    shown: tuple[str, ...] = COMBINATIONS[:3],
    pixels: int = 12,
    hidden: int = 256,
    steps: int = 1_600,
    checkpoints: int = 16,
    samples: int = 64,
    flow_steps: int = 16,
    seeds_: int = 6,
) -> Training:
    """Generators of discs, a member for every separation of the colours."""
    spaced = np.geomspace(min(10, steps), steps, checkpoints).round().astype(int).tolist()
    task = ColouredDiscs(
        pixels=pixels,
        colour_signal=factor("colour_signal"),
        size_signal=factor("size_signal"),
        masked=factor("masked"),
        shown=shown,
    )
    return Training(
        # The seed runs slowest: members of one seed draw the same numbers, and only once.
        factors=seeds(seeds_) * vary(colour_signal=signals, size_signal=sizes, masked=masked),
        task=FlowMatching(task=task),
        model=GatedDenoiser(hidden=hidden),
        objective=SquaredError(),
        optimizer=AdamW(lr=1e-3, weight_decay=0.01),
        batch=64,
        steps=steps,
        measures=(ConceptSignal(), ConceptElicitation(samples=samples, steps=flow_steps)),
        at=At(steps=tuple(sorted(set(spaced)))),
    )


def experiments(**how: Any) -> dict[str, Training]:
    """The generators, and for controls some that saw large discs only, and some that saw all combinations."""
    alone: dict[str, Any] = {**how, "sizes": (0.4,), "masked": (0.0,)}
    alone["signals"] = tuple(s for s in how.get("signals", SIGNALS) if s in CONTROLS)
    return dict(
        main=experiment(**how),
        large_only=experiment(**alone, shown=(COMBINATIONS[0], COMBINATIONS[2])),
        all_four=experiment(**alone, shown=COMBINATIONS),
    )


def space_figure(results: dict[str, xr.Dataset]) -> Figure:
    """The concept plane, learning times against the signal, and what is drawn plainly and by other means."""
    ds = narrow(results["main"], PLAIN)
    levels = sorted(set(ds.colour_signal.values.tolist()))
    return Figure(
        "The stronger signal is learned first; pushed from within, a network draws what its plain prompt does not yet",
        panels=[plane(ds, levels), times(ds), shares(ds, levels)],
        caption=f"Means over {len(set(ds.seed.values.tolist()))} seeds; middle: median and range. Left: three of the "
        "separations, a cross at the sharpest turn. Right, two strong ones: solid the plain prompt, dashed the best "
        "of several strengths of colour in the prompt, dotted hidden units pushed along what blue changes.",
        legend="separation of colours",
    )


def look(levels: list[float], i: int) -> dict[str, Any]:
    """Name and colour of a separation."""
    return dict(name=f"{levels[i]:g}", colour=level(i, of=len(levels)))


def plane(ds: xr.Dataset, levels: list[float]) -> Panel:
    """What is drawn for the unseen combination, step by step."""
    marks: list[Mark] = []
    for i in sorted({0, len(levels) // 2, len(levels) - 1}):
        way = narrow(ds, dict(colour_signal=levels[i])).z.sel(combination=UNSEEN).mean("member")
        xy = way.transpose("step", "concept").values
        marks.append(Line(xy[:, 0], xy[:, 1], **look(levels, i)))
        found = sharpest_turn(xy)
        if np.isfinite(found.angle):
            at = xy[int(found.entry)]
            marks.append(Points([at[0]], [at[1]], symbol="cross", size=11.0, **look(levels, i)))
    marks.append(Points([0, 0, 1], [0, 1, 0], name="shown", colour="grey", size=10.0))
    marks.append(Points([1], [1], name="never shown", colour="accent", symbol="diamond", size=12.0))
    return Panel(
        "Drawn for a small blue disc",
        x=Axis("colour (red 0, blue 1)"),
        y=Axis("size (large 0, small 1)"),
        marks=marks,
    )


def times(ds: xr.Dataset) -> Panel:
    """When colour and size are learned."""
    marks: list[Mark] = []
    for concept in ("colour", "size"):
        time = learning_time(ds, concept)
        shown = by_signal(ds, time=time.where(np.isfinite(time))).time
        signal = np.exp(by_signal(ds, s=log_signal(ds, "colour")).s.mean("seed").values)
        marks += spread(shown.assign_coords(colour_signal=signal), name=f"{concept} learned")
    size = float(np.exp(log_signal(ds, "size")).mean())
    return Panel(
        "When each concept is learned",
        x=Axis("signal of colour, change of the picture", log=True),
        y=Axis("step", log=True),
        marks=[*marks, Rule(x=size, label="signal of size")],
    )


def shares(ds: xr.Dataset, levels: list[float]) -> Panel:
    """Small blue discs that are right, plainly asked for and by other means."""
    marks: list[Mark] = []
    for i in range(len(levels))[-3::2]:
        here = narrow(ds, dict(colour_signal=levels[i]))
        lines: tuple[tuple[xr.DataArray, Dash], ...] = (
            (naive(here), "solid"),
            (by_means(here, "prompts"), "dash"),
            (by_means(here, "vector"), "dot"),
        )
        for share, dash in lines:
            marks.append(Line(ds.step.values, share.mean("member").values, dash=dash, **look(levels, i)))
    return Panel(
        "Share that is right",
        x=Axis("step", log=True),
        y=Axis("share of small blue discs", limits=(-0.02, 1.02)),
        marks=marks,
    )


def signal_claims() -> list[Claim]:
    """The stronger signal is learned first."""
    crossing = Control(
        "both are learned at one time where their signals are alike, within a factor of 2.5 (ln)",
        crossing_signals,
        where=PLAIN,
        between=(-float(np.log(2.5)), float(np.log(2.5))),
    )
    weak, strong = min(SIGNALS), max(SIGNALS)
    return [
        Claim(
            "signal-speed",
            "the time to learn colour falls as a power of its signal (slope of the logarithms)",
            partial(slope, concept="colour"),
            where=PLAIN,
            between=(-2.5, -0.5),
            control=Control(
                "size is not learned faster, beyond what its own signal gains",
                partial(slope_beyond_signal, concept="size"),
                above=-0.3,
            ),
        ),
        Claim(
            "strong-colour-first",
            "where colours are far apart, colour is learned before size (ln of the ratio)",
            lateness,
            where={**PLAIN, "colour_signal": strong},
            below=0.0,
            control=crossing,
        ),
        Claim(
            "weak-colour-last",
            "where they are close, it is learned after size (ln of the ratio)",
            lateness,
            where={**PLAIN, "colour_signal": weak},
            above=0.0,
            control=crossing,
        ),
        Claim(
            "order-flips",
            "and both in every seed",
            flips,
            where=PLAIN,
            above=0.5,
            decides="every",
            control=crossing,
        ),
    ]


def turn_claims() -> list[Claim]:
    """The way turns."""
    ends = (min(SIGNALS), max(SIGNALS))
    return [
        Claim(
            "turns",
            "the way to the unseen combination turns by over 45 degrees where one signal is much the stronger",
            least_angle,
            where={**PLAIN, "colour_signal": ends},
            above=45.0,
        ),
        Claim(
            "turns-by-order",
            "and more sharply than where both concepts come at one time (degrees, by seed)",
            sharper_than_balanced,
            where=PLAIN,
            above=0.0,
        ),
        Claim(
            "turn-is-capability",
            "the turn is where the best prompt begins to draw the unseen combination, within a factor of two",
            turn_and_capability,
            where=PLAIN,
            below=float(np.log(2.0)),
            decides="median",
            unit="members",
            gate=Gate("six members or more have both", turns_with_capability, above=5.5),
        ),
    ]


def capability_claims() -> list[Claim]:
    """The hidden capability."""
    strong = {**PLAIN, "colour_signal": STRONG}
    enough = "half of the members or more draw it both ways"
    return [
        Claim(
            "hidden-capability",
            "prompts that tell colour more or less strongly draw the unseen combination before the plain one (ln)",
            hidden,
            where=strong,
            above=0.1,
            gate=Gate(enough, pairs, above=0.49),
            control=Control("prompts as far off in random directions gain less than a tenth", random_gain, below=0.1),
        ),
        Claim(
            "hidden-capability-within",
            "hidden units pushed along what blue changes draw it before the plain prompt (ln of the ratio of times)",
            partial(hidden, means="vector"),
            where=strong,
            above=0.1,
            gate=Gate(enough, partial(pairs, means="vector"), above=0.49),
            control=Control(
                "pushes as long in a random direction gain less than a tenth",
                partial(random_gain, means="vector"),
                below=0.1,
            ),
        ),
        Claim(
            "not-before-the-turn",
            "before the turn the best prompt draws less than a fifth right",
            before_the_turn,
            where=strong,
            below=0.2,
        ),
        *(
            Claim(
                f"not-{name}without-small-discs",
                f"networks that saw large discs only never draw a fifth right, {how}",
                partial(best, means=means),
                of="large_only",
                below=0.2,
                control=Control("those that saw small blue discs do", of="all_four", above=0.5),
            )
            for name, how, means in (("", "by any of the prompts", "prompts"), ("within-", "by any push", "vector"))
        ),
        Claim(
            "not-when-shown",
            "where small blue discs are shown, plain prompts work as soon as others, within one measurement",
            measurements_apart,
            of="all_four",
            below=1.5,
        ),
    ]


def masking_claims() -> list[Claim]:
    """Untold colours hide a capability."""
    how: dict[str, Any] = dict(
        where=dict(masked=(0.0, 0.6), size_signal=0.4, colour_signal=STRONG),
        scales=("gpu",),
    )
    return [
        Claim(
            "masking-delays",
            "untold colours delay the plain prompt by half as long again (ln)",
            partial(masking_delays, plainly=True),
            above=float(np.log(1.5)),
            **how,
        ),
        Claim(
            "masking-hides",
            "and more than they delay the best prompt (ln)",
            partial(masking_delays, plainly=False),
            above=0.0,
            **how,
        ),
    ]


study = Study(
    family="generative-models",
    paper=Paper(
        "Emergence of hidden capabilities: Exploring learning dynamics in concept space",
        "Park, Okawa et al.",
        2024,
        arxiv="2406.19370",
    ),
    scales=dict(
        smoke=experiments(
            signals=(0.45, 0.8), pixels=6, hidden=16, steps=30, checkpoints=6, samples=4, flow_steps=2, seeds_=2
        ),
        desk=experiments(),
        gpu=experiments(
            signals=(*SIGNALS[:3], 0.37, 0.45, 0.52, 0.6, 0.8),
            sizes=(0.2, 0.4),
            masked=(0.0, 0.3, 0.6),
            pixels=32,
            hidden=1_024,
            steps=20_000,
            checkpoints=60,
            seeds_=5,
        ),
    ),
    claims=[*signal_claims(), *turn_claims(), *capability_claims(), *masking_claims()],
    figures=[space_figure],
    differs=[
        "A fully connected network with gates, in place of a U-Net, on pictures of 12 x 12 in place of 32 x 32.",
        "Flow matching that predicts the data, with 16 Euler steps, in place of a variational diffusion model with a "
        "learned schedule.",
        "Fresh pictures at every update in place of 2,048 a combination; 1,600 updates in place of 20,000.",
        "Radii vary by 0.08 in place of 0.15, and the background is always light.",
        "Concepts are read off exactly in place of by a trained classifier; too much of a colour is wrong, and so is "
        "colour around a small disc.",
        "Discs are read against the background that was drawn, which is a change after a first registered run: against "
        "that of the data the area of a small disc swung with its background by a factor of two, every 6 to 8 updates, "
        "and random prompts gained three times as much over the plain one.",
        "An untold colour is 0 after centring, the grey, in place of 0 before.",
        "Prompts tell the colour less strongly as well as more: networks here draw too much of it.",
        "Hidden units are pushed under the condition of the small red disc; embeddings of a later checkpoint are not "
        "put into earlier ones.",
        "One scale of initial weights and one weight decay.",
        "Six seeds, and networks for controls only where colours are farthest apart: four seeds, with controls at two "
        "separations, left four claims open. Half of the pairs have to be complete, as six of twelve were.",
        "After looking at trial networks, size was asked not to be learned faster beyond what its own signal gains, "
        "and the claims about pushes of hidden units were added, with the thresholds of those about prompts.",
    ],
)
