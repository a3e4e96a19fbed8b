"""In-context behaviour on a mixture of Markov chains is a competition of four algorithms, and data diversity, training
time and context length decide which one wins.

A transformer reads walks on Markov chains and predicts the next state. Each walk is on one of N chains that the network
meets again and again, but nothing says which. There are two ways to know what comes next. *Retrieval* asks which of the
N known chains the walk fits and uses that chain; *inference* forgets about them and counts what has followed what in
this very walk. Either can look at pairs of states (bigram) or only at how often each state occurs (unigram). All four
are known in closed form, so a network's predictions can be taken apart into them: the weights of the mixture of the
four that comes closest to it.

The test is a walk on a chain that was never trained on. Retrieval is then lost, and inference is not. What we see: with
2 chains the network retrieves, and is worse on strange chains than one that expects nothing; with 512 chains it infers,
and is nearly as good there as on its own. Networks with 512 chains first learn to count states, for some hundred
updates, and only then to count pairs; with 2 chains no such phase shows. After four states only, even a network with
512 chains leans on what it knows of them; after 36 it counts.

Between the two extremes the four do not suffice: with 16 chains they leave a fifth to a quarter of what the network
expects on known chains. On strange chains, with 2 of them, half of the weight in the wider fit goes to an algorithm
outside the four, the mean of all known chains; with 512 it matters early on.

What to look at: the phase map, whose hue is the winning algorithm and whose strength is its weight; beside it the
divergence from the truth on strange and on known chains, and how much the order of a context matters. The last figure
says how far the decomposition can be trusted: before there is any skill to explain, the share left over is large.
A fifth and a sixth algorithm are in the wider fit, so that it is not forced: to expect every state alike, and the
mean of all known chains.

To vary it: `--set chains=2,8,32,128,512`, `--seeds 8`, or `experiment(...)` below with another width, number of layers
or `weights="dirichlet"`, which draws unequal weights for the chains as the paper does.
"""

from typing import Any

import numpy as np
import xarray as xr

from ontogeny import Claim, Control, Gate, Paper, Study, Training, factor, seeds, vary
from ontogeny.claims import unfold
from ontogeny.measures.in_context_algorithms import InContextAlgorithms
from ontogeny.models.transformer import Transformer
from ontogeny.report.curves import Curves
from ontogeny.report.figure import Axis, Figure, Heatmap, Line, Panel, category
from ontogeny.tasks.markov_mixture import MarkovMixture
from ontogeny.tasks.markov_predictors import ALGORITHMS
from ontogeny.training.optimizers import AdamW
from ontogeny.training.schedules import Warmup
from ontogeny.training.steps import Steps, at, log_spaced

PAIRS, COUNTS = ["Bi-Ret", "Bi-Inf"], ["Uni-Ret", "Uni-Inf"]
FOUR = [*PAIRS, *COUNTS]
EARLY, BEFORE = 200, 100  # steps at which a network with many chains counts states, and before it
DESK = at(0, 20, 50, 100, 200, 300, 450, 650, 900, 1_100)
FEW, MANY, MIDDLE = dict(chains=2), dict(chains=512), dict(chains=256)


def experiment(
    *,
    chains: tuple[int, ...] = (2, 16, 512),
    states: int = 5,
    length: int = 40,
    lengths: tuple[int, ...] = (4, 8, 16, 36),
    paths: int = 40,
    weights: str = "uniform",
    layers: int = 2,
    width: int = 64,
    heads: int = 2,
    mlp: int | None = None,
    lr: float = 2e-3,
    batch: int = 16,
    steps: int = 1_100,
    measured: Steps = DESK,
    seeds_: int = 4,
) -> Training:
    """Transformers that learn to continue walks on `chains` Markov chains."""
    return Training(
        factors=vary(chains=chains) * seeds(seeds_),
        task=MarkovMixture(states=states, chains=factor("chains"), length=length, weights=weights),
        model=Transformer(layers=layers, width=width, heads=heads, mlp=mlp),
        optimizer=AdamW(lr=lr, betas=(0.9, 0.95), weight_decay=0.1, schedule=Warmup(updates=50)),
        batch=batch,
        steps=steps,
        measures=(InContextAlgorithms(lengths=lengths, paths=paths),),
        at=measured,
    )


def weights_of(ds: xr.Dataset, fit: str = "four", contexts: str = "OOD") -> xr.DataArray:
    """The mixture's weights by one of the fits, at every step and length."""
    return ds.mixture.sel(fit=fit, contexts=contexts, drop=True)


def unexplained(ds: xr.Dataset) -> xr.DataArray:
    """Share of the predictions on long contexts of known chains that the four algorithms leave, at the end."""
    return ds.residual_share.sel(fit="four", contexts="ID").isel(step=-1, length=-1)


def misfit(ds: xr.Dataset) -> xr.DataArray:
    """How many times more is left when the four algorithms are asked about other contexts."""
    own = ds.residual.sel(fit="four", contexts="ID").isel(length=-1)
    return (ds.permuted_residual / own).isel(step=-1)


def retrieval_over_inference(ds: xr.Dataset) -> xr.DataArray:
    """Weight of bigram retrieval less that of bigram inference, on long contexts of strange chains, at the end."""
    last = weights_of(ds).isel(step=-1, length=-1)
    return last.sel(algorithm="Bi-Ret", drop=True) - last.sel(algorithm="Bi-Inf", drop=True)


def fresh_over_half(ds: xr.Dataset) -> xr.DataArray:
    """Weight of bigram retrieval from chains never trained on, less half of that from the training chains."""
    true = weights_of(ds).isel(step=-1, length=-1).sel(algorithm="Bi-Ret", drop=True)
    return ds.fresh_mixture.isel(step=-1).sel(algorithm="Bi-Ret", drop=True) - true / 2


def cost_of_few(ds: xr.Dataset) -> xr.DataArray:
    """How much further from the truth a network with 2 chains is than one with 512, on strange chains, by seed."""
    last = unfold(ds[["truth_kl"]]).truth_kl.sel(contexts="OOD").isel(step=-1, length=-1)
    return last.sel(chains=2) - last.sel(chains=512)


def order_of_phases(ds: xr.Dataset) -> xr.DataArray:
    """The lesser of two margins: states over pairs early on, pairs over states at the end (above 0: in this order)."""
    weights = weights_of(ds, "six").isel(length=-1)
    by_pairs = weights.sel(algorithm=PAIRS).sum("algorithm", skipna=False)
    margin = by_pairs - weights.sel(algorithm=COUNTS).sum("algorithm", skipna=False)
    early, late = -margin.sel(step=EARLY, method="nearest", drop=True), margin.isel(step=-1, drop=True)
    return (early + late - abs(early - late)) / 2


def utilisation(ds: xr.Dataset) -> xr.DataArray:
    """Bigram utilisation at the end."""
    return ds.utilisation.isel(step=-1, drop=True)


def rise_of_utilisation(ds: xr.Dataset) -> xr.DataArray:
    """Bigram utilisation at the end less that at step 100."""
    return utilisation(ds) - ds.utilisation.sel(step=BEFORE, method="nearest", drop=True)


def retrieval_lost_with_length(ds: xr.Dataset) -> xr.DataArray:
    """Weight of bigram retrieval on the shortest contexts less that on the longest, at the end."""
    retrieval = weights_of(ds).isel(step=-1).sel(algorithm="Bi-Ret")
    return retrieval.isel(length=0, drop=True) - retrieval.isel(length=-1, drop=True)


def margin_of_retrieval(ds: xr.Dataset) -> xr.DataArray:
    """Bigram retrieval's lead over the best other of the four, the least over short, middle and long contexts."""
    last = weights_of(ds).isel(step=-1, length=[0, -2, -1])
    others = last.sel(algorithm=FOUR[1:]).max("algorithm", skipna=False)
    return (last.sel(algorithm="Bi-Ret", drop=True) - others).min("length", skipna=False)


def winner_changes(ds: xr.Dataset) -> xr.DataArray:
    """Whether another of the six algorithms wins on the longest contexts than on the shortest, at the end."""
    winner = weights_of(ds, "six").isel(step=-1).argmax("algorithm", skipna=False)
    return winner.isel(length=0, drop=True) != winner.isel(length=-1, drop=True)


def rise_after_minimum(ds: xr.Dataset) -> xr.DataArray:
    """`[chains, seed]`: by what share OOD divergence ends above its least value; 0 where ID divergence rises too."""
    kl = unfold(ds[["truth_kl"]]).truth_kl.isel(length=-1)
    strange, known = kl.sel(contexts="OOD"), kl.sel(contexts="ID")
    least = strange.min("step", skipna=False)
    there = known.isel(step=strange.argmin("step", skipna=False))
    return (strange.isel(step=-1) / least - 1).where(known.isel(step=-1, drop=True) <= there, 0.0)


def transience(ds: xr.Dataset) -> xr.DataArray:
    """The rise by seed at the number of chains, of those between least and greatest, where its mean is greatest."""
    rise = rise_after_minimum(ds).isel(chains=slice(1, -1))
    return rise.isel(chains=int(np.argmax(rise.mean("seed").values)))


def no_transience_at_the_ends(ds: xr.Dataset) -> xr.DataArray:
    """The greater of the rise with the most chains and of the dip with the fewest (card: N = 4 and 2,048)."""
    strange = unfold(ds[["truth_kl"]]).truth_kl.sel(contexts="OOD").isel(length=-1)
    few = strange.isel(chains=0, drop=True)
    dip = 1 - few.min("step") / few.isel(step=0, drop=True)
    rise = rise_after_minimum(ds).isel(chains=-1, drop=True)
    return (rise + dip + abs(rise - dip)) / 2


HUES = [category(i) for i in range(len(FOUR))] + ["grey", category(4)]


def phase_map(results: dict[str, xr.Dataset]) -> Figure:
    """Which algorithm wins on strange chains: number of chains against steps, after a short and a long context."""
    weights = weights_of(unfold(results["main"][["mixture"]]), "six").mean("seed")
    panels = []
    for length in weights.length.values[[0, -1]]:
        here = weights.sel(length=length).isel(step=slice(1, None)).transpose("chains", "step", "algorithm")
        marks = [
            Heatmap(
                here.step.values,
                here.chains.values,
                here.values.argmax(-1),
                categories=ALGORITHMS,
                colours=HUES,
                opacity=here.values.max(-1),
            )
        ]
        panels.append(
            Panel(
                f"after {length} states",
                x=Axis("step", log=True),
                y=Axis("training chains", log=True, ticks={float(n): f"{n:g}" for n in here.chains.values}),
                marks=marks,
            )
        )
    return Figure(
        "Diversity of data, training time and context length decide which algorithm wins",
        panels,
        caption="Hue: the algorithm with the greatest weight in the six-way fit on contexts of chains never trained "
        "on, mean over seeds. Strength of colour: its weight.",
        legend="winner",
    )


def divergence(results: dict[str, xr.Dataset]) -> Figure:
    """KL from the chain walked to the network against steps, on strange and on known chains."""
    return Curves(
        "truth_kl",
        colour="chains",
        columns="contexts",
        where=dict(length=int(results["main"].length[-1])),
        log_x=True,
        label="KL(chain || network)",
        title="With few chains the network never learns to predict strange ones",
        caption="After the longest contexts. OOD: chains never trained on; ID: the network's own. "
        "Median over seeds, with a band from the least to the greatest value.",
    )(results)


def use_of_order(results: dict[str, xr.Dataset]) -> Figure:
    """Bigram utilisation against steps, by number of chains, with the one-layer network at the end."""
    figure = Curves(
        "utilisation",
        colour="chains",
        log_x=True,
        label="bigram utilisation",
        title="The order of a context comes to matter late, and needs two layers",
        caption="0: shuffling a context of a strange chain changes nothing; 1: it changes as much as for bigram "
        "inference. Dashed: a one-layer attention-only network with 512 chains. Median over seeds, with their range.",
    )(results)
    shallow = results["one_layer"].utilisation.median("member")
    (panel,) = figure.panels
    line = Line(shallow.step.values, shallow.values, name="one layer", colour="grey", dash="dash")
    return Figure(
        figure.title,
        [Panel(panel.title, x=panel.x, y=panel.y, marks=[*panel.marks, line])],
        caption=figure.caption,
        legend=figure.legend,
    )


def trust(results: dict[str, xr.Dataset]) -> Figure:
    """The share of the network's predictions that the four algorithms leave unexplained, against steps."""
    return Curves(
        "residual_share",
        colour="chains",
        columns="contexts",
        where=dict(length=int(results["main"].length[-1]), fit="four"),
        log_x=True,
        log_y=True,
        label="share left by the four algorithms",
        title="How far the four algorithms explain the network",
        caption="Residual of the four-way fit over KL(network || uniform), longest contexts. Early on the denominator "
        "is a few hundredths of a nat and the share means little. Median over seeds, with their range.",
    )(results)


SHALLOW: dict[str, Any] = dict(
    chains=(512,), layers=1, mlp=0
)  # one layer of attention cannot find what followed a state earlier
PAPER: dict[str, Any] = dict(states=10, length=512, lengths=(4, 16, 64, 400), heads=4, lr=6e-4, batch=128, steps=20_000)
TINY: dict[str, Any] = dict(
    states=3, length=10, lengths=(4, 8), paths=6, width=16, batch=4, steps=12, measured=at(0, 6, 12), seeds_=2
)

study = Study(
    paper=Paper(
        "Competition Dynamics Shape Algorithmic Phases of In-Context Learning",
        "Park, Lubana, Pres & Tanaka",
        2024,
        arxiv="2412.01003",
    ),
    family="in-context-learning",
    differs=[
        "Desk: 5 states, walks of 40, batches of 16, learning rate 2e-3 and 1,100 updates; the paper has 10 states, "
        "512, 128, 6e-4 and 107,979.",
        "All chains have the same weight; the paper draws the weights.",
        "Unigram inference counts states, (count + 1) / (length + k); the paper takes the stationary law of the "
        "matrix that bigram inference estimates.",
        "Two more algorithms stand in the fit beside the paper's four: uniform, and the mean of the training chains.",
        "On the GPU: 7 numbers of chains and 20,000 updates.",
    ],
    scales=dict(
        smoke={
            "main": experiment(chains=(2, 512), **TINY),
            "one_layer": experiment(**TINY | SHALLOW),
        },
        desk={
            "main": experiment(),
            "one_layer": experiment(**SHALLOW, lengths=(36,), measured=at(100, 300, 1_100)),
        },
        gpu={
            "main": experiment(chains=(2, 4, 16, 64, 256, 512, 2048), **PAPER, measured=log_spaced(30)),
            "one_layer": experiment(**PAPER | SHALLOW, measured=log_spaced(6)),
        },
    ),
    claims=[
        Claim(
            "C1",
            "on known chains the four algorithms leave less than 15% of what the network expects (median)",
            unexplained,
            below=0.15,
            decides="median",
            unit="networks",
            control=Control(
                "their predictions for other contexts leave over 3 times as much", misfit, above=3.0, decides="median"
            ),
        ),
        Claim(
            "C2-few",
            "with 2 chains the network retrieves: on strange chains bigram retrieval outweighs inference by over 0.3",
            retrieval_over_inference,
            where=FEW,
            above=0.3,
            decides="mean",
            gate=Gate("its interval over seeds lies above 0", retrieval_over_inference, above=0.0, decides="interval"),
            control=Control(
                "retrieval from two chains never trained on gets at most half of the weight", fresh_over_half, below=0.0
            ),
        ),
        Claim(
            "C2-many",
            "with 512 chains the network infers: on strange chains bigram inference outweighs retrieval by over 0.3",
            retrieval_over_inference,
            where=MANY,
            below=-0.3,
            decides="mean",
            gate=Gate("its interval over seeds lies below 0", retrieval_over_inference, below=0.0, decides="interval"),
            control=Control("with 2 chains it does not", where=FEW, above=0.0),
        ),
        Claim(
            "C2-cost",
            "on strange chains the network with 2 chains is at least 0.2 nats further from the truth than with 512",
            cost_of_few,
            above=0.2,
            control=Control(
                "retrieval from two chains never trained on gets at most half of the weight",
                fresh_over_half,
                where=FEW,
                below=0.0,
            ),
        ),
        Claim(
            "C3-order",
            "with 512 chains counting states outweighs pairs at step 200, and pairs outweigh states at the end",
            order_of_phases,
            where=MANY,
            above=0.0,
            decides="every",
            control=Control(
                "one layer of attention ends with a bigram utilisation below 0.4",
                utilisation,
                where={},
                of="one_layer",
                below=0.4,
            ),
            scales=("desk",),
        ),
        Claim(
            "C3-rise",
            "with 512 chains bigram utilisation rises by over 0.4 on average from step 100 to the end",
            rise_of_utilisation,
            where=MANY,
            above=0.4,
            decides="mean",
            gate=Gate("its interval over seeds lies above 0", rise_of_utilisation, above=0.0, decides="interval"),
            control=Control(
                "one layer of attention ends with a bigram utilisation below 0.4",
                utilisation,
                where={},
                of="one_layer",
                below=0.4,
            ),
            scales=("desk",),
        ),
        Claim(
            "C4",
            "with 512 chains bigram retrieval has over 0.15 more weight after 4 states than after the longest context",
            retrieval_lost_with_length,
            where=MANY,
            above=0.15,
            decides="mean",
            gate=Gate(
                "its interval over seeds lies above 0", retrieval_lost_with_length, above=0.0, decides="interval"
            ),
            control=Control(
                "with 2 chains bigram retrieval wins at every length",
                margin_of_retrieval,
                where=FEW,
                above=0.0,
                decides="every",
            ),
        ),
        Claim(
            "C4-winner",
            "with 256 chains another algorithm wins after 400 states than after 4",
            winner_changes,
            where=MIDDLE,
            above=0.5,
            decides="every",
            control=Control("with 2 chains the same one does", where=FEW, below=0.5, decides="every"),
            scales=("gpu",),
        ),
        Claim(
            "C5",
            "for some number of chains the divergence on strange ones falls and then rises by over 20%, while that on "
            "known ones keeps falling",
            transience,
            above=0.2,
            control=Control(
                "with the most chains it does not rise and with the fewest it never falls, by as much",
                no_transience_at_the_ends,
                below=0.2,
                decides="every",
            ),
            scales=("gpu",),
        ),
    ],
    figures=[phase_map, divergence, use_of_order, trust],
)
