"""Editing one fact of a network distorts the geometry of all the other entities, and what it knows of them suffers with
it.

A transformer learns facts "the entity k places after x is y" about entities on a ring. With strong weight decay it
comes to hold the ring itself, and infers facts that it was never told; it then also answers rightly what follows from
others. One of its facts is edited by ROME: a change of rank one in the first block's output map that makes the network
answer something else to one question, and touches the keys of all the other facts as little as any such change can.
The new answer lies 1 to 16 places from the old one along the ring.

What to look at: the first figure shows the states of all entities before an edit, and after: nothing but one answer
was asked to change. In the second figure on the left, how far the distances between the *other* entities have changed
(R, without the edited one) by how far the new answer lies from the old; dashed is a random change of the same size,
which does more harm, so that ROME does spare the others. In the middle what is lost of facts about other subjects,
and on the right, edit by edit, that both go together.

Two more networks tell what it takes. With little decay a network remembers the same facts and infers nothing: do edits
hurt it less? With shuffled facts and strong decay there is as much to remember and no ring to contradict: what edits
break there is broken by something else than geometry.

An edit to distance 0, which asks for the old answer, is the control: editing by itself must change nothing. That is a
weak one where the network is sure of its answer, since ROME then stops before its first step. Harm by R is compared
among edits to the same distance, which could explain both. Claims are about edits that succeeded, for those that
failed distort too.

What we see at desk scale: twelve of fourteen networks with strong decay hold the ring and infer facts. An edit changes
the other distances by 15 % (10 to 20) and costs 11 % of the inferred facts (7 to 16), and 7 % more of the recalled ones
than with little decay, where it costs next to nothing. The farther the new answer, the larger R (a correlation of 0.25,
0.17 to 0.33), and edits with a larger R cost more inference (0.60, 0.52 to 0.69; 0.36 among edits of one size).

Networks differ two- or threefold in what an edit does to them: four seeds of each kind left six claims open, ten three,
and so there are fourteen. `much-more-with-distance` misses 0.3 by 0.05; ten trial networks gave 0.38. Whether edits
cost more recall on the ring than among shuffled facts stays open (0.02, -0.01 to 0.05), as trials had foretold: what
decay makes fragile need not be a geometry. The paper's rings are longer and its networks deeper: the gpu scale should
show the rest.

To vary it: `experiment(...)` below, with other rings, decays, distances or depths; `FactEditing(layer=1)` edits the
last block, too late to distort much.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ontogeny import Claim, Control, Gate, Paper, Study, Training, factor, seeds, zipped
from ontogeny.claims import narrow
from ontogeny.measures.association import partial, pearson, spearman
from ontogeny.measures.cells import by_factors
from ontogeny.measures.fact_editing import FactEditing
from ontogeny.measures.fact_structure import FactStructure
from ontogeny.models.plain_norms import PlainNorms
from ontogeny.report.figure import Axis, Figure, Line, Mark, Panel, Points, Rule, category
from ontogeny.report.spread import mean_and_range
from ontogeny.tasks.cyclic_facts import CyclicFacts
from ontogeny.training.optimizers import AdamW
from ontogeny.training.steps import At

LEARNED = 0.99 - 1e-9  # of the trained facts: a network that knows fewer, in a spike of its loss, is not edited
MOST = 0.75 - 1e-9  # of the seeds; bounds are strict, "at least" is not
STRONG, WEAK = 1.0, 0.1  # weight decay
RING, LOOSE, SHUFFLED = (
    dict(facts="ring", decay=STRONG),
    dict(facts="ring", decay=WEAK),
    dict(facts="shuffled", decay=STRONG),
)
NAMES = (("ring, decay 1", RING), ("ring, decay 0.1", LOOSE), ("shuffled facts, decay 1", SHUFFLED))


def experiment(
    *,
    entities: int = 32,
    reach: int = 4,
    layers: int = 2,
    width: int = 64,
    lr: float = 3e-3,
    steps: int = 2_600,
    every: int = 100,
    distances: tuple[int, ...] = (0, 1, 2, 4, 8, 16),
    edits: int = 32,
    at_once: int = 1_024,
    seeds_: int = 14,
) -> Training:
    """Networks with a ring and strong decay, with little decay, and with shuffled facts; all are edited near the end.

    Edits are made at the end, and `every` and twice `every` updates before, should there be a spike at the end.
    """
    task = CyclicFacts(entities=entities, reach=reach, facts=factor("facts"))
    examples = task.replace(facts="ring").examples
    edited = tuple(steps - every * i for i in range(3))
    return Training(
        factors=zipped(facts=("ring", "ring", "shuffled"), decay=(STRONG, WEAK, STRONG)) * seeds(seeds_),
        task=task,
        model=PlainNorms(layers=layers, width=width, heads=1),
        optimizer=AdamW(lr=lr, betas=(0.9, 0.98), weight_decay=factor("decay")),
        batch=examples,
        examples=examples,
        steps=steps,
        measures=(
            FactStructure(),
            FactEditing(distances=distances, edits=edits, steps=edited, at_once=at_once),
        ),
        at=At(steps=(*edited, *(steps - 10 * i for i in range(1, 5)))),
    )


def inferred(ds: xr.Dataset) -> xr.DataArray:
    """Held-out accuracy, mean over the last five measurements, ten updates apart."""
    return ds.held_out_accuracy.isel(step=slice(-5, None)).mean("step")


def ring_held(ds: xr.Dataset) -> xr.DataArray:
    """Ring correlation of the subjects, over the same five."""
    return ds.ring_correlation.isel(step=slice(-5, None)).mean("step")


def structured(ds: xr.Dataset) -> xr.DataArray:
    """Whether a network holds the ring and infers facts that it was not told."""
    return (ring_held(ds) > 0.4) & (inferred(ds) > 0.4)


def structure_of_shuffled(ds: xr.Dataset) -> xr.DataArray:
    """Ring correlation and held-out accuracy, the larger, in units of what they are allowed: 0.2 and 0.12."""
    ring, held = ring_held(ds) / 0.2, inferred(ds) / 0.12
    return ring.where(ring >= held, held)


def remembered(ds: xr.Dataset) -> xr.DataArray:
    """The best accuracy on trained facts among the steps at which edits were made."""
    made = ds.success.notnull().any(("distance", "edit"))
    return ds.train_accuracy.where(made).max("step")


def edited(ds: xr.Dataset) -> xr.Dataset:
    """What edits did at the last step at which they were made and the trained facts were known; NaN for none."""
    made = ds.success.notnull().any(("distance", "edit")) & (ds.train_accuracy >= LEARNED)
    last = ds.step.where(made).max("step")
    names = [name for name, v in ds.data_vars.items() if "distance" in v.dims or "place" in v.dims]
    # All but that one step are left out, so a sum is its value.
    return ds[[*names, "map_place"]].where(ds.step == last).sum("step", min_count=1)


def succeeded(ds: xr.Dataset, name: str) -> xr.DataArray:
    """A quantity of the edits to distances above 0 that succeeded, the others NaN."""
    found = edited(ds)
    return found[name].where(found.success == 1).sel(distance=found.distance > 0)


def efficacy(ds: xr.Dataset) -> xr.DataArray:
    """Share of edits that succeeded, by distance above 0."""
    success = edited(ds).success
    return success.sel(distance=success.distance > 0).mean("edit")


def efficacy_spread(ds: xr.Dataset) -> xr.DataArray:
    """The highest share of edits that succeeded at one distance less the lowest at another."""
    share = efficacy(ds)
    return share.max("distance", skipna=False) - share.min("distance", skipna=False)


def shattered(ds: xr.Dataset) -> xr.DataArray:
    """R of the other entities, mean over edits."""
    return succeeded(ds, "shattering_others").mean(("distance", "edit"))


def shattered_by_nothing(ds: xr.Dataset) -> xr.DataArray:
    """The same for edits to the old answer."""
    return edited(ds).shattering_others.sel(distance=0, drop=True).mean("edit")


def inference_lost(ds: xr.Dataset) -> xr.DataArray:
    """Fall in accuracy on held-out facts of other subjects, mean over edits."""
    return succeeded(ds, "inference_fall").mean(("distance", "edit"))


def lost_by_nothing(ds: xr.Dataset) -> xr.DataArray:
    """The larger fall, of held-out or of trained facts, after edits to the old answer."""
    none = edited(ds).sel(distance=0, drop=True)
    inference, recall = none.inference_fall.mean("edit"), none.recall_fall.mean("edit")
    return inference.where(inference >= recall, recall)


def rows(values: xr.DataArray) -> np.ndarray:
    """A row of edits for every network."""
    return values.transpose("member", "distance", "edit").values.reshape(values.sizes["member"], -1)


def of_members(values: np.ndarray) -> xr.DataArray:
    """One value a network."""
    return xr.DataArray(values, dims="member")


def trend(ds: xr.Dataset) -> xr.DataArray:
    """Spearman's correlation of R with the distance of the edit, over single edits of a network."""
    r = succeeded(ds, "shattering_others")
    return of_members(spearman(rows(r), rows(r.distance.broadcast_like(r).astype(float))))


def within(ds: xr.Dataset, name: str) -> xr.DataArray:
    """A quantity of edits less its mean at their distance.

    What distance explains of a correlation is gone. To pair edits with others to the same distance is then no control:
    n edits that all succeeded give -r / (n - 1) whatever they did.
    """
    values = succeeded(ds, name)
    return values - values.mean("edit")


def harm_by_shattering(ds: xr.Dataset) -> xr.DataArray:
    """Correlation of R with the fall in held-out accuracy, over single edits of a network, within distances."""
    return of_members(pearson(rows(within(ds, "shattering_others")), rows(within(ds, "inference_fall"))))


def harm_beyond_size(ds: xr.Dataset) -> xr.DataArray:
    """The same given the size of the edit."""
    names = ("shattering_others", "inference_fall", "change_norm")
    return of_members(partial(*(rows(within(ds, name)) for name in names)))


def recall_lost(ds: xr.Dataset, distance: int | None = None) -> xr.Dataset:
    """Fall in accuracy on trained facts of other subjects, mean over edits (to one distance)."""
    if distance is None:
        fall = succeeded(ds, "recall_fall").mean(("distance", "edit"))
    else:
        fall = edited(ds).recall_fall.sel(distance=distance, drop=True).mean("edit")
    share = efficacy(ds).mean("distance")
    return ds.drop_vars(list(ds.data_vars)).assign(fall=fall, share=share)


def more_with_decay(ds: xr.Dataset) -> xr.DataArray:
    """How much more recall is lost with strong decay than with little, by seed."""
    return _by_decay(recall_lost(ds), "fall")


def more_with_decay_by_nothing(ds: xr.Dataset) -> xr.DataArray:
    """The same for edits to the old answer."""
    return _by_decay(recall_lost(ds, 0), "fall")


def efficacy_by_decay(ds: xr.Dataset) -> xr.DataArray:
    """How much more edits succeed with strong decay than with little, by seed."""
    return _by_decay(recall_lost(ds), "share")


def _by_decay(ds: xr.Dataset, name: str) -> xr.DataArray:
    values = by_factors(ds, name)[name]
    return values.sel(decay=STRONG, drop=True) - values.sel(decay=WEAK, drop=True)


def more_with_ring(ds: xr.Dataset) -> xr.DataArray:
    """How much more recall is lost on the ring than with shuffled facts, by seed."""
    values = by_factors(recall_lost(ds), "fall").fall
    return values.sel(facts="ring", drop=True) - values.sel(facts="shuffled", drop=True)


def more_with_ring_by_nothing(ds: xr.Dataset) -> xr.DataArray:
    """The same for edits to the old answer."""
    values = by_factors(recall_lost(ds, 0), "fall").fall
    return values.sel(facts="ring", drop=True) - values.sel(facts="shuffled", drop=True)


def rings_figure(results: Mapping[str, xr.Dataset]) -> Figure:
    """States of all entities before an edit and after it, at the shortest and the farthest distance."""
    one = edited(narrow(results["main"], RING)).isel(member=0)
    distances = [int(d) for d in one.distance.values if d > 0]
    shown = [("before the edit", one.map_before)]
    shown += [(_moved(d), one.map_after.sel(distance=d)) for d in (distances[0], distances[-1])]
    panels, bare = [], Axis(ticks=())
    for title, points in shown:
        xy = points.transpose("axis", "place").values
        place = np.arange(xy.shape[1])
        closed = np.append(place, 0)
        marks: list[Mark] = [Line(xy[0, closed], xy[1, closed], colour="grey", width=0.8)]
        marks.append(Points(xy[0], xy[1], values=place, scale=Axis("place on the ring"), size=8))
        if np.isfinite(one.map_place):
            own = xy[:, int(one.map_place)]
            marks.append(Points(own[:1], own[1:], colour="accent", symbol="x", size=12, name="the edited entity"))
        panels.append(Panel(title, x=bare, y=bare, marks=marks, equal=True))
    return Figure(
        "One answer is edited, and other entities move too",
        panels,
        columns=3,
        caption="States of all entities, averaged over relations, on the two main axes of those before the edit; the "
        "first network with a ring and its first edit. Lines join neighbours on the ring.",
    )


def _moved(places: int) -> str:
    return f"new answer {places} {'place' if places == 1 else 'places'} off"


def harm_figure(results: Mapping[str, xr.Dataset]) -> Figure:
    """R and what is lost of other facts by the distance of the edit, and both edit by edit."""
    ds = results["main"]
    apart: list[Mark] = []
    lost: list[Mark] = []
    each: list[Mark] = [Rule(y=0.0, dash="dot")]
    for i, (name, where) in enumerate(NAMES):
        some = narrow(ds, where)
        r, fall = succeeded(some, "shattering_others"), succeeded(some, "inference_fall")
        apart += mean_and_range(r.mean("edit"), name, category(i), "distance")
        lost += mean_and_range(succeeded(some, "recall_fall").mean("edit"), name, category(i), "distance")
        random = succeeded(some, "shattering_random").mean(("edit", "member"))
        apart.append(Line(random.distance.values, random.values, name=name, colour=category(i), dash="dash"))
        if where is RING:
            each.append(Points(rows(r).ravel(), rows(fall).ravel(), colour=category(i), size=4, opacity=0.5, name=name))
    x = Axis("places from the old answer to the new", log=True, ticks=[int(d) for d in ds.distance.values if d > 0])
    return Figure(
        "An edit shifts the other entities, and what was known of them is lost as they move",
        [
            Panel("Shattering", x=x, y=Axis("R of the other entities", log=True), marks=apart),
            Panel("Recall about other subjects", x=x, y=Axis("fall in accuracy"), marks=lost),
            Panel("Edit by edit", x=Axis("R of the other entities"), y=Axis("fall in held-out accuracy"), marks=each),
        ],
        caption="Edits that succeeded; line: mean over seeds; band: their range. Dashed: a random change of rank one "
        "that is as large, mean over seeds. On the right all edits of the networks with ring and decay 1.",
    )


known = Gate("all networks know 99 % of the trained facts where they are edited", remembered, where={}, above=LEARNED)
alike = Gate("edits succeed about as often at every distance", efficacy_spread, where={}, below=0.05, decides="mean")
as_often = Gate(
    "edits succeed as often with strong decay as with little", efficacy_by_decay, between=(-0.05, 0.05), decides="mean"
)

study = Study(
    paper=Paper(
        "Representation Shattering in Transformers: A Synthetic Study with Knowledge Editing", "Nishi et al.", 2024,
        arxiv="2410.17194",
    ),
    family="knowledge-editing-and-unlearning",
    differs=[
        "One ring of 32 entities and questions of one step; the paper has several cyclic orders, more entities, and "
        "compositions of relations.",
        "One way to edit, ROME with the key at the relation, and one fact at a time; the paper compares several ways.",
        "Facts are edited away from the truth only, among those that the network answers rightly.",
        "R leaves out the distances of the edited entity itself, which is meant to move.",
        "Strong weight decay makes a small network hold the ring; norms have no gains, for it would act on them too.",
        "That a ring is held is asked at the subject, as at the relation a mere look-up table looks like one.",
    ],
    scales=dict(
        smoke=experiment(
            entities=12, reach=2, width=16, steps=12, every=4, distances=(0, 1, 3), edits=3, seeds_=2
        ),
        desk=experiment(),
        gpu=experiment(
            entities=512, layers=4, width=384, lr=1e-3, steps=30_000, every=500,
            distances=(0, 1, 2, 4, 8, 16, 64, 256), edits=50, at_once=65_536, seeds_=5,
        ),
    ),
    claims=[
        Claim(
            "structure-first", "in three of four seeds a network holds the ring and infers facts: both over 0.4",
            structured, where=RING, above=MOST, decides="mean",
            control=Control(
                "with shuffled facts its correlation is below 0.2 and its accuracy below 0.12", structure_of_shuffled,
                where=SHUFFLED, below=1.0,
            ),
        ),
        Claim(
            "shattering", "an edit changes the distances of the other entities by more than 0.05 of their size",
            shattered, where=RING, above=0.05, gate=known,
            control=Control("an edit to the old answer by less than 0.02", shattered_by_nothing, below=0.02),
        ),
        Claim(
            "inference-lost", "accuracy on held-out facts of other subjects falls by more than 0.04", inference_lost,
            where=RING, above=0.04, gate=known,
            control=Control("no kind of facts loses 0.01 by an edit to the old answer", lost_by_nothing, below=0.01),
        ),
        Claim(
            "more-with-distance", "R grows with the distance of the edit: a correlation above 0 within networks", trend,
            where=RING, above=0.0, gate=alike,
            control=Control(
                "with shuffled facts, where distance means nothing, it is within 0.15 of 0", where=SHUFFLED,
                between=(-0.15, 0.15),
            ),
        ),
        Claim(
            "much-more-with-distance", "R grows much with the distance: that correlation is over 0.3", trend,
            where=RING, above=0.3, decides="mean", gate=alike,
            control=Control("with shuffled facts it is within 0.15 of 0", where=SHUFFLED, between=(-0.15, 0.15)),
        ),
        Claim(
            "harm-by-shattering", "R tells which edits cost more inference: a correlation over 0.4 within networks",
            harm_by_shattering, where=RING, above=0.4, gate=known,
        ),
        Claim(
            "harm-beyond-size", "R tells it among edits of the same size too: a partial correlation over 0.2",
            harm_beyond_size, where=RING, above=0.2, gate=known,
        ),
        Claim(
            "fragile-by-decay", "with strong decay edits cost over 0.02 more recall than with little", more_with_decay,
            where=dict(facts="ring"), above=0.02, gate=as_often,
            control=Control(
                "those to the old answer do not: within 0.01", more_with_decay_by_nothing, between=(-0.01, 0.01)
            ),
        ),
        Claim(
            "fragile-by-structure", "with strong decay they cost more recall on a ring than among shuffled facts",
            more_with_ring, where=dict(decay=STRONG), above=0.0, gate=known,
            control=Control(
                "those to the old answer do not: within 0.01", more_with_ring_by_nothing, between=(-0.01, 0.01)
            ),
        ),
    ],
    figures=[rings_figure, harm_figure],
)  # fmt: skip
