"""In generated text a few single tokens decide the outcome, and resampling at every token finds them.

Transformers learn stories whose outcome, one of four, is open until one word decides it: a fork word, or in some places
a full stop that is filler elsewhere. Others learn stories in which every word leans a little towards the outcome. What
either has learned is then asked of the network alone, as of a black box: at every word of a held-out story each likely
token is written in its place, the story told to its end many times, and its outcomes counted. The mixture over tokens
is the outcome distribution at that word, and here the exact one is known too.

What you see: the outcome distribution along a story that forks and along one that drifts, with the words below; beneath
it where the distance from the start changes its level, and the probability of having met no token that would have
changed the outcome by more than a threshold. Then the largest step that the distribution makes at a single word.

Resampling sees what the uncertainty before the story cannot: it is the same for both kinds of stories. What it sees
depends on two choices. Tokens less likely than the threshold are never written: with 0.05, no fork word to a rare
outcome is. And a change of the outcome is a distance between two counts of a few dozen: small thresholds measure noise.
A model of level changes calls smooth drift a change as well, so its evidence is compared with constant stories only.

What we see at desk scale: all of it. The resampled outcome distribution is 0.07 off the exact one in L1; the words
with the largest steps are the forks in every story of every network; the hazard until the fork is 0.115 where 0.12 is
true, and 0.009 with the rarer tokens left out. Of stories that never fork 7 % show more of a change than noise does,
where 5 % are expected. The outcome before the first word is as unsure as it should be, in both kinds of stories.

To vary it: `--set fork=0.06,0.24` takes other rates of forking. Story, network, and the sizes of the resampling are
arguments of `experiment` in this file.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import entropy

from ontogeny import Claim, Control, Paper, Study, Training, factor, seeds, vary
from ontogeny.claims import Statistic
from ontogeny.measures import fork_statistics
from ontogeny.measures.final_outcome import FinalOutcome
from ontogeny.measures.forking_paths import ForkingPaths
from ontogeny.measures.stop_effect import StopEffect
from ontogeny.models.transformer import Transformer
from ontogeny.report.areas import stacked
from ontogeny.report.figure import Axis, Figure, Line, Mark, Panel, Rule, level
from ontogeny.tasks.drifting_story import DriftingStory
from ontogeny.tasks.forking_story import TELLING, ForkingStory
from ontogeny.tasks.story import OUTCOMES, Story, outcome_weights
from ontogeny.training.optimizers import AdamW
from ontogeny.training.schedules import Cosine
from ontogeny.training.steps import At

RATE = 0.12  # of forking, at every undecided word
LEAST, PAPERS_LEAST = 0.005, 0.05  # probability of a token that is written
LEAP = 0.4  # L2, between the noise of a step and the smallest fork
EPS = 0.5  # L2 between two alternates' outcomes, beyond their noise at 40 samples
OPEN = float(entropy(outcome_weights()))  # nats, of the outcome before any word: 1.294
FORK, DRIFT = "fork", "drift"


def experiment(
    *,
    rates: tuple[float, ...] = (RATE,),
    layers: int = 2,
    width: int = 64,
    heads: int = 2,
    batch: int = 64,
    steps: int = 1_000,
    paths: int = 24,
    steady: int = 48,
    samples: int = 40,
    early: int = 2,
    prefixes: int = 12,
    stop_samples: int = 60,
    whole: int = 400,
    fresh: int = 1_600,
    seeds_: int = 4,
    **shape: int,
) -> dict[str, Training]:
    """Transformers that learn stories, which fork or drift, and are resampled at every word in the end."""
    final = FinalOutcome(samples=whole)
    shared = ForkingPaths(
        paths=paths, steady=steady, samples=samples, fresh=fresh, least=(LEAST, PAPERS_LEAST), since=steps, early=early
    )
    stop = StopEffect(prefixes=prefixes, samples=stop_samples, since=steps)

    def training(task: Story, factors: Any, *measures: Any) -> Training:
        return Training(
            factors=factors,
            task=task,
            model=Transformer(layers=layers, width=width, heads=heads),
            optimizer=AdamW(
                lr=2e-3, betas=(0.9, 0.98), weight_decay=0.01, schedule=Cosine(updates=steps, warmup=50.0, floor=0.01)
            ),
            batch=batch,
            steps=steps,
            measures=(final, shared, *measures),
            at=At(steps=(0,)),
        )

    return {
        FORK: training(ForkingStory(fork=factor("fork"), **shape), vary(fork=rates) * seeds(seeds_), stop),
        DRIFT: training(DriftingStory(**shape), seeds(seeds_)),
    }


def last(ds: xr.Dataset) -> xr.Dataset:
    """What was measured after training."""
    return ds.isel(step=-1, drop=True)


def trained(statistic: Callable[..., xr.DataArray], **settings: Any) -> Statistic:
    """A statistic of what was measured after training."""
    return lambda ds: statistic(last(ds), **settings)


def untrained(statistic: Statistic) -> Statistic:
    """A statistic of what was measured before it, of the few stories that were resampled then."""
    return lambda ds: statistic(ds.isel(step=0, drop=True))


def final_correlation(now: xr.Dataset) -> xr.DataArray:
    """Correlation with the exact outcome law of whole stories."""
    return now.final_correlation


def final_correlation_size(now: xr.Dataset) -> xr.DataArray:
    """The same without its sign."""
    return abs(now.final_correlation)


def leap_when_forked(now: xr.Dataset) -> xr.DataArray:
    """Share of forked stories with a step of more than 0.4 at a word."""
    return fork_statistics.share(fork_statistics.steps(now).max("word") > LEAP, now.fork_at > 0)


def leap_at_all(now: xr.Dataset) -> xr.DataArray:
    """Share of all stories with such a step."""
    return (fork_statistics.steps(now).max("word") > LEAP).mean("path")


def start_entropy(now: xr.Dataset) -> xr.DataArray:
    """Entropy in nats of the outcome before any word."""
    p = now.start_outcome.transpose("member", "outcome")
    return xr.DataArray(entropy(p.values, axis=1), dims="member")


def survival_to_the_end(now: xr.Dataset) -> xr.DataArray:
    """Probability of no token in a story that would change its outcome by more than 0.5, mean over stories."""
    return fork_statistics.survival(now).sel(eps=EPS, drop=True).isel(word=-1, drop=True).mean("path")


def stops_that_decide(now: xr.Dataset) -> xr.DataArray:
    """Share of full stops that move the outcome by over 0.4 where they decide, less that where they are filler."""
    moved = (now.stop_distance > LEAP).mean("prefix_number")
    return moved.where(moved.after.isin(TELLING)).mean("after") - fillers_that_decide(now)


def fillers_that_decide(now: xr.Dataset) -> xr.DataArray:
    """The share of them that do where they are filler."""
    moved = (now.stop_distance > LEAP).mean("prefix_number")
    return moved.where(~moved.after.isin(TELLING)).mean("after")


def story_figure(results: dict[str, xr.Dataset]) -> Figure:
    """A forking and a drifting story, word by word."""
    titles = {FORK: "A story that forks", DRIFT: "A story that drifts"}
    rows: list[list[Panel]] = [[], [], []]
    for name, title in titles.items():
        ds, task = results[name], (ForkingStory() if name == FORK else DriftingStory())
        ds = ds.isel(member=[0])
        fork = last(ds).fork_at.values[0]
        # The first story that forks halfway, or nearly so.
        path = int(np.argmin(np.where(fork > 0, abs(fork - ds.sizes["word"] / 2), np.inf))) if fork.any() else 0
        for row, panel in zip(rows, _story_panels(ds, path, title, _spelled(ds, task, path)), strict=True):
            row.append(panel)
    return Figure(
        "One word decides the outcome of a forking story; a drifting one never turns",
        [panel for row in rows for panel in row],
        columns=2,
        caption="Held-out stories read by the first trained network, resampled at each of their words. Top: outcome "
        "distribution after each word. Middle: probability that the distance from the start changes its level at a "
        "word. Bottom: probability that no token so far would have changed the outcome by more than eps. Dashed: the "
        "word that decides.",
    )


def _spelled(ds: xr.Dataset, task: Story, path: int) -> dict[float, str]:
    """Words as ticks, every other one where there are many, the deciding one among them."""
    words, fork = (last(ds)[name].values[0, path].astype(int).tolist() for name in ("words", "fork_at"))
    every = 1 if len(words) <= 8 else 2 if len(words) <= 16 else 8
    # Long stories have larger rings, and so other tokens: of them the places alone are written.
    known = len(words) <= task.length
    shown = [i for i in range(1, len(words) + 1) if (i - fork) % every == 0]
    return {float(i): task.spell(words[i - 1]) if known else str(i) for i in shown}


def _story_panels(ds: xr.Dataset, path: int, title: str, ticks: dict[float, str]) -> list[Panel]:
    now, last_word = last(ds), ds.sizes["word"]
    law = fork_statistics.outcome(now).isel(member=0, path=path).transpose("prefix", "outcome")
    at = int(now.fork_at.values[0, path])
    rule: list[Mark] = [Rule(x=at)] if at else []
    areas = stacked(law.prefix.values, law.values, [f"outcome {name}" for name in OUTCOMES])
    believed = fork_statistics.changes(now).place[0, path]
    words = now.word.values
    steps: list[Mark] = [Line(words, believed, name="change here", colour="ink")]
    alive = fork_statistics.survival(now).isel(member=0, path=path)
    eps = alive.eps.values.tolist()
    lines: list[Mark] = [
        Line(words, alive.sel(eps=e).values, name=f"eps {e:g}", colour=level(i, of=len(eps))) for i, e in enumerate(eps)
    ]
    x = Axis("word", ticks=ticks, limits=(0, last_word))
    return [
        Panel(title, x=x, y=Axis("probability", limits=(0.0, 1.0)), marks=[*areas, *rule]),
        Panel("", x=x, y=Axis("change of level", "probability", limits=(0.0, 1.05)), marks=[*rule, *steps]),
        Panel("", x=x, y=Axis("survival", "probability", limits=(0.0, 1.05)), marks=[*rule, *lines]),
    ]


def leap_figure(results: dict[str, xr.Dataset]) -> Figure:
    """How large the largest step of a story is, over all stories."""
    marks: list[Mark] = []
    for name, ds in results.items():
        largest = fork_statistics.steps(last(ds)).max("word")
        forked = (last(ds).fork_at > 0).transpose("member", "path").values
        kinds = {"forked": forked, "undecided to the end": ~forked} if name == FORK else {"drifting": ~forked}
        for kind, which in kinds.items():
            sizes = np.sort(largest.transpose("member", "path").values[which])
            if len(sizes):
                marks.append(Line([*sizes, sizes[-1]], np.linspace(1.0, 0.0, len(sizes) + 1), name=kind))
    panel = Panel(
        x=Axis("largest step at a word", "L2"),
        y=Axis("share of stories with as large a step", limits=(0.0, 1.02)),
        marks=[*marks, Rule(x=LEAP, dash="dot")],
    )
    return Figure(
        "Where a story forks, a single word moves the outcome by more than any word of a drifting story",
        [panel],
        caption="All held-out stories of all seeds. Dotted: the step of 0.4 that the claim is made at.",
    )


SMALL: dict[str, Any] = dict(
    layers=1, width=8, heads=2, batch=8, steps=10, paths=3, steady=2, samples=4, early=1, prefixes=2, stop_samples=4,
    whole=16, fresh=50, seeds_=2, length=5,
)  # fmt: skip
LARGE: dict[str, Any] = dict(
    rates=(0.06, RATE, 0.24), layers=4, width=256, heads=4, batch=128, steps=10_000, paths=100, steady=50, samples=100,
    prefixes=12, stop_samples=200, whole=2_000, fresh=4_000, seeds_=5, length=32, undecided=8, basin=8,
)  # fmt: skip
WHERE = {"fork": RATE}
ELSEWHERE: dict[str, Any] = dict(of=DRIFT, where={})

study = Study(
    paper=Paper(
        "Forking Paths in Neural Text Generation",
        "Bigelow, Holtzman, Tanaka & Ullman",
        2024,
        arxiv="2412.07961",
    ),
    family="uncertainty-and-reliability",
    differs=[
        "Transformers trained on stories whose exact outcome law is known; the paper resamples GPT-3.5 on seven tasks.",
        "Base paths are held-out stories, not greedy ones, which may never fork; outcomes are read at a fixed place.",
        "Of the 8 likeliest tokens (17 at the first word) those of probability 0.005 or more are written, 40 times; "
        "the paper samples 30 times, and its threshold of 0.05 would drop most forks, which is one of the claims.",
        "The change-point model tries all sets of up to 3 changes of level with Schwarz's criterion in place of BEAST, "
        "and a detection is evidence beyond that of 400 constant series.",
        "Distances in L2. No second model reads the outcome, and answer-token probability and stated confidence are "
        "not compared with.",
        "The threshold of rare-tokens, half the rate, was set after a look at two trial networks.",
    ],
    scales=dict(smoke=experiment(**SMALL), desk=experiment(), gpu=experiment(**LARGE)),
    claims=[
        Claim(
            "outcome-distribution",
            "resampling gives the exact outcome distribution at every word, to 0.15 in L1",
            trained(fork_statistics.error),
            WHERE,
            of=FORK,
            below=0.15,
            control=Control("before training it is off by over 0.5", untrained(fork_statistics.error), above=0.5),
        ),
        Claim(
            "drift-learned",
            "networks learn where a story drifts: correlation with the exact law over 0.7, on average",
            trained(final_correlation),
            {},
            of=DRIFT,
            above=0.7,
            decides="mean",
            control=Control("before training it is under 0.3", untrained(final_correlation_size), below=0.3),
        ),
        Claim(
            "forks-found",
            "the words with the largest steps are the forks (AUROC over 0.95)",
            trained(fork_statistics.fork_auroc),
            WHERE,
            of=FORK,
            above=0.95,
            control=Control(
                "not those of other stories", trained(fork_statistics.fork_auroc_elsewhere), between=(0.4, 0.65)
            ),
        ),
        Claim(
            "change-at-the-fork",
            "in over 0.85 of stories a single change of level is put within a word of the fork",
            trained(fork_statistics.share_placed),
            WHERE,
            of=FORK,
            above=0.85,
            # By chance two forks are within a word of each other in 0.18 of the pairs.
            control=Control(
                "of another story's fork in under half", trained(fork_statistics.share_placed, shift=1), below=0.5
            ),
        ),
        Claim(
            "one-word-decides",
            "over 0.9 of forked stories take a step of over 0.4 at a single word",
            trained(leap_when_forked),
            WHERE,
            of=FORK,
            above=0.9,
            control=Control("under 0.1 of drifting stories do", trained(leap_at_all), below=0.1, **ELSEWHERE),
        ),
        Claim(
            "change-detected",
            "over 0.9 of forked stories show more evidence of a change than noise does",
            trained(fork_statistics.share_detected),
            WHERE,
            of=FORK,
            above=0.9,
            control=Control(
                "under 0.1 of those that never fork do", trained(fork_statistics.share_of_steady_detected), below=0.1
            ),
        ),
        Claim(
            "uncertainty-misses-it",
            "before the first word the outcome is as uncertain as it should be, to 0.05 nats, on average",
            trained(start_entropy),
            WHERE,
            of=FORK,
            between=(OPEN - 0.05, OPEN + 0.05),
            decides="mean",
            control=Control(
                "in stories that drift just as much",
                trained(start_entropy),
                between=(OPEN - 0.05, OPEN + 0.05),
                **ELSEWHERE,
            ),
        ),
        Claim(
            "hazard",
            "until the fork the hazard is the rate of forking, 0.12, to a fifth",
            trained(fork_statistics.mean_hazard, eps=EPS, after=False),
            WHERE,
            of=FORK,
            between=(0.8 * RATE, 1.2 * RATE),
            control=Control(
                "after it the hazard is under 0.02",
                trained(fork_statistics.mean_hazard, eps=EPS, after=True),
                below=0.02,
            ),
        ),
        Claim(
            "drift-survives",
            "a drifting story meets no token that would change its outcome: survival over 0.9",
            trained(survival_to_the_end),
            {},
            of=DRIFT,
            above=0.9,
            control=Control("a forking one does", trained(survival_to_the_end), WHERE, of=FORK, below=0.5),
        ),
        Claim(
            "rare-tokens",
            # Forks to B, C and D, six in ten, are far rarer; of those to A, 0.048, a network may make a little more.
            "tokens of probability 0.05 or more alone show less than half the rate of forking: a hazard under 0.06",
            trained(fork_statistics.mean_hazard, eps=EPS, after=False, least=1),
            WHERE,
            of=FORK,
            below=0.5 * RATE,
            control=Control(
                "with those of 0.005 or more it is over that",
                trained(fork_statistics.mean_hazard, eps=EPS, after=False),
                above=0.5 * RATE,
            ),
        ),
        Claim(
            "full-stops",
            "a full stop moves the outcome where it decides, not where it is filler: shares apart by over 0.7",
            trained(stops_that_decide),
            WHERE,
            of=FORK,
            above=0.7,
            control=Control("as filler under 0.2 of them do", trained(fillers_that_decide), below=0.2),
        ),
    ],
    figures=[story_figure, leap_figure],
)
