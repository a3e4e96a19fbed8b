"""Neighbour-embedding pictures (t-SNE) tear overlapping clusters apart and break up smooth ones; two scores say where.

A t-SNE picture says where its points lie, but it was never a map: nothing says where a point between two points
belongs. The LOO-map makes it one. It holds the picture fast and asks where one further point would settle, by
minimising that point's own share of the loss. Walking from one cluster centre to the other in the data, the place in
the picture should wander from one to the other too. It does not: near the middle the loss has two valleys far apart,
and as the lower one changes the point leaps. What looks like a gap between two groups is partly made by the method.

Two scores find the points to distrust in any picture. The *perturbation score* moves a point a little in the data and
measures how far it leaps in the picture: it is high where clusters that overlap were torn apart (large perplexity).
The *singularity score* asks how firmly a point sits where it is drawn: it is high where a smooth cloud was broken up
into clumps (small perplexity), and falls and flattens as perplexity grows, which is a way of choosing it.

What to look at: the first figure shows the two valleys, the second the leap, the third who scores high, the fourth
the choice of perplexity, the last one handwritten digits. Two limits show as well. When clusters overlap more (means
2 standard deviations from the middle), the points in between bridge them and nothing leaps. And a picture that was
settled badly has leaping points anywhere: early exaggeration folds small pictures of smooth data, and a single
Gaussian then scores high too, while at its better minimum it has no such tail. Look at the tail, for medians are
alike.

How much higher the singularity score is at perplexity 15 than at 40 differs from one data set to the next: over six
seeds it was 3 to 300 times as high, too wide a range for an interval to lie above 2.5. So twelve seeds are drawn at
every perplexity, and six of the rest: it is 10 times as high (3 to 28).

To vary it: `--set half_distance=2,2.5,3,4` moves the clusters, `--set exaggerated=250` folds some of the pictures,
and `ontogeny embed-check FILE` gives both scores for a table of your own.
"""

from functools import partial

import numpy as np
import torch
import xarray as xr
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from torch import Tensor

from ontogeny import Claim, Control, Gate, Paper, Study, seeds, vary
from ontogeny.claims import unfold
from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.loo_map import FrozenTSNE, loo_map
from ontogeny.measures.map_reliability import jump, perturbation_score, singularity_score
from ontogeny.measures.tsne import descend, gradient, polish, principal_start
from ontogeny.report.figure import Axis, Contour, Figure, Line, Panel, Points, Rule
from ontogeny.streams import Streams
from ontogeny.tasks.digits import digits
from ontogeny.tasks.gaussian_mixture import GaussianMixture
from ontogeny.trial import Trial

POINTS, PERPLEXITY, LENGTH = 160, 40.0, 0.5
PERPLEXITIES = (5.0, 10.0, 15.0, 20.0, 40.0, 60.0)
SETTLED = 1e-7  # largest |gradient| of a picture that counts as finished


def two_clusters(streams: Streams, half_distance: float, points: int) -> tuple[Tensor, Tensor]:
    """Points in the plane, half of them around (-m, 0) and half around (m, 0), and which; m = 0 is one Gaussian."""
    task = GaussianMixture(means=((-half_distance, 0.0), (half_distance, 0.0)))
    batch = task.sample(None, streams.of("data"), points)
    return batch.inputs[0].double(), batch.targets[0]


def drawn(x: Tensor, perplexity: float, steps: int, exaggerated: int = 0) -> FrozenTSNE:
    """The t-SNE picture of these points, from their principal components, at its minimum.

    Without early exaggeration, as the paper's code does from a given start: it folds small pictures of smooth data.
    """
    frozen = FrozenTSNE(x, torch.zeros_like(x[:, :2]), perplexity)
    p = frozen.joint
    return frozen.at(
        polish(p, descend(p, principal_start(x), steps=steps, exaggerated=exaggerated), tolerance=SETTLED / 2)
    )


def labelled(dims: str = "", **arrays: Tensor | float) -> dict[str, Labelled]:
    """Arrays of one member, named; `dims` are those after `member`."""
    names = ("member", *dims.split())
    return {name: Labelled(torch.as_tensor(a)[None].cpu().double(), dims=names) for name, a in arrays.items()}


def singularity(p: Tensor, y: Tensor) -> Tensor:
    """The singularity score, NaN for a picture that is refused because it is not at a minimum."""
    try:
        return singularity_score(p, y)
    except UserError:
        return torch.full_like(y[:, 0], torch.nan)


def walk(streams: Streams, half_distance: float, perplexity: float, points: int, places: int, steps: int):
    """From one cluster's mean to the other's, in the picture: the path, its jump, and the loss at four moments."""
    x, component = two_clusters(streams, half_distance, points)
    ends = torch.stack([x[component == c].mean(0) for c in (0, 1)])
    if half_distance == 0:
        ends = ends.new_tensor([[-2.0, 0.0], [2.0, 0.0]])
    t = torch.linspace(0, 1, places, device=x.device, dtype=x.dtype)
    way = ends[0] + t[:, None] * (ends[1] - ends[0])
    frozen = drawn(x, perplexity, steps)
    path, _ = loo_map(frozen, way)
    leap = int(path.diff(dim=0).norm(dim=-1).argmax())
    moments = torch.tensor([0, leap, leap + 1, places - 1], device=x.device)
    edge = 1.15 * float(frozen.y.abs().max())
    side = torch.linspace(-edge, edge, 61, device=x.device, dtype=x.dtype)
    grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1).flatten(0, 1)
    loss = frozen.landscape(frozen.similarities(way[moments], None), None)
    valleys = torch.stack([loss(grid, torch.full((len(grid),), m, device=x.device))[0] for m in range(4)])
    axes = torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh
    return {
        **labelled(
            jump=jump(path), jump_of_pca=jump(way @ axes.mT), steepest=gradient(frozen.joint, frozen.y).abs().max()
        ),
        **labelled("place axis", path=path),
        **labelled("point axis", y=frozen.y),
        **labelled("point", component=component),
        **labelled("side", side=side),
        **labelled("moment", moment=t[moments]),
        **labelled("moment row column", valleys=valleys.unflatten(1, (61, 61)) / (points + 1)),
    }


def scores(
    streams: Streams, half_distance: float, perplexity: float, length: float, exaggerated: int, points: int, steps: int
):
    """The perturbation score of every point, in the picture and under PCA."""
    x, _ = two_clusters(streams, half_distance, points)
    frozen = drawn(x, perplexity, steps, exaggerated)
    return {
        **labelled(steepest=gradient(frozen.joint, frozen.y).abs().max()),
        **labelled("point axis", x=x, y=frozen.y),
        # Under a linear map in the plane every point moves by the length of the push.
        **labelled(
            "point", perturbation=perturbation_score(frozen, x, length=length), perturbation_of_pca=length + 0 * x[:, 0]
        ),
    }


def fractures(streams: Streams, perplexity: float, half_distance: float, points: int, steps: int):
    """The singularity score of every point, and whether a jittered picture would have been scored as well."""
    x, _ = two_clusters(streams, half_distance, points)
    frozen = drawn(x, perplexity, steps)
    y, p = frozen.y, frozen.joint
    jitter = streams.normal("jitter", y.shape)[0].to(y) * (0.01 * y.abs().max())
    score, off_minimum = singularity(p, y), singularity(p, y + jitter)
    return {
        **labelled(
            steepest=gradient(p, y).abs().max(),
            unsettled=score.isnan().sum(),
            accepted_off_minimum=off_minimum.isfinite().any(),
        ),
        **labelled("point axis", y=y),
        **labelled("point", singularity=score),
    }


def strangers(streams: Streams, features: str, perplexity: float, length: float, points: int, unknown: int, steps: int):
    """A picture of the digits 0 to 7 with some 8s and 9s among them that the features were not made for."""
    x, digit = digits(streams.of("known"), classes=range(8))
    x, digit = x[0].double(), digit[0]
    odd, odd_digit = digits(streams.of("unknown"), unknown, classes=(8, 9))
    shown, trained = slice(0, points), slice(points, 2 * points)
    data = torch.cat([x[shown], odd[0].double()]) / 16.0
    if features == "mlp":
        data = mlp_features(streams, x[trained] / 16.0, digit[trained], data)
    # A push of `length` typical distances to the nearest neighbour, for pixels and features have no common unit.
    near = torch.cdist(data, data).fill_diagonal_(torch.inf).amin(-1).median()
    frozen = drawn(data, perplexity, steps, exaggerated=250)
    stranger = (torch.arange(len(data)) >= points).double()
    perturbation = perturbation_score(frozen, data, length=float(length * near)).cpu()
    apart = torch.cdist(frozen.y, frozen.y).fill_diagonal_(torch.inf).amin(-1).cpu()
    shuffled = stranger[streams.permutation("shuffled", (), len(data))[0].cpu()]
    return {
        **labelled(
            auroc=roc_auc_score(stranger, perturbation),
            auroc_of_nearest=roc_auc_score(stranger, apart),
            auroc_of_shuffled=roc_auc_score(shuffled, perturbation),
            steepest=gradient(frozen.joint, frozen.y).abs().max(),
        ),
        **labelled("point axis", y=frozen.y),
        **labelled(
            "point",
            perturbation=perturbation,
            singularity=singularity(frozen.joint, frozen.y),
            digit=torch.cat([digit[shown], odd_digit[0]]),
        ),
    }


def mlp_features(streams: Streams, x: Tensor, digit: Tensor, data: Tensor) -> Tensor:
    """The 32 hidden features of a network trained on as many other known digits, for `data`."""
    start = int(streams.words("network", ())[0])
    network = MLPClassifier((32,), solver="lbfgs", alpha=1e-2, max_iter=200, random_state=start)
    network.fit(x.cpu().numpy(), digit.cpu().numpy())
    weight, bias = (torch.as_tensor(a[0]).to(data) for a in (network.coefs_, network.intercepts_))
    return (data @ weight + bias).relu()


def trials(
    points: int = POINTS,
    count: int = 6,
    perplexity: float = PERPLEXITY,
    perplexities: tuple[float, ...] = PERPLEXITIES,
    places: int = 201,
    steps: int = 1_000,
    known: int = 240,
    unknown: int = 60,
    digit_seeds: int = 4,
    fractured: int = 12,
) -> dict[str, Trial]:
    """The four experiments."""
    common = dict(points=points, steps=steps)
    return dict(
        walk=Trial(
            factors=vary(half_distance=(0.0, 2.0, 3.0), perplexity=(perplexity,)) * seeds(count),
            function=partial(walk, places=places, **common),
        ),
        scores=Trial(
            factors=vary(half_distance=(0.0, 2.5), perplexity=(perplexity,), length=(LENGTH,), exaggerated=(0,))
            * seeds(count),
            function=partial(scores, **common),
        ),
        fractures=Trial(
            factors=vary(perplexity=perplexities) * seeds(fractured),
            function=partial(fractures, half_distance=2.5, **common),
        ),
        digits=Trial(
            factors=vary(features=("pixels", "mlp")) * seeds(digit_seeds),
            function=partial(strangers, perplexity=perplexity, length=1.0, points=known, unknown=unknown, steps=steps),
        ),
    )


def settled(ds: xr.Dataset) -> xr.DataArray:
    """Largest |gradient| of the picture; infinite where a point sits on a saddle."""
    saddle = ds.unsettled > 0 if "unsettled" in ds else False
    return xr.where(saddle, np.inf, ds.steepest)


def jump_of(ds: xr.Dataset) -> xr.DataArray:
    """J: the largest step of the walk over its length."""
    return ds.jump


def jump_beyond_one(ds: xr.Dataset) -> xr.DataArray:
    """J of two clusters three standard deviations off, minus J of one Gaussian of the same seed."""
    j = unfold(ds).jump
    return j.sel(half_distance=3.0) - j.sel(half_distance=0.0)


def jump_of_pca(ds: xr.Dataset) -> xr.DataArray:
    """J of the same walk on the principal axes."""
    return ds.jump_of_pca


def _tails(ds: xr.Dataset, score: str = "perturbation") -> xr.DataArray:
    return ds[score] > 3 * ds[score].median("point")


def _off_middle(ds: xr.Dataset) -> xr.DataArray:
    return abs(ds.x.isel(axis=0))


def tail_in_middle(ds: xr.Dataset) -> xr.DataArray:
    """For each point of the tail, of all seeds: 1 if it is among the 40 % nearest to the middle, else 0.

    When no seed has such a point, each counts as a 0: nothing leaps in the middle.
    """
    off = _off_middle(ds)
    middle = off < off.quantile(0.4, "point")
    pooled = middle.astype(float).where(_tails(ds)).stack(replicate=("member", "point"))
    found = pooled.dropna("replicate").values
    return xr.DataArray(found if len(found) else np.zeros(ds.sizes["member"]), dims="replicate")


def has_tail(ds: xr.Dataset) -> xr.DataArray:
    """1 for a seed with a point that leaps over three times as far as the median, else 0."""
    return _tails(ds).any("point").astype(float)


def has_tail_of_pca(ds: xr.Dataset) -> xr.DataArray:
    """The same under PCA."""
    return _tails(ds, "perturbation_of_pca").any("point").astype(float)


def boundary_over_core(ds: xr.Dataset) -> xr.DataArray:
    """Log10 of the largest score of the 25 points nearest the middle over that of the 60 % farthest from it."""
    off = _off_middle(ds)
    rank = off.argsort(axis=-1).argsort(axis=-1) + 1
    n = ds.sizes["point"]
    boundary = ds.perturbation.where(rank <= 25).max("point")
    core = ds.perturbation.where(rank > 0.4 * n).max("point")
    return np.log10(boundary / core)


def _fracture(ds: xr.Dataset) -> xr.DataArray:
    """Log10 of the 95 % quantile of the singularity score, by seed and perplexity (NaN for one that was not drawn)."""
    quantile = np.log10(ds.singularity.quantile(0.95, "point"))
    table = quantile.to_dataset(name="q").assign_coords(perplexity=ds.perplexity, seed=ds.seed)
    return unfold(table).q.reindex(perplexity=PERPLEXITIES)


def fracture_at(low: float, ds: xr.Dataset) -> xr.DataArray:
    """Log10 of how many times larger the singularity score is at a low perplexity than at 40."""
    q = _fracture(ds)
    return q.sel(perplexity=low) - q.sel(perplexity=40.0)


def accepted_off_minimum(ds: xr.Dataset) -> xr.DataArray:
    """1 where a jittered picture would have been scored, 0 where it was refused."""
    return ds.accepted_off_minimum


def _spearman(q: xr.DataArray, order: np.ndarray) -> xr.DataArray:
    ladder = q.sel(perplexity=[5.0, 10.0, 20.0, 40.0, 60.0])
    values = ladder.transpose(..., "perplexity").values.reshape(-1, 5)
    rho = [
        spearmanr(np.arange(5)[o], v)[0] if np.isfinite(v).all() else np.nan for o, v in zip(order, values, strict=True)
    ]
    return xr.DataArray(rho, dims="seed", coords={"seed": np.atleast_1d(q.seed.values)})


def falls(ds: xr.Dataset) -> xr.DataArray:
    """Spearman's correlation of perplexity with the singularity score's 95 % quantile."""
    q = _fracture(ds)
    return _spearman(q, np.tile(np.arange(5), (q.seed.size, 1)))


def falls_shuffled(ds: xr.Dataset) -> xr.DataArray:
    """The same with the perplexities handed out at random."""
    q = _fracture(ds)
    streams = Streams(tuple(int(s) for s in np.atleast_1d(q.seed.values)), "shuffled perplexities")
    return _spearman(q, streams.permutation("order", (), 5).numpy())


def flattens(ds: xr.Dataset) -> xr.DataArray:
    """Fall of log10 of the quantile from perplexity 5 to 20, minus that from 20 to 60."""
    q = _fracture(ds)
    return q.sel(perplexity=5.0) - 2 * q.sel(perplexity=20.0) + q.sel(perplexity=60.0)


def auroc(ds: xr.Dataset) -> xr.DataArray:
    """How well the perturbation score tells strangers: 0.5 is chance."""
    return ds.auroc


def auroc_beyond_nearest(ds: xr.Dataset) -> xr.DataArray:
    """The same minus that of the distance to the nearest neighbour in the picture."""
    return ds.auroc - ds.auroc_of_nearest


def auroc_of_shuffled(ds: xr.Dataset) -> xr.DataArray:
    """The same with the strangers' labels handed out at random."""
    return ds.auroc_of_shuffled


NOWHERE = Axis(ticks=())  # the coordinates of a picture mean nothing


def _first(ds: xr.Dataset, **where: float | str) -> xr.Dataset:
    keep = np.logical_and.reduce([ds[name].values == level for name, level in where.items()])
    return ds.isel(member=int(np.flatnonzero(keep)[0]))


def _picture(title: str, ds: xr.Dataset, values: xr.DataArray, scale: Axis, marks: tuple = ()) -> Panel:
    x, y = ds.y.isel(axis=0), ds.y.isel(axis=1)
    points = Points(x, y, values=values, scale=scale, size=6.0)
    return Panel(title, x=NOWHERE, y=NOWHERE, marks=[points, *marks], equal=True)


def two_valleys(results: dict[str, xr.Dataset]) -> Figure:
    """The loss of one more point, over the picture, at four moments of the walk."""
    ds = _first(results["walk"], half_distance=3.0)
    t = ds.moment.values
    leap = int(np.flatnonzero(np.isclose(np.linspace(0, 1, ds.sizes["place"]), t[1]))[0])
    panels = []
    for i, place in enumerate((0, leap, leap + 1, ds.sizes["place"] - 1)):
        above = ds.valleys.isel(moment=i) - ds.valleys.isel(moment=i).min()
        scale = Axis("loss above its lowest", unit="nats")
        at = ds.path.isel(place=place).values
        marks = [
            Contour(ds.side, ds.side, above.values, scale=scale),
            Points(ds.y.isel(axis=0), ds.y.isel(axis=1), name="points of the picture", colour="grey", size=3.0),
            Points(at[:1], at[1:], name="where the walker settles", colour="accent", symbol="x", size=12.0),
        ]
        panels.append(Panel(f"{t[i]:.3g} of the way", x=NOWHERE, y=NOWHERE, marks=marks, equal=True))
    title = "Halfway between two clusters the loss has two valleys, and the lower one changes at once"
    caption = "Means 3 standard deviations from the middle, one seed. Second and third: just before and after the leap."
    return Figure(title, panels, caption=caption, columns=4, aspect=1.0)


def leaps(results: dict[str, xr.Dataset]) -> Figure:
    """How far along the picture the walker is, against how far along it is in the data."""
    ds = results["walk"]
    names = {0.0: "one Gaussian", 2.0: "means ±2, bridged", 3.0: "means ±3"}
    marks = []
    for half in dict.fromkeys(ds.half_distance.values.tolist()):
        path = ds.path.where(ds.half_distance == half, drop=True)
        forward = (path.isel(place=-1) - path.isel(place=0)) / 2
        middle = (path.isel(place=-1) + path.isel(place=0)) / 2
        along = ((path - middle) * forward).sum("axis") / (forward**2).sum("axis")
        t = np.linspace(0, 1, path.sizes["place"])
        for i in range(path.sizes["member"]):
            marks.append(Line(t, along.isel(member=i), name=names.get(half, f"means ±{half:g}"), opacity=0.7))
    panel = Panel(x=Axis("way in the data"), y=Axis("way in the picture"), marks=[*marks, Rule(x=0.5)])
    return Figure(
        "A steady walk between two clusters becomes a leap in the picture",
        [panel],
        caption="From one cluster's mean (-1 in the picture) to the other's (1). A line a seed.",
        legend="data",
    )


def who_leaps(results: dict[str, xr.Dataset]) -> Figure:
    """The perturbation score in the picture, and by the distance to the middle."""
    ds = results["scores"]
    panels = []
    for half, name in ((2.5, "Means ±2.5"), (0.0, "One Gaussian")):
        one = _first(ds, half_distance=half)
        panels.append(_picture(f"{name}: the picture", one, one.perturbation, Axis("perturbation score", log=True)))
    for half, name in ((2.5, "Means ±2.5"), (0.0, "One Gaussian")):
        all_ = ds.isel(member=np.flatnonzero(ds.half_distance.values == half))
        off = _off_middle(all_).values.ravel()
        score = (all_.perturbation / all_.perturbation.median("point")).values.ravel()
        x, y = Axis("distance to the middle in the data"), Axis("score / median", log=True)
        marks = [Points(off, score, colour="accent", size=4.0, opacity=0.5), Rule(y=3.0, label="tail")]
        panels.append(Panel(f"{name}: all seeds", x=x, y=y, marks=marks))
    return Figure(
        "Points that leap stand where two clusters overlap; in one Gaussian there are none",
        panels,
        caption="How far a point leaps in the picture when its data move by half a standard deviation.",
        columns=2,
    )


def how_fractured(results: dict[str, xr.Dataset]) -> Figure:
    """The singularity score in the picture at a small and a large perplexity, and its fall."""
    ds = results["fractures"]
    levels = sorted(set(ds.perplexity.values.tolist()))
    shown = [5.0 if 5.0 in levels else levels[0], 40.0 if 40.0 in levels else levels[-1]]
    panels = []
    for perplexity in shown:
        one = _first(ds, perplexity=perplexity)
        panels.append(_picture(f"Perplexity {perplexity:g}", one, one.singularity, Axis("singularity score", log=True)))
    curves = []
    for seed in dict.fromkeys(ds.seed.values.tolist()):
        one = ds.isel(member=np.flatnonzero(ds.seed.values == seed)).sortby("perplexity")
        curves.append(
            Line(one.perplexity, one.singularity.quantile(0.95, "point"), name="a seed", colour="accent", opacity=0.6)
        )
    x, y = Axis("perplexity"), Axis("95 % quantile", log=True)
    panels.append(Panel("It falls and flattens", x=x, y=y, marks=curves))
    return Figure(
        "A small perplexity breaks the picture up: its points hardly sit where they are drawn",
        panels,
        caption="Two clusters, means ±2.5. Left and middle: one seed, at the exact minimum of t-SNE's objective, where "
        "clumps drift far apart at a small perplexity.",
        columns=3,
    )


def handwritten(results: dict[str, xr.Dataset]) -> Figure:
    """Digits, coloured by what they are and by both scores."""
    one = _first(results["digits"], features="pixels")
    x, y = one.y.isel(axis=0).values, one.y.isel(axis=1).values
    digit = one.digit.values.astype(int)
    kinds = []
    for d in range(10):
        kinds.append(Points(x[digit == d], y[digit == d], name=str(d), size=5.0, symbol="x" if d > 7 else "circle"))
    panels = [
        Panel("Which digit", x=NOWHERE, y=NOWHERE, marks=kinds, equal=True),
        _picture("Perturbation score", one, one.perturbation, Axis("perturbation score", log=True)),
        _picture("Singularity score", one, one.singularity, Axis("singularity score", log=True)),
    ]
    return Figure(
        "Handwritten digits, and where to distrust their picture",
        panels,
        caption="Pixels of scikit-learn's digits, one seed; 8 and 9 (crosses) are few, as strangers are.",
        columns=3,
    )


FINISHED = Gate("every picture is at a minimum of t-SNE's objective", settled, where={}, below=SETTLED)
REFUSED = Control("a picture jittered off its minimum is refused", accepted_off_minimum, below=0.01)

study = Study(
    paper=Paper(
        "Assessing and improving reliability of neighbor embedding methods: a map-continuity perspective",
        "Zhexuan Liu, Rong Ma & Yiqiao Zhong",
        2024,
        arxiv="2410.16608",
    ),
    family="representation-geometry",
    scales=dict(
        smoke=trials(40, 2, 8.0, (5.0, 10.0), 21, 300, known=30, unknown=8, digit_seeds=1, fractured=2),
        desk=trials(),
        gpu=trials(2_000, 6, 500.0, PERPLEXITIES, 201, known=720, unknown=350, digit_seeds=6, fractured=6),
    ),
    claims=[
        Claim(
            "jump",
            "between clusters 3 standard deviations off the middle, one step in 200 makes half of the way",
            jump_of,
            of="walk",
            where=dict(half_distance=3.0),
            above=0.5,
            decides="mean",
            gate=FINISHED,
            control=Control("on the principal axes the walk is even", jump_of_pca, below=0.02),
        ),
        Claim(
            "jump-beyond-one",
            "that step is larger than in a picture of one Gaussian",
            jump_beyond_one,
            of="walk",
            where=dict(half_distance=(0.0, 3.0)),
            above=0.1,
            gate=FINISHED,
            control=Control(
                "clusters that overlap more are bridged, and nothing leaps",
                jump_of,
                where=dict(half_distance=2.0),
                below=0.2,
            ),
        ),
        Claim(
            "location",
            "of the points that leap over three times as far as the median, nine in ten stand near the middle",
            tail_in_middle,
            of="scores",
            where=dict(half_distance=2.5),
            above=0.9,
            decides="mean",
            unit="points",
            gate=FINISHED,
            control=Control("not so in one Gaussian", where=dict(half_distance=0.0), below=0.7),
        ),
        Claim(
            "tails",
            "nearly every picture of two clusters has such points",
            has_tail,
            of="scores",
            where=dict(half_distance=2.5),
            above=0.8,  # five of six
            decides="mean",
            gate=FINISHED,
            control=Control("under PCA there are none", has_tail_of_pca, below=0.2),
        ),
        Claim(
            "boundary",
            "the worst point near the middle leaps three times as far as the worst in the cores",
            boundary_over_core,
            of="scores",
            where=dict(half_distance=2.5),
            above=float(np.log10(3)),
            decides="mean",
            gate=FINISHED,
            control=Control("not so in one Gaussian", where=dict(half_distance=0.0), below=float(np.log10(2))),
        ),
        Claim(
            "boundary-interval",
            "and it leaps farther beyond doubt",
            boundary_over_core,
            of="scores",
            where=dict(half_distance=2.5),
            above=0.0,
            gate=FINISHED,
            control=Control(
                "twice as far is not reached in one Gaussian", where=dict(half_distance=0.0), below=float(np.log10(2))
            ),
        ),
        Claim(
            "fracture",
            "the singularity score at perplexity 5 is over 2.5 times that at 40, in every seed (decades)",
            partial(fracture_at, 5.0),
            of="fractures",
            above=float(np.log10(2.5)),
            decides="every",
            gate=FINISHED,
            control=REFUSED,
        ),
        Claim(
            "fracture-at-15",
            "the same at perplexity 15, in every seed (decades)",
            partial(fracture_at, 15.0),
            of="fractures",
            above=float(np.log10(2.5)),
            decides="every",
            gate=FINISHED,
            control=REFUSED,
        ),
        Claim(
            "fracture-interval",
            "and beyond doubt (decades)",
            partial(fracture_at, 15.0),
            of="fractures",
            above=float(np.log10(2.5)),
            gate=FINISHED,
            control=REFUSED,
        ),
        Claim(
            "falls",
            "the singularity score falls with perplexity (Spearman's correlation)",
            falls,
            of="fractures",
            below=-0.8,
            decides="mean",
            gate=FINISHED,
            control=Control("not when perplexities are handed out at random", falls_shuffled, between=(-0.5, 0.5)),
        ),
        Claim(
            "flattens",
            "it falls more from perplexity 5 to 20 than from 20 to 60 (decades)",
            flattens,
            of="fractures",
            above=0.0,
            decides="mean",
            gate=FINISHED,
            control=Control("no fall when perplexities are handed out at random", falls_shuffled, between=(-0.5, 0.5)),
        ),
        Claim(
            "strangers",
            "the perturbation score finds digits that the features were not made for (AUROC)",
            auroc,
            of="digits",
            where=dict(features="mlp"),
            above=0.7,
            decides="mean",
            gate=FINISHED,
            control=Control("not when they are named at random", auroc_of_shuffled, between=(0.4, 0.6)),
            scales=("gpu",),
        ),
        Claim(
            "strangers-beyond-nearest",
            "better than the distance to the nearest neighbour in the picture does (difference of AUROC)",
            auroc_beyond_nearest,
            of="digits",
            where=dict(features="mlp"),
            above=0.0,
            gate=FINISHED,
            control=Control("not when they are named at random", auroc_of_shuffled, between=(0.4, 0.6)),
            scales=("gpu",),
        ),
    ],
    figures=[two_valleys, leaps, who_leaps, how_fractured, handwritten],
    differs=[
        "160 points instead of 500, means ±2.5 and ±3 instead of ±2: at ±2 the clusters are bridged and nothing leaps.",
        "Pictures are settled at the exact minimum (largest |gradient| below 1e-7), not stopped after 1,000 steps: the "
        "singularity score needs it. At perplexity 5 the clumps then drift far apart.",
        "No early exaggeration: from a given start the paper's code uses none, and with it half of the pictures fold "
        "(higher divergence) and leap in the wrong places.",
        "Where no point leaps three times as far as the median, the share of them near the middle counts as 0.",
        "Minima are found by damped Newton steps from the paper's starts instead of BFGS.",
        "A push in the plane goes along two principal directions, both ways: 4 instead of 6.",
        "Perplexity is chosen, and its scores are compared, with 12 seeds on the desk instead of 4 and 6.",
        "Digits are pushed by the median distance to the nearest neighbour, for they have no unit of their own.",
    ],
)
