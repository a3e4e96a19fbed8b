"""Writing out the nodes in between lets a transformer find paths longer than any it has seen, as far as its training
data lets it stitch them together.

A network is asked for a path between two nodes of a graph that it knows only from such questions, in two ways: to write
the path node by node, or to say at once whether there is one. Every edge is seen in training, but some pairs of nodes
never are, in neither way. What is varied is how long the trained paths may be: with a cap, a longer path can only be
found by putting pieces of shorter ones together, and only the written format lets a network do it piece by piece.

What to look at: the share of valid written paths against their length, beside the share of right direct answers (as
2 A - 1, so that guessing is 0 in both) and beside a blind stitcher, which goes at random until the goal is as near as
what was trained on and makes no mistake from there. The second figure shows how temperature trades the share of valid
paths against how many different ones are found; the third in what order networks learn edges and plans.

A layered graph has only paths of one length between two nodes, so whether networks like short paths is asked on graphs
of another kind, where it can be worked out exactly: all paths of a pair are scored, and none has to be drawn.

What we see on the desk: what a network writes depends on how its weights start. With embeddings of standard deviation
0.02 and small matrices, as GPT-2 has them, networks trained on up to 4 edges write more of the longer paths than a
blind stitcher finds; with the usual start of the models here, five times as large, fewer (0.81 and 0.59 of the paths of
4 to 7 edges on four trial graphs). The share of valid paths grows with the cap, from next to none with 2. So does that
of right direct answers, which with a cap of 2 reach further than the written paths: the sign of the gap hangs on how
much of the path was trained. With a cap of 4 the gap is 0.22 (0.10 to 0.33). Without a cap it is about half as large on
average and differs much between graphs, so that what the cap adds is not clear (`gap-from-data`: 0.10, -0.09 to 0.29,
where 0.1 is asked; some 24 graphs would tell).

Whether edges are learned before plans depends on what counts as a plan. Both shares, the probability on
nodes that an edge leads to and the part of it on nodes that reach the goal, come to 0.9 at about the same time. But the
second starts at 0.7, for that is what a network has that knows its edges and no goals: most nodes have few edges, and
many of those lead to the goal. Of what there is to gain beyond this chance, nine tenths are gained later than the
edges, which is a claim of its own, added when this was seen and before any network of a registered run was trained.

The more different paths the higher the temperature: this holds up to a temperature of 1, at which networks were
trained, and cannot hold beyond it for networks that are the law. Where all paths of a pair are equally probable, as
they are by the law, most different ones are found, and any other temperature takes from some of them. The law itself
has a rank correlation of at most 0.83 over the claimed temperatures (the tests work it out), below the claim's 0.9, so
that only networks that are surer than the law could pass. That up to 1 it rises is a claim of its own, added likewise.

Written paths are not shorter than the task's but longer, by 0.12 edges (0.02 to 0.22). The paper's networks are larger,
and their graphs too: where that finding should show, if it does, is the gpu scale, which has not been run.

A network's direct score is a rough number: a graph has few pairs so far apart without a path (one to twelve of seven
edges), and one that knows nothing answers by the words' embeddings, so that all pairs of a node are right or wrong
together. Guessing scores 0 in both formats, but only on average over graphs and networks. So there are eight seeds, and
what guessing scores is asked of 64 untrained networks, each on a graph of its own.

To vary it: `--set cap=2,3,4,5,99` (99 is no cap), `--seeds 12`, or `experiment(...)` below with other graphs. With
learned positions the networks cannot write longer paths than they were trained on at all, for a reason that is no lack
of planning: the end of a path is then tied to its position. That is why the others have none.
"""

from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from ontogeny import Claim, Control, Paper, Study, Training, factor, seeds, vary
from ontogeny.claims import narrow, unfold
from ontogeny.measures.contract import Measure
from ontogeny.measures.navigation import Navigation, StepMass
from ontogeny.measures.path_diversity import PathDiversity
from ontogeny.measures.path_length_bias import PathLengthBias
from ontogeny.models.transformer import Transformer
from ontogeny.report.figure import Axis, Figure, Line, Panel, Points, Rule, category
from ontogeny.report.spread import mean_and_range
from ontogeny.tasks.dag_navigation import DAGNavigation
from ontogeny.tasks.random_dag import Layered, Ordered, RandomDAG
from ontogeny.training.optimizers import AdamW
from ontogeny.training.schedules import Warmup
from ontogeny.training.steps import At, Steps

NO_CAP = 99  # edges: longer than any path
FAR = (5, 6, 7)  # lengths of the pairs that are compared
BEYOND = (4, 5, 6, 7)  # lengths beyond a cap of 3
CLAIMED = (0.3, 0.5, 0.7, 1.0, 1.25, 1.5)  # temperatures of the trade-off
TRAINED_AT = 1.0  # the temperature at which the law is learned
MASTERED = 0.9  # of the probability: from there on a skill counts as learned
SMALL_START = 0.2  # of the usual initial weights: embeddings at N(0, 0.02^2)
UNTRAINED = 64  # networks: the score of one is off chance by 0.1 to 0.2, their mean by an eighth of it
DESK = At(steps=(0, 25, 50, 100, 150, 200, 300, 400, 500))
LAYERED = Layered(layers=8, width=8, density=0.15)
CAPPED, FREE = dict(cap=4, positions="none"), dict(cap=NO_CAP, positions="none")


def experiment(
    *,
    caps: tuple[int, ...] = (NO_CAP,),
    learned: tuple[int, ...] = (),
    graph: RandomDAG = LAYERED,
    longest: int = 7,
    law: str = "paths",
    layers: int = 2,
    width: int = 64,
    heads: int = 4,
    batch: int = 128,
    examples: int | None = 6_000,
    steps: int = 500,
    measured: Steps = DESK,
    measures: tuple[Measure, ...] = (Navigation(), StepMass()),
    seeds_: int = 4,
) -> Training:
    """Transformers that learn to find paths of up to `caps` edges; for the caps in `learned` also with positions."""
    conditions = vary(cap=caps, positions=("none",))
    if learned:
        conditions = conditions + vary(cap=learned, positions=("learned",))
    return Training(
        factors=conditions * seeds(seeds_),
        task=DAGNavigation(graph=graph, longest=longest, law=law, cap=factor("cap")),
        model=Transformer(
            layers=layers, width=width, heads=heads, positions=factor("positions"), init_scale=SMALL_START
        ),
        optimizer=AdamW(lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, clip=1.0, schedule=Warmup(updates=50)),
        batch=batch,
        examples=examples,
        steps=steps,
        measures=measures,
        at=measured,
    )


def valid(ds: xr.Dataset) -> xr.DataArray:
    """Share of valid written paths by length."""
    return ds.written.sel(outcome="valid", drop=True)


def direct_advantage(ds: xr.Dataset) -> xr.DataArray:
    """2 A - 1 by length, A the share of right direct answers, pairs with and without a path weighing alike."""
    return 2 * ds.direct.mean("answer", skipna=False) - 1


def over(values: xr.DataArray, lengths: tuple[int, ...]) -> xr.DataArray:
    """Mean over some lengths, those alike that have pairs, at the last checkpoint."""
    return values.isel(step=-1, drop=True).sel(length=list(lengths)).mean("length")


def stepwise_gap(ds: xr.Dataset) -> xr.DataArray:
    """Share of valid written paths less the direct advantage, on held-out pairs five to seven edges apart."""
    return over(valid(ds) - direct_advantage(ds), FAR)


def gap_from_cap(ds: xr.Dataset) -> xr.DataArray:
    """How much greater the stepwise gap is with a cap of 4 than without one, by seed."""
    gap = unfold(stepwise_gap(narrow(ds, dict(positions="none"))).to_dataset(name="gap")).gap
    return gap.sel(cap=4, drop=True) - gap.sel(cap=NO_CAP, drop=True)


def gain_from_cap(ds: xr.Dataset) -> xr.DataArray:
    """Valid paths five to seven edges long with a cap of 4 less those with a cap of 2, by seed."""
    found = unfold(over(valid(narrow(ds, dict(positions="none"))), FAR).to_dataset(name="found")).found
    return found.sel(cap=4, drop=True) - found.sel(cap=2, drop=True)


def beyond_three(ds: xr.Dataset) -> xr.DataArray:
    """Share of valid written paths of four to seven edges."""
    return over(valid(ds), BEYOND)


def mastered_at(mass: xr.DataArray) -> xr.DataArray:
    """The first measured step at which a mass is 0.9 or more; infinite where that never is."""
    return mass.step.where(mass >= MASTERED).min("step").fillna(np.inf)


def learning_gap(ds: xr.Dataset) -> xr.DataArray:
    """The step at which plans are mastered less that of edges, 1e9 for a skill that never is; NaN if neither is."""
    edges, plans = mastered_at(ds.edge_mass), mastered_at(ds.goal_mass)
    return (plans - edges).clip(-1e9, 1e9)


def learning_gap_beyond_chance(ds: xr.Dataset) -> xr.DataArray:
    """The same for the share of plans that is not there by chance, from 0 at the start to 1."""
    gained = (ds.goal_mass - ds.goal_chance) / (1 - ds.goal_chance)
    return learning_gap(ds.assign(goal_mass=gained))


def plans_strictly_later(ds: xr.Dataset) -> xr.DataArray:
    """Whether edges are known at an earlier checkpoint than plans (1 or 0)."""
    return (learning_gap(ds) > 0).astype(float).where(learning_gap(ds).notnull())


def rank_with_temperature(values: xr.DataArray, most: float = CLAIMED[-1]) -> xr.DataArray:
    """Spearman's correlation with the temperatures claimed, up to `most`, a value a member; 0 for a constant."""
    heat = [t for t in CLAIMED if t <= most]
    rows = values.isel(step=-1).sel(temperature=heat).transpose("member", "temperature").values
    ranks, order = rankdata(rows, axis=1), np.arange(len(heat)) + 1.0
    with np.errstate(invalid="ignore"):
        rho = np.array([np.corrcoef(row, order)[0, 1] if row.std() > 0 else 0.0 for row in ranks])
    rho = np.where(np.isnan(rows).any(1), np.nan, np.round(rho, 9))
    return xr.DataArray(rho, dims="member")


def validity_rank(ds: xr.Dataset) -> xr.DataArray:
    """Rank correlation of temperature and validity, for pairs with several paths."""
    return rank_with_temperature(ds.validity.sel(paths="several"))


def diversity_rank(ds: xr.Dataset) -> xr.DataArray:
    """Rank correlation of temperature and diversity, for pairs with several paths."""
    return rank_with_temperature(ds.diversity.sel(paths="several"))


def diversity_rank_when_trained(ds: xr.Dataset) -> xr.DataArray:
    """The same up to the temperature of training."""
    return rank_with_temperature(ds.diversity.sel(paths="several"), most=TRAINED_AT)


def diversity_rank_of_one(ds: xr.Dataset) -> xr.DataArray:
    """The same for pairs with one path that is the most probable one, where there is no diversity to gain."""
    return rank_with_temperature(ds.diversity.sel(paths="one, found greedily"))


def length_bias(ds: xr.Dataset) -> xr.DataArray:
    """Edges of valid paths beyond what the task's law has, at the end."""
    return ds.length_bias.isel(step=-1)


def stitching_figure(results: dict[str, xr.Dataset]) -> Figure:
    """Valid written paths and right direct answers against the length of the path, a panel a cap."""
    ds = narrow(results["main"], dict(positions="none"))
    panels = []
    for cap in dict.fromkeys(ds.cap.values.tolist()):
        here = narrow(ds, dict(cap=cap)).isel(step=-1)
        marks = [
            *mean_and_range(valid(here), "written out", category(0), "length"),
            *mean_and_range(direct_advantage(here), "judged directly", category(1), "length"),
            *mean_and_range(here.blind, "blind stitcher", "grey", "length")[-1:],
        ]
        if cap < NO_CAP:
            marks.append(Rule(x=cap + 0.5, label="trained up to here"))
        title = "trained on all lengths" if cap == NO_CAP else f"trained on paths of up to {cap} edges"
        y = Axis("valid paths, or 2 A - 1", limits=(-0.5, 1.05))
        panels.append(Panel(title, x=Axis("edges of the path"), y=y, marks=marks))
    return Figure(
        "Written out, paths are found that are longer than any trained on; how long depends on the training data",
        panels,
        columns=2,
        caption=f"Held-out pairs after {int(ds.step[-1]):,} updates, greedy. Direct answers: A is the share of right "
        "ones, pairs with and without a path alike. Blind stitcher: random steps until the goal is as near as anything "
        "trained on, none wrong from there. Mean over seeds, with a band from the least to the greatest.",
    )


def trade_off_figure(results: dict[str, xr.Dataset]) -> Figure:
    """Diversity against validity as temperature rises, and both for pairs with a single path."""
    ds = results["temperature"].isel(step=-1)
    mean = ds[["validity", "diversity", "law_diversity"]].mean("member")
    several, one = (mean.sel(paths=kind) for kind in ("several", "one, found greedily"))
    heat = ds.temperature.values
    curve = [
        Line(several.validity, several.diversity, colour="grey"),
        Points(several.validity, several.diversity, values=heat, scale=Axis("temperature"), size=9),
        Rule(y=float(several.law_diversity), label="paths drawn by the task"),
    ]
    by_heat = [
        Line(heat, several.validity, name="valid, several paths", colour=category(0)),
        Line(heat, several.diversity, name="diversity, several paths", colour=category(1)),
        Line(heat, one.validity, name="valid, one known path", colour=category(0), dash="dash"),
        Line(heat, one.diversity, name="found, one known path", colour=category(1), dash="dash"),
    ]
    return Figure(
        "A higher temperature finds more of the paths there are, and more that are none",
        [
            Panel(
                "Pairs with several paths", x=Axis("share of valid paths"), y=Axis("share of paths found"), marks=curve
            ),
            Panel("By temperature", x=Axis("temperature"), y=Axis("share", limits=(0.0, 1.05)), marks=by_heat),
        ],
        caption="32 samples for each held-out pair, networks trained on all lengths, mean over seeds.",
    )


def order_figure(results: dict[str, xr.Dataset]) -> Figure:
    """Probability on nodes that an edge leads to, and the share of it that leads to the goal, along training."""
    ds = narrow(results["main"], FREE)
    marks = [
        *mean_and_range(ds.edge_mass, "on nodes that an edge leads to", category(0), along="step"),
        *mean_and_range(ds.goal_mass, "of that, on nodes from which the goal is reached", category(1), along="step"),
        Rule(y=MASTERED, label="learned"),
        Rule(y=float(ds.goal_chance.mean()), label="of that, by chance"),
    ]
    share = Axis("probability", limits=(0.0, 1.05))
    return Figure(
        "How soon edges are learned, and which of them lead to the goal",
        [Panel("Trained on all lengths", x=Axis("step", log=True), y=share, marks=marks)],
        caption="Along paths of training pairs, as they are read. By chance: all nodes that an edge leads to are held "
        "for alike. Mean over seeds, with their range.",
    )


def scale(
    shared: dict[str, Any],
    caps: tuple[int, ...],
    ordered: dict[str, Any],
    sampled: PathDiversity,
    untrained: int = UNTRAINED,
) -> dict[str, Training]:
    """Lengths trained on, temperature, graphs with paths of any length, and networks that are not trained at all."""
    bias, end = PathLengthBias(pairs=sampled.pairs), At(steps=())
    hot: dict[str, Any] = shared | dict(measured=end, measures=(sampled, bias))
    other: dict[str, Any] = shared | dict(law="steps", measured=end, measures=(bias,)) | ordered
    raw: dict[str, Any] = shared | dict(
        steps=0, examples=None, measured=end, measures=(Navigation(),), seeds_=untrained
    )
    return {
        "main": experiment(caps=caps, learned=(3,), **shared),
        "temperature": experiment(**hot),
        "ordered": experiment(**other),
        "untrained": experiment(**raw),
    }


SMALL: dict[str, Any] = dict(
    graph=Layered(layers=8, width=4, density=0.25), width=16, heads=2, batch=16, examples=128, steps=4,
    measured=At(steps=(0,)), seeds_=2,
    measures=(Navigation(pairs=24), StepMass(samples=16)),
)  # fmt: skip
PAPER: dict[str, Any] = dict(
    graph=Layered(layers=20, width=10, density=0.12), longest=19, layers=4, width=256, examples=None, steps=20_000,
    measured=At(steps=(0, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)), seeds_=5,
)  # fmt: skip

stitches = Control(
    "with learned positions next to none of the paths longer than those trained on are found",
    beyond_three,
    where=dict(cap=3, positions="learned"),
    below=0.05,
)
nothing_to_gain = Control(
    "pairs with one path, found greedily, have no diversity to gain", diversity_rank_of_one, below=1e-6
)
one_length = Control(
    "where all paths of a pair have one length they are not",
    where={},
    of="temperature",
    between=(-1e-6, 1e-6),
    decides="every",
)

study = Study(
    paper=Paper(
        "Towards an Understanding of Stepwise Inference in Transformers: A Synthetic Graph Navigation Model",
        "Khona et al.",
        2024,
        arxiv="2402.07757",
    ),
    family="reasoning",
    differs=[
        "Desk: layered graphs of 8 layers of 8 nodes and others of 64, 2 layers of width 64, 500 updates on "
        "6,000 samples; the paper's graphs have about 200 nodes, as at gpu scale.",
        "Networks have no positional embedding but for a control: tied to positions, the end of a path cannot move.",
        "Edges between layers have a probability of 0.15, so that at every distance some pairs have no path: else the "
        "direct question could be answered by distance. Pairs with and without a path are matched in distance.",
        "A path is drawn uniformly among all paths of its pair; on the graphs without layers, step by step.",
        "Weights start at a fifth of the usual size, embeddings at a standard deviation of 0.02, near GPT-2's start.",
        "That temperature adds diversity is also asked up to 1 alone: a network that is the law finds most there. That "
        "edges are learned before plans is also asked of what plans gain beyond chance.",
        "The bias in length is worked out by scoring all paths of a pair, not by sampling.",
        "The control of the trade-off are pairs whose one path is the most probable one; where it is not, sampling "
        "finds it now and then, so that temperature is a gain.",
        "What guessing scores is asked of 64 untrained networks on graphs of their own: over the few pairs of a graph "
        "that are far apart and have no path, that of one network is a rough number.",
        "In-context exemplars (chains of motifs, conflicting exemplars) are not part of this study.",
    ],
    scales=dict(
        smoke=scale(
            SMALL,
            (2, 3, 4, NO_CAP),
            dict(graph=Ordered(size=24, density=0.2), longest=6),
            PathDiversity(temperatures=(0.0, *CLAIMED), samples=2, pairs=16),
            untrained=3,
        ),
        desk=scale(
            dict(seeds_=8), (2, 3, 4, NO_CAP), dict(graph=Ordered(size=64, density=0.12), longest=9), PathDiversity()
        ),
        gpu=scale(
            PAPER, (2, 3, 4, NO_CAP), dict(graph=Ordered(size=200, density=0.05), longest=15), PathDiversity(pairs=256)
        ),
    ),
    claims=[
        Claim(
            "stepwise-gap",
            "trained on paths of up to 4 edges, networks write more longer ones than they judge right, by over 0.1",
            stepwise_gap,
            where=CAPPED,
            above=0.1,
            control=Control("untrained networks do not, on average", where={}, of="untrained", between=(-0.1, 0.1)),
        ),
        Claim(
            "gap-from-data",
            "that gap is greater by over 0.1 than in networks trained on all lengths, on the same pairs",
            gap_from_cap,
            above=0.1,
        ),
        Claim(
            "stitching-grows",
            "paths of 5 to 7 edges are found more often by over 0.3 when trained up to 4 edges than up to 2",
            gain_from_cap,
            above=0.3,
            control=stitches,
        ),
        Claim(
            "stitching",
            "trained on paths of up to 3 edges, networks find over 0.15 of those of 4 to 7",
            beyond_three,
            where=dict(cap=3, positions="none"),
            above=0.15,
            control=stitches,
        ),
        Claim(
            "edges-first",
            "edges are never learned later than which of them lead to the goal",
            learning_gap,
            where=FREE,
            above=-1e-6,
            decides="every",
        ),
        Claim(
            "edges-earlier",
            "in three seeds of four edges are learned earlier",
            plans_strictly_later,
            where=FREE,
            above=0.749,
            decides="mean",
        ),
        Claim(
            "edges-earlier-beyond-chance",
            "edges are learned earlier than nine tenths of what plans have to gain beyond chance",
            learning_gap_beyond_chance,
            where=FREE,
            above=0.0,
            decides="every",
        ),
        Claim(
            "validity-falls",
            "the higher the temperature, the fewer paths are valid: rank correlation below -0.9",
            validity_rank,
            of="temperature",
            below=-0.9,
            decides="every",
            control=nothing_to_gain,
        ),
        Claim(
            "diversity-rises",
            "the higher the temperature, the more of the paths are found: rank correlation above 0.9",
            diversity_rank,
            of="temperature",
            above=0.9,
            decides="every",
            control=nothing_to_gain,
        ),
        Claim(
            "diversity-rises-to-one",
            "up to the temperature of training, 1, the higher it is, the more of the paths are found: above 0.9",
            diversity_rank_when_trained,
            of="temperature",
            above=0.9,
            decides="every",
            control=nothing_to_gain,
        ),
        Claim(
            "shorter",
            "the valid paths of networks are shorter than the task's",
            length_bias,
            of="ordered",
            below=0.0,
            control=one_length,
        ),
        Claim(
            "shorter-by",
            "they are shorter by 0.05 edges or more on average",
            length_bias,
            of="ordered",
            below=-0.05,
            decides="mean",
            control=one_length,
        ),
    ],
    figures=[stitching_figure, trade_off_figure, order_figure],
)
