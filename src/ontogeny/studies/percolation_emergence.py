"""On a formal language, skills appear suddenly and several at once, when a network has learned the structure that they
need; that percolation says when is asked as well.

Sentences have a grammar, and types: there are two classes of things, each with its own values, and an entity is only
ever said to have values of its class. But only a quarter of these pairs is ever told. A network that has learned what
belongs together expects the untold values of the class too, over those of the other class: that is generalisation over
pairs, and it is told apart from memory by asking whether told values are expected over untold ones.

The paper reads the moment as percolation: the told pairs are the edges of a bipartite graph, and with K values for each
of E entities a giant component, through which any two entities hang together, appears at about sqrt(E K) edges. So the
time should grow as the square root of K. Beside the networks' exponent stand that of a simulated graph and the number
of pairs that a network has read when it generalises, over the threshold: only about 1 would support that reading.

What to look at: for each number of values, the skills against time: sentences become grammatical, then their types are
right and pairs generalise at once, and later words can be put in order. Then generalisation over pairs against the step
and against the step over sqrt(K), and the simulated percolation.

What we see at desk scale: pairs generalise suddenly, together with types, after grammar and before words are put in
order, while the loss falls smoothly. The exponent is 0.31, from 0.22 to 0.41: below the 1/2 of percolation, and over
four seeds not clear of the lower bound of 0.25.

With 32 values a class, told pairs are learned by heart as well by the end, long after untold ones were generalised to:
`not-memory`, which looks at the end, is not reproduced. Memory follows how often a pair has been read. At 12 times it
is 0.62 with 32 values (update 330) and 0.63 with 96 (update 1,000), at 5 times 0.57 with 256; but 32 values are trained
for 1,500 updates, by when a pair has been read 56 times. There memory is 0.60 when pairs generalise, passes 0.75
between updates 600 and 820, and ends at 0.92. The bound comes from a trial of 1,000 updates, after which memory was
0.59 and 0.66 there and is 0.84 here. How fast it comes depends on how weights start: from embeddings of N(0, 1), ten
times as long, two seeds had 0.76 and 0.70 by then, and generalised to pairs after some 400 updates instead of 230.

To vary it: `--seeds 8`, or `experiment(...)` below with other numbers of entities, values, or shares of told pairs.
Three controls run beside: words in random order, values that know no class, and a vocabulary that is larger by words
that never occur.
"""

import functools
from typing import Any

import numpy as np
import torch
import xarray as xr

from ontogeny import Claim, Control, Paper, Study, Training, Trial, factor, seeds, vary, zipped
from ontogeny.claims import Statistic, narrow
from ontogeny.experiment import Experiment
from ontogeny.factors import Table
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Measure
from ontogeny.measures.language_skills import (
    FreeSentences,
    FreeUnscrambling,
    PairGeneralisation,
    SentenceLoss,
    Unscrambling,
)
from ontogeny.measures.skill_times import by_seed, curve, exponent_by_seed, last, rise_between, time_to
from ontogeny.models.transformer import Transformer
from ontogeny.report.figure import Axis, Band, Figure, Line, Panel, Points, Rule, category, level
from ontogeny.streams import Streams
from ontogeny.tasks.bipartite_percolation import expected_half_point, half_point, percolate
from ontogeny.tasks.typed_language import CLASSES, VALUE, TypedLanguage, forms
from ontogeny.training.optimizers import AdamW
from ontogeny.training.schedules import Warmup
from ontogeny.training.steps import At

LEVELS = dict(grammar=0.5, types=0.67, pairs=0.75, unscrambled=0.2)  # at which a skill counts as there
LOW, HIGH = 0.55, 0.95  # a tenth and nine tenths of the way from chance to certainty
PLAIN = dict(ordered=True, typed=True, unused=0)
FIRST = 40  # step of the first measurement
SKILLS: tuple[Measure, ...] = (FreeSentences(), PairGeneralisation(), Unscrambling(), SentenceLoss())


def measured(*ends: int, count: int = 25) -> At:
    """About `count` steps from 40 to the last end with equal ratios between them, and all the ends."""
    spaced = np.geomspace(FIRST, max(ends), count).round().astype(int).tolist()
    return At(steps=tuple(sorted({*spaced, *ends})))


def conditions(updates: dict[int, int], control: int) -> Table:
    """How long each number of values is trained, and the three controls with the fewest values.

    As many tokens are unused in the last of them as the most values have more than the fewest.
    """
    values, lasts = list(updates), list(updates.values())
    same = {name: [level] * len(values) for name, level in PLAIN.items()}
    plain = zipped(values=values, updates=lasts, **same)
    unused = [0, 0, CLASSES * (max(values) - min(values))]
    controls = zipped(
        values=[min(values)] * 3,
        updates=[control] * 3,
        ordered=[False, True, True],
        typed=[True, False, True],
        unused=unused,
    )
    return plain + controls


def experiment(
    *,
    updates: dict[int, int],
    control: int = 700,
    entities: int = 32,
    share: float = 0.25,
    width: int = 64,
    lr: float = 2e-3,
    batch: int = 32,
    at: At | None = None,
    measures: tuple[Measure, ...] = SKILLS,
    seeds_: int = 4,
) -> Training:
    """Transformers that learn the language: `updates` says for how long, by number of values."""
    return Training(
        factors=conditions(updates, control) * vary(entities=(entities,), batch=(batch,)) * seeds(seeds_),
        task=TypedLanguage(
            entities=factor("entities"),
            values=factor("values"),
            share=share,
            ordered=factor("ordered"),
            typed=factor("typed"),
            unused=factor("unused"),
        ),
        model=Transformer(layers=2, width=width, heads=2),
        optimizer=AdamW(lr=lr, betas=(0.9, 0.95), weight_decay=1e-4, clip=1.0, schedule=Warmup(updates=50)),
        batch=factor("batch"),
        steps=factor("updates"),
        measures=measures,
        at=at or measured(*updates.values(), control),
    )


def simulate(streams: Streams, entities: int, values: int, draws: int) -> dict[str, Labelled]:
    """Half points of `draws` random graphs, and of the limit, in pairs drawn."""
    found = half_point(percolate(streams, entities, values, draws)), expected_half_point(entities, values)
    own, limit = (Labelled(torch.tensor([n], dtype=torch.float64), ("member",), unit="pairs") for n in found)
    return {"half_point": own, "expected": limit}


def plain(ds: xr.Dataset) -> xr.Dataset:
    """The networks without any control."""
    return narrow(ds, PLAIN)


def there(ds: xr.Dataset, skill: str) -> xr.DataArray:
    """The step at which a skill is there; infinite if it never is."""
    return time_to(ds, skill, LEVELS[skill])


def log(values: xr.DataArray) -> xr.DataArray:
    """Natural logarithm."""
    return values.copy(data=np.log(values.values))


def in_order(ds: xr.Dataset) -> xr.DataArray:
    """Whether grammar comes before types and types before unscrambling (1 or 0), a value a network."""
    ds = plain(ds)
    grammar, types, words = (there(ds, skill) for skill in ("grammar", "types", "unscrambled"))
    return ((grammar < types) & (types < words)).astype(float)


def delay_of_types(ds: xr.Dataset) -> xr.DataArray:
    """ln(t_types / t_grammar), mean over numbers of values, by seed; NaN where either never comes."""
    ds = plain(ds)
    ratio = there(ds, "types") / there(ds, "grammar")
    return by_seed(ds, log(ratio.where(np.isfinite(ratio))))


def most_grammar(ds: xr.Dataset) -> xr.DataArray:
    """The greatest share of grammatical sentences at any time."""
    return ds.grammar.max("step")


def last_unscrambled(ds: xr.Dataset) -> xr.DataArray:
    """Share of sentences put in order at the end."""
    return last(ds, "unscrambled")


def window(ds: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """The steps at which generalisation over pairs has made a tenth and nine tenths of its way."""
    return time_to(ds, "pairs", LOW), time_to(ds, "pairs", HIGH)


def sudden(ds: xr.Dataset) -> xr.DataArray:
    """Whether generalisation over pairs makes its way within a factor of two in time (1 or 0), a value a network."""
    begins, ends = window(plain(ds))
    return (ends < 2 * begins).astype(float)


def together(ds: xr.Dataset) -> xr.DataArray:
    """Whether types and pairs come within a factor exp(0.4) of each other in time (1 or 0), a value a network."""
    ds = plain(ds)
    types, pairs = there(ds, "types"), there(ds, "pairs")
    both = np.isfinite(types) & np.isfinite(pairs)
    near = abs(log(types.where(both, 1.0) / pairs.where(both, 1.0))) < 0.4
    return near.where(both, False).astype(float)


def change_in_window(ds: xr.Dataset, name: str) -> xr.DataArray:
    """How much a curve rises while generalisation over pairs makes its way; NaN where that never ends."""
    return rise_between(ds, name, *window(ds))


def share_of_loss(ds: xr.Dataset) -> xr.DataArray:
    """Share of the whole fall of the sentence loss that falls into the window of pairs, mean over values, by seed."""
    ds = plain(ds)
    first = ds.free_loss.isel(step=int(np.flatnonzero(ds.step.values > 0)[0]))
    return by_seed(ds, -change_in_window(ds, "free_loss") / (first - last(ds, "free_loss")).values)


def memory_in_window(ds: xr.Dataset) -> xr.DataArray:
    """Rise of the memory of pairs while generalisation makes its way, mean over values, by seed."""
    ds = plain(ds)
    return by_seed(ds, change_in_window(ds, "memory"))


def last_pairs(ds: xr.Dataset) -> xr.DataArray:
    """Generalisation over pairs at the end."""
    return last(ds, "pairs")


def least_pairs(ds: xr.Dataset) -> xr.DataArray:
    """Generalisation at the end where it is least of the numbers of values, by seed."""
    return by_seed(plain(ds), last_pairs(plain(ds)), "min")


def most_memory(ds: xr.Dataset) -> xr.DataArray:
    """Memory of pairs at the end where it is most of the numbers of values, by seed."""
    return by_seed(plain(ds), last(plain(ds), "memory"), "max")


def exponent(ds: xr.Dataset) -> xr.DataArray:
    """Slope of ln(time of pairs) on ln(number of values), by seed; NaN where one never comes."""
    ds = plain(ds)
    return exponent_by_seed(ds, there(ds, "pairs"), "values")


def delay_by_vocabulary(ds: xr.Dataset) -> xr.DataArray:
    """|ln| of the ratio of the times of pairs with and without words that never occur, by seed."""
    few = int(ds["values"].values.min())
    with_, without = (narrow(ds, PLAIN | dict(values=few, unused=n)) for n in (int(ds.unused.max()), 0))
    assert with_.seed.values.tolist() == without.seed.values.tolist()
    return abs(log(there(with_, "pairs") / there(without, "pairs").values))


def excess_exponent(ds: xr.Dataset) -> xr.DataArray:
    """Exponent of the simulated half points less that of the limit, by seed, with the most entities."""
    ds = ds.isel(member=ds.entities.values == ds.entities.values.max())
    return exponent_by_seed(ds, ds.half_point, "values") - exponent_by_seed(ds, ds.expected, "values")


def unscrambling_later(ds: xr.Dataset) -> xr.DataArray:
    """Whether pairs are there before words can be put in order (1 or 0), a value a network."""
    ds = plain(ds)
    return (there(ds, "pairs") < there(ds, "unscrambled")).astype(float)


def pairs_read(step: float, batch: int) -> float:
    """Pairs of one class that a network has read by a step: one a value told, in sentences of either kind."""
    each = sum(form.probability * form.slots.count(VALUE) for form in forms())
    return step * batch * each / 2


def skills_figure(results: dict[str, xr.Dataset]) -> Figure:
    """The skills against the step, a panel a number of values, and the loss that shows none of them."""
    ds = plain(results["main"])
    names = dict(
        grammar="grammatical sentences", types="right types", pairs="unseen pairs (AUROC)",
        memory="memory of pairs (AUROC)", unscrambled="words in order",
    )  # fmt: skip
    panels = []
    for k in dict.fromkeys(ds["values"].values.tolist()):
        here, marks = narrow(ds, dict(values=k)), []
        here = here.isel(step=(here.step.values > 0) & np.isfinite(here.grammar.values).any(0))
        for i, (skill, name) in enumerate(names.items()):
            values = here[skill].transpose("member", "step")
            known = np.isfinite(values.values).any(0)
            x, y = values.step.values[known], values.values[:, known]
            colour = "grey" if skill == "memory" else category(i)
            marks += [
                Band(x, np.nanmin(y, 0), np.nanmax(y, 0), name=name, colour=colour),
                Line(x, np.nanmedian(y, 0), name=name, colour=colour),
            ]
        share = Axis("share", limits=(0.0, 1.02))
        panels.append(Panel(f"{k} values a class", x=Axis("step", log=True), y=share, marks=marks))
    return Figure(
        "Grammar first, then types and pairs at once, then words in order",
        panels,
        caption="Types are asked for among grammatical sentences. Unseen pairs: values of an entity's class that are "
        "never told of it are expected over those of the other class (0.5: by chance). Median over seeds, with their "
        "range.",
    )


def scaling_figure(results: dict[str, xr.Dataset]) -> Figure:
    """Unseen pairs against the step and the step over sqrt(K), and half points of networks and of random graphs."""
    ds = plain(results["main"])
    by_step, collapsed, points = [], [], []
    sizes = list(dict.fromkeys(ds["values"].values.tolist()))
    for i, k in enumerate(sizes):
        here = narrow(ds, dict(values=k))
        steps, rows = curve(here, "pairs")
        known = np.isfinite(rows).all(0)
        look: dict[str, Any] = dict(name=f"K = {k}", colour=level(i, of=len(sizes)))
        by_step.append(Line(steps[known], np.median(rows[:, known], 0), **look))
        collapsed.append(Line(steps[known] / np.sqrt(k), np.median(rows[:, known], 0), **look))
        points.append(there(here, "pairs").values)
    finite = [t[np.isfinite(t)] for t in points]
    shown = [(k, t) for k, t in zip(sizes, finite, strict=True) if len(t)]
    graphs = results["percolation"]
    graphs = graphs.isel(member=graphs.entities.values == graphs.entities.values.max())
    k_of = sorted(set(graphs["values"].values.tolist()))
    by_k = [narrow(graphs, dict(values=k)) for k in k_of]
    mean = {name: [float(d[name].mean()) for d in by_k] for name in ("half_point", "expected")}
    marks = [
        Line(k_of, mean["expected"], name="random graph, exact limit", colour="grey"),
        Points(k_of, mean["half_point"], name="random graph, simulated", colour=category(5)),
        Points(
            [k for k, _ in shown], [float(np.median(t)) for _, t in shown], low=[t.min() for _, t in shown],
            high=[t.max() for _, t in shown], name="networks, in steps", colour="accent", symbol="square",
        ),
    ]  # fmt: skip
    auc = Axis("unseen pairs (AUROC)")
    return Figure(
        "When pairs generalise, by the number of values",
        [
            Panel("By step", x=Axis("step", log=True), y=auc, marks=[*by_step, Rule(y=LEVELS["pairs"])]),
            Panel("By step over sqrt(K)", x=Axis("step / sqrt(K)", log=True), y=auc, marks=collapsed),
            Panel("Half points", x=Axis("values K", log=True), y=Axis("steps, or pairs", log=True), marks=marks),
        ],
        legend="values a class",
        caption=scaling_words(ds, shown),
    )


def scaling_words(ds: xr.Dataset, shown: list[tuple[int, np.ndarray]]) -> str:
    """How many pairs the networks had read, over the threshold of percolation, in words."""
    entities, batch = int(ds.entities[0]), int(ds.batch[0])
    ratios = [pairs_read(float(np.median(t)), batch) / np.sqrt(entities * k) for k, t in shown]
    words = ", ".join(f"{r:.0f} (K = {k})" for (k, _), r in zip(shown, ratios, strict=True))
    read = (
        f"When pairs generalise, a network has read this many times sqrt(E K) pairs a class: {words}. " if words else ""
    )
    return f"Median over seeds. {read}If percolation set the time, it would be about 1 and the middle curves one."


def scale(
    training: Training, entities: tuple[int, ...], values: tuple[int, ...], draws: int, count: int
) -> dict[str, Experiment]:
    """Networks and random graphs."""
    table = vary(entities=entities, values=values) * seeds(count)
    return {
        "main": training,
        "percolation": Trial(factors=table, function=functools.partial(simulate, draws=draws)),
    }


def enough(name: str, says: str, statistic: Statistic, share: float, control: Control | None = None) -> Claim:
    """A claim about the share of networks in which something holds."""
    return Claim(name, says, statistic, above=share, decides="mean", unit="networks", control=control)


no_grammar = Control(
    "with words in random order sentences are never grammatical", most_grammar, dict(ordered=False), below=0.1
)
no_order = Control("with words in random order none is unscrambled", last_unscrambled, dict(ordered=False), below=0.02)
no_memory = Control("memory of the pairs rises by less than 0.1 meanwhile", memory_in_window, below=0.1)
no_types = Control(
    "where values know no class there is nothing to generalise", last_pairs, dict(typed=False), between=(0.45, 0.55)
)
no_vocabulary = Control(
    "words that never occur shift the time little", delay_by_vocabulary, below=round(0.15 * np.log(8), 3)
)

DESK = {32: 1_500, 96: 1_000, 256: 1_000}
GPU = {360: 20_000, 720: 20_000, 1_440: 20_000, 2_880: 20_000}
SMALL: tuple[Measure, ...] = (
    FreeSentences(samples=8), PairGeneralisation(), Unscrambling(samples=8), SentenceLoss(samples=8),
)  # fmt: skip

study = Study(
    paper=Paper(
        "A Percolation Model of Emergence: Analyzing Transformers Trained on a Formal Language",
        "Lubana et al.",
        2024,
        arxiv="2408.12578",
    ),
    family="language-structure",
    differs=[
        "Desk: 2 classes of 32 entities and 32, 96 or 256 values, width 64, 1,000 to 1,500 updates of 32 samples; the "
        "paper has 10 classes of 100 entities, 18,000 values, width 128 and 100,000 updates of 128. The gpu scale has "
        "100 entities, 360 to 2,880 values a class and 20,000 updates, with 2 classes too.",
        "A value is told of the last subject, and of a quarter of its class's pairs (the paper: a tenth): with fewer "
        "entities a tenth would leave values that are never told of anyone.",
        "No adjectives, one property, no conditional generation; entities may be subjects and objects; sentences have "
        "at most twelve words, two subjects, two phrases and two objects in each.",
        "Generalisation is how often an unseen value of the class is expected over one of the other class, not the "
        "share of unseen values among the most expected ones, whose chance grows with their number.",
        "Skills are there at fixed levels; a rise is from a tenth to nine tenths of the way from chance to certainty.",
    ],
    scales=dict(
        smoke=scale(
            experiment(
                updates={32: 4, 96: 4, 256: 4},
                control=4,
                entities=8,
                width=16,
                batch=4,
                at=At(steps=()),
                measures=SMALL,
                seeds_=2,
            ),
            entities=(8,),
            values=(32, 96, 256),
            draws=4,
            count=2,
        ),
        desk=scale(experiment(updates=DESK), entities=(16, 32), values=(32, 96, 256), draws=50, count=4),
        gpu=scale(
            experiment(
                updates=GPU,
                control=20_000,
                entities=100,
                width=128,
                lr=1e-3,
                batch=128,
                measures=(*SKILLS, FreeUnscrambling()),
                seeds_=5,
            ),
            entities=(100,),
            values=tuple(GPU),
            draws=50,
            count=5,
        ),
    ),
    claims=[
        enough(
            "order",
            "in 90 % of the networks grammar comes before types, and types before words in order",
            in_order,
            0.9 - 1e-9,
            no_order,
        ),
        Claim("types-after-grammar", "types come later than grammar", delay_of_types, above=0.0, control=no_grammar),
        enough(
            "sudden",
            "in over 75 % of the networks pairs generalise within a factor of two in time",
            sudden,
            0.75,
            no_memory,
        ),
        enough(
            "together",
            "in over 75 % of the networks types and pairs come within a factor of 1.5 of each other",
            together,
            0.75,
            no_memory,
        ),
        Claim(
            "loss-is-smooth",
            "less than a quarter of the fall of the loss falls into that time",
            share_of_loss,
            below=0.25,
            control=no_memory,
        ),
        Claim(
            "pairs",
            "unseen pairs are generalised to, whatever the number of values: above 0.85 at the end",
            least_pairs,
            above=0.85,
            control=no_types,
        ),
        Claim(
            "not-memory",
            "that is not memory of the seen ones, which stays below 0.75 at the end",
            most_memory,
            below=0.75,
            control=no_types,
        ),
        Claim(
            "exponent",
            "the time of pairs grows with the number of values as a power between 0.25 and 0.85",
            exponent,
            between=(0.25, 0.85),
            control=no_vocabulary,
            scales=["desk"],
        ),
        Claim(
            "exponent-narrow",
            "it grows as a power between 0.35 and 0.65",
            exponent,
            between=(0.35, 0.65),
            control=no_vocabulary,
            scales=["gpu"],
        ),
        Claim(
            "simulated",
            "simulated graphs percolate with the exponent of the exact limit, within 0.03",
            excess_exponent,
            of="percolation",
            between=(-0.03, 0.03),
        ),
        enough(
            "lag",
            "in 90 % of the networks words are put in order later than pairs generalise",
            unscrambling_later,
            0.9 - 1e-9,
        ),
    ],
    figures=[skills_figure, scaling_figure],
)
