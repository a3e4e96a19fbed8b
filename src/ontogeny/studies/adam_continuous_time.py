"""Adam's updates stay bounded while beta^2 < gamma and can explode beyond it, and a normalisation layer is a second
adaptive normalisation, which k-Adam makes explicit.

Adam divides an average of gradients (decay beta) by the root of an average of their squares (decay gamma). Both forget.
If the divisor forgets more slowly, no sequence of gradients at all can make an update exceed a constant. If it forgets
faster, an update grows like exp(kappa n), kappa = ln beta - ln(gamma) / 2, for as long as gradients are quiet. Both are
exact, and the first figure shows them: the plane of (beta, gamma) with its edge, and the updates that follow a single
gradient, against their predicted slopes.

In training the edge matters where gradients do fall quiet. The row of an embedding that belongs to a rare token gets a
gradient of exactly 0 until the token comes up again, so its updates grow beyond the edge, by any kappa that time
allows; the network is none the worse for it here, for rare rows are learned faster (the caption of the second figure
has the difference in loss). An eps of 1e-3 stops it. Tokens that are all alike, with labels drawn anew at every visit,
leave no coordinate quiet, and nothing grows on either side of the edge.

A matrix in front of a normalisation layer can be lengthened without changing the output, so its gradient is orthogonal
to it, and each step lengthens it a little, which makes the next one turn it less: an adaptive step size. With a single
second moment for the whole network and no momentum this is a law, |W|^2 grows by the squared length of the step, and it
holds to a percent; without the layer it fails. Adam's second moment a coordinate breaks the law even behind the layer,
but the updates remain more nearly orthogonal to such a matrix than without.

k-Adam applies the normalisation k times. If a normalisation layer is like a second time, the layer should help 2-Adam
less than it helps Adam: the last figure compares, over learning rates.

What we see on the desk: eleven of twelve claims are reproduced. Rare tokens' updates at kappa 0.02 are 8 times those at
-0.02, with a normalisation layer and without; the law of the length holds with an R^2 of 0.998; and without the
layer Adam's updates lie 3 times as much along the matrix. Open is whether the layer helps 2-Adam less than Adam: its
advantage in loss differs by 0.005, with an interval from 0.036 less to 0.026 more over six seeds. Between seeds it
varies by 0.03 (a standard deviation): were 0.005 the true difference, some 130 seeds would tell it from none.

To vary it: `--set k=1,2,3`, `--seeds 16`, or the arguments of `experiments` below (steps, learning rates, kappas).
"""

from functools import partial
from itertools import product

import numpy as np
import torch
import xarray as xr
from scipy.stats import rankdata
from sklearn.metrics import r2_score

from ontogeny import Claim, Control, Paper, Study, Trial, every, factor, seeds, vary, zipped
from ontogeny.claims import narrow, unfold
from ontogeny.factors import Table
from ontogeny.intervals import t_interval
from ontogeny.labelled import Labelled
from ontogeny.measures.adam_stability import burst_update, gamma_for, update_bound
from ontogeny.measures.held_out import HeldOut
from ontogeny.measures.update_size import UpdateSize
from ontogeny.measures.weight_growth import WeightGrowth
from ontogeny.models.mlp import MLP
from ontogeny.report.figure import Axis, Figure, Heatmap, Line, Panel, Points, Rule, level
from ontogeny.streams import Streams
from ontogeny.tasks.digits import Digits
from ontogeny.tasks.gradient_sequences import burst, geometric, normal, worst
from ontogeny.tasks.token_lookup import TokenLookup
from ontogeny.training.experiment import Training
from ontogeny.training.k_adam import KAdam, respond
from ontogeny.training.network_rms import NetworkRMS
from ontogeny.training.optimizers import Optimizer
from ontogeny.training.steps import at

KAPPAS = (-0.05, -0.02, -0.01, 0.0, 0.01, 0.02, 0.05)
INSIDE, OUTSIDE = -0.02, 0.02
BETAS = (0.9, 0.95)
SEQUENCES = ("burst", "geometric", "constant", "normal", "worst")
SHARP, BLUNT = 1e-12, 1e-3  # eps
RATE = 1e-3
HIDDEN, READ_OUT = "layers.1.map.weight", "output.weight"


def responses(
    streams: Streams, k: int, kappas: tuple[float, ...], steps: int, horizon: int, fitted: int
) -> dict[str, Labelled]:
    """What the last of k stages makes of five sequences of gradients, at every beta and kappa.

    How large updates become over their bound, over the bound with beta and gamma exchanged, and how fast they grow over
    the last `fitted` steps. `horizon` is the length of the worst sequence.
    """
    pairs = [(beta, gamma_for(beta, kappa)) for beta, kappa in product(BETAS, kappas)]
    beta, gamma = torch.tensor(pairs, dtype=torch.float64, device=streams.device).T
    rule = KAdam(lr=0.0, k=k, beta=beta, gamma=gamma, eps=0.0, stages="naive")
    given = torch.stack([burst(steps), geometric(0.9, steps), geometric(1.0, steps), normal(streams, steps)[0].cpu()])
    long = respond(rule, given.to(beta.device).expand(len(pairs), -1, -1))
    short = respond(rule, worst(beta, gamma, horizon)[:, None])

    def share(updates: torch.Tensor, b: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        n = torch.arange(1, updates.shape[-1] + 1, device=updates.device)
        return (updates.abs() / update_bound(b[:, None, None], g[:, None, None], n)).amax(-1)

    grid = ("member", "beta", "kappa")
    coords = {"beta": BETAS, "kappa": kappas}

    def labelled(values: torch.Tensor, *dims: str, **more: tuple) -> Labelled:
        return Labelled(values.unflatten(0, (len(BETAS), -1))[None], (*grid, *dims), coords | more)

    shares = torch.cat([share(long, beta, gamma), share(short, beta, gamma)], -1)
    n = torch.arange(fitted, dtype=torch.float64, device=beta.device)
    centred = n - n.mean()
    slopes = (long[..., -fitted:].abs().log() * centred).sum(-1) / centred.square().sum()
    return {
        "bound_share": labelled(shares, "sequence", sequence=SEQUENCES),
        "exchanged_share": labelled(share(long, gamma, beta), "sequence_", sequence_=SEQUENCES[:4]),
        "growth": labelled(slopes, "sequence_", sequence_=SEQUENCES[:4]),
        "burst": labelled(long[:, 0, : min(steps, 300)], "n"),
    }


def plane(streams: Streams, cells: int, steps: int) -> dict[str, Labelled]:
    """The largest update that follows a single gradient, over the plane of beta and gamma."""
    side = torch.linspace(0.5, 0.995, cells, dtype=torch.float64, device=streams.device)
    beta, gamma = (grid.flatten() for grid in torch.meshgrid(side, side, indexing="ij"))
    updates = respond(KAdam(lr=0.0, beta=beta, gamma=gamma, eps=0.0), burst(steps).to(side).expand(len(beta), 1, -1))
    largest = updates.abs().amax((1, 2)).view(1, cells, cells)
    coords = {"beta": side.tolist(), "gamma": side.tolist()}
    return {"largest_update": Labelled(largest, ("member", "beta", "gamma"), coords)}


def edge(kappas: tuple[float, ...]) -> Table:
    """Across the edge at beta 0.9, by gamma alone."""
    return zipped(kappa=kappas, gamma=tuple(gamma_for(0.9, kappa) for kappa in kappas))


def lookups(factors: Table, task: TokenLookup, batch: int, steps: int) -> Training:
    """Networks that learn labels of tokens."""
    return Training(
        factors=factors,
        task=task,
        model=MLP(layers=3, width=32, activation="tanh", normalise=factor("normalise")),
        optimizer=KAdam(lr=RATE, gamma=factor("gamma"), eps=factor("eps")),
        batch=batch,
        steps=steps,
        measures=(UpdateSize(gamma=factor("gamma")),),
        at=every(1),
    )


def digit_networks(factors: Table, optimizer: Optimizer, steps: int, **measured) -> Training:
    """Networks that learn handwritten digits. Weights have the variance of a uniform start, +-1 / sqrt(fan in)."""
    return Training(
        factors=factors,
        task=Digits(),
        model=MLP(layers=3, width=128, normalise=factor("normalise"), init_scale=3**-0.5),
        optimizer=optimizer,
        batch=128,
        steps=steps,
        **measured,
    )


def experiments(
    kappas: tuple[float, ...] = KAPPAS,
    stages: tuple[int, ...] = (1, 2, 3),
    responded: int = 2_000,
    horizon: int = 200,
    cells: int = 40,
    tokens: int = 512,
    steps: int = 600,
    compared: int = 400,
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2),
    ks: tuple[int, ...] = (1, 2),
    count: int = 4,
    pairs: int = 6,
) -> dict[str, Trial | Training]:
    """All experiments at one scale."""
    both = vary(normalise=(False, True))
    growth = dict(measures=(WeightGrowth(matrices=(HIDDEN, READ_OUT), rate=RATE),), at=every(1))
    respond_to = partial(responses, kappas=kappas, steps=responded, horizon=horizon, fitted=min(100, responded // 2))
    return dict(
        responses=Trial(factors=vary(k=stages) * seeds(count), function=respond_to),
        plane=Trial(factors=seeds(1), function=partial(plane, cells=cells, steps=horizon)),
        rare=lookups(
            edge(kappas) * both * vary(eps=(SHARP, BLUNT)) * seeds(count), TokenLookup(vocabulary=tokens), 32, steps
        ),
        alike=lookups(
            edge((INSIDE, OUTSIDE)) * both * vary(eps=(SHARP,)) * seeds(count),
            TokenLookup(vocabulary=32, exponent=0.0, fresh=True),
            256,
            steps,
        ),
        one_moment=digit_networks(both * seeds(count), NetworkRMS(lr=RATE), steps, **growth),
        adam=digit_networks(both * seeds(count), KAdam(lr=RATE), steps, **growth),
        k_adam=digit_networks(
            vary(k=ks, lr=rates) * both * seeds(pairs),
            KAdam(lr=factor("lr"), k=factor("k")),
            compared,
            measures=(HeldOut(samples=360),),
            at=at(compared),
        ),
    )


def bound_share(ds: xr.Dataset) -> xr.DataArray:
    """The largest update over its bound, for every sequence, beta and kappa."""
    return ds.bound_share.stack(case=[*ds.bound_share.dims])


def exchanged(ds: xr.Dataset) -> xr.DataArray:
    """The most that falling gradients exceed the bound with beta and gamma exchanged, over kappa at beta 0.9."""
    return ds.exchanged_share.sel(sequence_="geometric", beta=0.9).max("kappa", skipna=False)


def bound_share_of_training(ds: xr.Dataset) -> xr.DataArray:
    """The largest update over its bound, of each network at any step."""
    return ds.bound_share.max("step", skipna=False)


def growth_error(ds: xr.Dataset) -> xr.DataArray:
    """How far the growth after a burst is from kappa, for every beta and kappa."""
    return abs(ds.growth.sel(sequence_="burst", drop=True) - ds.kappa).stack(case=["member", "beta", "kappa"])


def growth_of_constant(ds: xr.Dataset) -> xr.DataArray:
    """The size of the growth under a constant gradient, for every beta and kappa."""
    return abs(ds.growth.sel(sequence_="constant", drop=True)).stack(case=["member", "beta", "kappa"])


def largest(ds: xr.Dataset) -> xr.DataArray:
    """The largest update of any coordinate at any step, a dimension a factor."""
    return unfold(ds[["largest_update"]]).largest_update.max("step", skipna=False)


def log_ratio(ds: xr.Dataset) -> xr.DataArray:
    """Ln of the largest update at kappa 0.02 over that at -0.02, by seed."""
    by = largest(ds)
    ratio = by.sel(kappa=OUTSIDE, drop=True) / by.sel(kappa=INSIDE, drop=True)
    return ratio.copy(data=np.log(ratio.values))


def order_of_kappas(ds: xr.Dataset) -> xr.DataArray:
    """Spearman's correlation of kappa with the median over seeds of the largest update."""
    median = largest(ds).median("seed", skipna=False)
    rho = np.corrcoef(rankdata(median.kappa.values), rankdata(median.values))[0, 1]
    return xr.DataArray([rho], dims="grid")


def law_explains(ds: xr.Dataset) -> xr.DataArray:
    """R^2 of the growth of |W|^2 as the sum of squared steps, over all updates, by seed."""
    grown, law = growth_and_law(ds)
    return grown.isel(step=0, drop=True).copy(
        data=[r2_score(y, p) for y, p in zip(grown.values, law.values, strict=True)]
    )


def growth_and_law(ds: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """How much |W|^2 of the hidden matrix has grown, and the sum of squared steps, `[member, step]`."""
    square = ds.weight_square.sel(matrix=HIDDEN, drop=True).astype(float)
    steps = RATE**2 * ds.update_square.sel(matrix=HIDDEN, drop=True).astype(float).cumsum("step")
    return ((square - square.isel(step=0)).transpose("member", "step"), steps.transpose("member", "step"))


def log_alignment_ratio(ds: xr.Dataset, matrix: str = HIDDEN) -> xr.DataArray:
    """Ln of how much more updates lie along the matrix without normalisation than with, by seed."""
    by = typical_alignment(ds, matrix)
    ratio = by.sel(normalise=False, drop=True) / by.sel(normalise=True, drop=True)
    return ratio.copy(data=np.log(ratio.values))


def typical_alignment(ds: xr.Dataset, matrix: str) -> xr.DataArray:
    """Median over updates of the size of the cosine between a matrix and its update."""
    moved = ds[["alignment"]].isel(step=ds.step.values > 0)
    return abs(unfold(moved).alignment.sel(matrix=matrix, drop=True)).median("step", skipna=False)


def gap(ds: xr.Dataset) -> xr.DataArray:
    """How much normalisation lowers the held-out loss at the best learning rate of each, by k and seed."""
    best = unfold(ds[["held_out_loss"]]).held_out_loss.isel(step=-1).min("lr", skipna=False)
    return best.sel(normalise=False, drop=True) - best.sel(normalise=True, drop=True)


def gap_closed(ds: xr.Dataset) -> xr.DataArray:
    """What normalisation gains at k = 2 less what it gains at k = 1, by seed."""
    gains = gap(ds)
    return gains.sel(k=2, drop=True) - gains.sel(k=1, drop=True)


def stability(results: dict[str, xr.Dataset]) -> Figure:
    """The plane of (beta, gamma) with its edge, and what follows a single gradient on both sides of it."""
    field = results["plane"].largest_update.isel(member=0)
    beta = field.beta.values
    heat = Heatmap(
        beta,
        field.gamma.values,
        np.log10(field.transpose("gamma", "beta").values),
        scale=Axis("log10 of the largest update"),
    )
    line = Line(beta[beta**2 >= 0.5], beta[beta**2 >= 0.5] ** 2, name="beta^2 = gamma", colour="accent")
    one = narrow(results["responses"], dict(k=1)).burst.isel(member=0).sel(beta=0.9)
    n = np.arange(1, one.sizes["n"] + 1)
    marks = []
    for i, kappa in enumerate(one.kappa.values):
        colour = level(i, of=one.sizes["kappa"])
        exact = burst_update(0.9, gamma_for(0.9, kappa), torch.as_tensor(n)).numpy()
        marks.append(Line(n, abs(one.sel(kappa=kappa)), name=f"kappa {kappa:g}", colour=colour))
        marks.append(Line(n, exact, colour="ink", dash="dot", width=1.0))
    panels = [
        Panel("After a single gradient", x=Axis("beta"), y=Axis("gamma"), marks=[heat, line]),
        Panel("beta = 0.9", x=Axis("update"), y=Axis("|u|", "learning rates", log=True), marks=marks),
    ]
    return Figure(
        "Beyond beta^2 = gamma Adam's updates grow exponentially while gradients are quiet",
        panels,
        caption="One gradient of 1, then 0, eps = 0. Left: the largest of the updates that follow. Right: update by "
        "update, with the closed form dotted; its slope is kappa = ln beta - ln(gamma) / 2.",
    )


def networks(results: dict[str, xr.Dataset]) -> Figure:
    """The largest update in training on both sides of the edge."""
    names = {SHARP: "rare tokens", BLUNT: f"rare tokens, eps {BLUNT:g}"}
    panels, harms = [], []
    for normalise in (False, True):
        marks = []
        rare = narrow(results["rare"], dict(normalise=normalise))
        curves = {name: largest(narrow(rare, dict(eps=eps))) for eps, name in names.items()}
        curves["tokens all alike, new labels"] = largest(narrow(results["alike"], dict(normalise=normalise)))
        for name, by in curves.items():
            middle = by.median("seed")
            marks.append(Line(by.kappa, middle, name=name))
            marks.append(Points(by.kappa, middle, low=by.min("seed"), high=by.max("seed"), name=name))
        panels.append(
            Panel(
                "with normalisation" if normalise else "without normalisation",
                x=Axis("kappa"),
                y=Axis("largest update", "learning rates", log=True),
                marks=[*marks, Rule(x=0.0, label="edge")],
            )
        )
        harms.append(f"{harm(narrow(rare, dict(eps=SHARP)))} {'with' if normalise else 'without'} normalisation")
    return Figure(
        "Networks with rare tokens cross the same edge",
        panels,
        caption="Median and range over seeds; the largest |u| of any coordinate at any update, beta = 0.9. "
        f"Final training loss at kappa 0.02 less that at -0.02, in nats: {' and '.join(harms)}.",
        legend="what is learned",
    )


def harm(ds: xr.Dataset) -> str:
    """Mean and 95 % interval over seeds of what the far side of the edge costs in training loss."""
    tail = ds[["train_loss"]].isel(update=slice(-max(1, ds.sizes["update"] // 10), None)).mean("update")
    loss = unfold(tail).train_loss
    cost = np.atleast_1d((loss.sel(kappa=OUTSIDE) - loss.sel(kappa=INSIDE)).values)
    low, high = t_interval(cost)
    return f"{cost.mean():.2f} ({low:.2f} to {high:.2f})"


def lengthening(results: dict[str, xr.Dataset]) -> Figure:
    """Growth of the hidden matrix against the law, and how much updates lie along the matrices."""
    marks = []
    for normalise in (True, False):
        grown, law = growth_and_law(narrow(results["one_moment"], dict(normalise=normalise)))
        name = "normalised" if normalise else "not normalised"
        kept = grown.step.values > 0
        marks.append(Line(grown.step[kept], grown.mean("member")[kept], name=name))
        marks.append(
            Line(grown.step[kept], law.mean("member")[kept], name=f"{name}: sum of squared steps", dash="dash")
        )
    points = []
    for place, matrix in enumerate((HIDDEN, READ_OUT)):
        by = typical_alignment(results["adam"], matrix)
        for i, normalise in enumerate((True, False)):
            values = np.atleast_1d(by.sel(normalise=normalise).values)
            x = np.full(len(values), 2.0 * place + i)
            points.append(Points(x, values, name="normalised" if normalise else "not normalised"))
    ticks = {0.5: "hidden matrix", 2.5: "output matrix"}
    return Figure(
        "In front of a normalisation layer updates turn a matrix, and lengthen it by Pythagoras",
        [
            Panel(
                "One second moment, hidden matrix",
                x=Axis("update", log=True),
                y=Axis("growth of |W|^2", log=True),
                marks=marks,
            ),
            Panel(
                "Adam",
                x=Axis(ticks=ticks, limits=(-0.6, 3.6)),
                y=Axis("|cosine| of matrix and update", limits=(0.0, 1.0)),
                marks=points,
            ),
        ],
        caption="Left: mean over seeds. Right: median over updates, a point a seed; only the hidden matrix stands in "
        "front of a normalisation.",
    )


def second_normalisation(results: dict[str, xr.Dataset]) -> Figure:
    """Held-out loss against the learning rate, by k, with and without normalisation."""
    loss = unfold(results["k_adam"][["held_out_loss"]]).held_out_loss.isel(step=-1)
    panels = []
    for normalise in (False, True):
        marks = []
        for k in loss.k.values:
            by = loss.sel(normalise=normalise, k=k)
            marks.append(Line(by.lr, by.median("seed"), name=f"k = {k}"))
            marks.append(Points(by.lr, by.median("seed"), low=by.min("seed"), high=by.max("seed"), name=f"k = {k}"))
        panels.append(
            Panel(
                "with normalisation" if normalise else "without normalisation",
                x=Axis("learning rate", log=True),
                y=Axis("held-out loss", "nats", log=True),
                marks=marks,
            )
        )
    gains = gap(results["k_adam"])
    said = ", ".join(f"{float(gains.sel(k=k).mean()):.3f} at k = {k}" for k in gains.k.values)
    return Figure(
        "Does a second normalisation in the optimizer replace the layer?",
        panels,
        caption="Handwritten digits. Median and range over seeds. What normalisation gains at the best learning rate, "
        f"in nats: {said}.",
        legend="k-Adam",
    )


def burst_claims(normalise: bool) -> list[Claim]:
    """What is claimed of networks with and without normalisation layers alike."""
    name, said = ("normalised", "with") if normalise else ("plain", "without")
    ends = f"{said} normalisation"
    grows = Control(
        "an eps of 1e-3 stops it: the ratio is below 1.6",
        statistic=log_ratio,
        of="rare",
        where=dict(normalise=normalise, eps=BLUNT),
        below=np.log(1.6),
    )
    rare = dict(normalise=normalise, eps=SHARP)
    return [
        Claim(
            f"rare-{name}",
            f"{ends}, rare tokens' updates at kappa 0.02 exceed those at -0.02 over three times (ln of the ratio)",
            log_ratio,
            of="rare",
            where=rare,
            above=np.log(3.0),
            control=grows,
        ),
        Claim(
            f"order-{name}",
            f"{ends}, the largest update rises with kappa (Spearman's correlation above 0.9)",
            order_of_kappas,
            of="rare",
            where=rare,
            above=0.9,
            interval="none",
            unit="grids",
            control=grows,
        ),
        Claim(
            f"quiet-{name}",
            f"{ends}, nothing grows where no coordinate is quiet: the ratio is below 1.5 (its ln)",
            log_ratio,
            of="alike",
            where=rare,
            below=np.log(1.5),
            control=Control("with rare tokens it is above 3", of="rare", where=rare, above=np.log(3.0)),
        ),
    ]


CONTROL_OF_BOUND = Control(
    "with beta and gamma exchanged falling gradients exceed it 1.5 times",
    statistic=exchanged,
    of="responses",
    where=dict(k=1),
    above=1.5,
    decides="every",
)

study = Study(
    family="optimisation-theory",
    paper=Paper(
        "Continuous-Time Analysis of Adaptive Optimization and Normalization",
        "Gould & Tanaka",
        2024,
        arxiv="2411.05746",
    ),
    scales=dict(
        smoke=experiments(
            kappas=(INSIDE, OUTSIDE),
            stages=(1, 2),
            responded=60,
            horizon=30,
            cells=6,
            tokens=16,
            steps=4,
            compared=3,
            rates=(1e-3, 1e-2),
            count=2,
            pairs=2,
        ),
        desk=experiments(),
        gpu=experiments(
            tokens=4_096,
            steps=3_000,
            compared=3_000,
            rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
            ks=(1, 2, 3, 4),
            count=16,
            pairs=16,
        ),
    ),
    claims=[
        Claim(
            "bound",
            "no gradients, of five kinds and at every stage of k-Adam, give updates past the bound",
            bound_share,
            of="responses",
            below=1.0001,
            interval="none",
            unit="sequences",
            control=CONTROL_OF_BOUND,
        ),
        Claim(
            "bound-in-training",
            "no update in training is past the bound",
            bound_share_of_training,
            of="rare",
            below=1.0001,
            interval="none",
            unit="networks",
            control=CONTROL_OF_BOUND,
        ),
        Claim(
            "growth",
            "after a single gradient updates grow like exp(kappa n), to 0.001 in kappa",
            growth_error,
            of="responses",
            where=dict(k=1),
            below=1e-3,
            interval="none",
            unit="settings",
            control=Control(
                "under a constant gradient they do not grow", statistic=growth_of_constant, below=1e-6, decides="every"
            ),
        ),
        *burst_claims(normalise=False),
        *burst_claims(normalise=True),
        Claim(
            "law-of-length",
            "in front of a normalisation |W|^2 grows by the squared steps: R^2 above 0.95 with one second moment",
            law_explains,
            of="one_moment",
            where=dict(normalise=True),
            above=0.95,
            control=Control("without normalisation it does not", where=dict(normalise=False), below=0.5),
        ),
        Claim(
            "turned-by-adam",
            "without normalisation Adam's updates lie over twice as much along the hidden matrix (ln of the ratio)",
            log_alignment_ratio,
            of="adam",
            above=np.log(2.0),
            control=Control(
                "along the output matrix, which nothing normalises, they do not (below 1.25)",
                statistic=partial(log_alignment_ratio, matrix=READ_OUT),
                below=np.log(1.25),
            ),
        ),
        Claim(
            "second-normalisation",
            "normalisation lowers the held-out loss of 2-Adam by less than that of Adam",
            gap_closed,
            of="k_adam",
            below=0.0,
        ),
    ],
    figures=[stability, networks, lengthening, second_normalisation],
    differs=[
        "The condition is that of Adam in discrete time, beta^2 < gamma; the paper's, from continuous time, agrees to "
        "first order in 1 - beta and 1 - gamma.",
        "Two-layer networks on tokens and on 8 x 8 digits; the paper trains a transformer and convolutional networks.",
        "Rare tokens stand for gradients that fall quiet, so that the edge shows within 600 updates.",
        "Where the law of length is tested, one second moment serves the whole network and there is no momentum.",
        "The stages of 2-Adam share the delay of Adam: beta 0.8 and gamma 0.998 each.",
    ],
)
