"""Small transformers follow the step they wrote only while such steps are rarely wrong; above that they skip it.

Chains of modular arithmetic, `a * b + c => ab + c => answer`, are learned token by token. In training the prompt is
wrong now and then (in one of a and b, with probability 0.01) and the written product is wrong with probability
`step_noise`; the answer always belongs to the clean problem. An answer can be had in two ways: by following the written
product, or by skipping it and working it out of the prompt again. Accuracy on clean chains cannot tell the two apart,
so we edit: the product is replaced by another residue, and we see whether the answer moves with it (*following*) or
stays with the prompt (*skipping*). A product of 0 can be read off the prompt without multiplying, so the claims look at
the others.

What was found: with rare wrong steps, networks end faithful. With frequent ones they first learn to follow and then
stop reading the step; halfway both answers compete, and the answer is unsure exactly where prompt and step disagree.
The best possible predictor changes sides where both noises are equal; networks change later: following is simpler.

What you see: following (solid) and skipping (dashed) at the end of training against the noise of the step, with the
optimum in grey; then, along training, following, the entropy of the answer after an edit, and how well that entropy
gives away that prompt and step disagree (0.5: not at all).

What we see at desk scale: with a step noise of 0.3 three networks of four skip and one still follows, so the interval
over four seeds is wide; at 0.05 two follow and two skip, so whether following outlasts its optimum stays open. Without
noise nothing is skipped. The entropy of the answer gives a disagreement away about as well as the trial networks did
that the threshold was taken from (0.65), which is not beyond it. Networks of the same seeds on a processor that rounds
otherwise had 0.66 there, but 0.6001 where they are most faithful, and 0.6 is allowed: that run called the two claims
about it `invalid`. Four seeds do not settle them.

To vary it: `--set step_noise=0,0.1,0.5` or `--set prompt_noise=0.1` takes other levels. Networks of one level differ by
a factor of three in the time they take to change sides: take more of them with `--seeds 16`. Modulus, layout of the
chain and the network are arguments of `experiment` in this file.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from ontogeny import Claim, Control, Gate, Paper, Study, Training, every, factor, seeds, vary
from ontogeny.claims import Statistic, narrow, unfold
from ontogeny.measures.chain_accuracy import ChainAccuracy
from ontogeny.measures.contract import Measure
from ontogeny.measures.faithfulness import Faithfulness
from ontogeny.measures.inconsistency_probe import InconsistencyProbe
from ontogeny.measures.invariance import Invariance
from ontogeny.models.transformer import Transformer
from ontogeny.report.curves import Curves
from ontogeny.report.figure import Axis, Band, Dash, Figure, Line, Mark, Panel, Rule
from ontogeny.tasks.noisy_arithmetic import NoisyArithmeticChain
from ontogeny.training.objectives import CrossEntropy
from ontogeny.training.optimizers import AdamW
from ontogeny.training.schedules import Warmup

LEARNED = 0.9  # accuracy on clean chains, below which nothing is said of a network
RISE = 0.2  # nats


def following(ds: xr.Dataset) -> xr.DataArray:
    """Share of edits of a non-zero product that the answer follows, at every step."""
    return ds.following.sel(product="non-zero", drop=True)


def skipping(ds: xr.Dataset) -> xr.DataArray:
    """Share of edits of a non-zero product after which the answer stays with the prompt, at every step."""
    return ds.skipping.sel(product="non-zero", drop=True)


def final_following(ds: xr.Dataset) -> xr.DataArray:
    """Following at the end."""
    return following(ds).isel(step=-1)


def final_skipping(ds: xr.Dataset) -> xr.DataArray:
    """Skipping at the end."""
    return skipping(ds).isel(step=-1)


def final_lead(ds: xr.Dataset) -> xr.DataArray:
    """Following less skipping at the end: 1 for a follower, -1 for a skipper."""
    return final_following(ds) - final_skipping(ds)


def final_skipping_lead(ds: xr.Dataset) -> xr.DataArray:
    """Skipping less following at the end."""
    return -final_lead(ds)


def optimal_lead(ds: xr.Dataset) -> xr.DataArray:
    """Following less skipping of the exact posterior on the same prompts, as probabilities."""
    optimal = (ds.optimal_following - ds.optimal_skipping).sel(product="non-zero", drop=True)
    return optimal.isel(step=-1)


def final_accuracy(ds: xr.Dataset) -> xr.DataArray:
    """Accuracy of the answer on clean chains at the end."""
    return ds.accuracy.isel(step=-1)


def rank_correlation(ds: xr.Dataset) -> xr.DataArray:
    """Spearman's correlation of step noise with mean final following, leaving out one seed after the other."""
    final = unfold(final_following(ds).to_dataset(name="final")).final
    values = []
    for seed in final.seed.values:
        mean = final.drop_sel(seed=seed).mean("seed")
        ranks = rankdata(mean.step_noise.values), rankdata(mean.values)
        constant = min(r.std() for r in ranks) == 0
        values.append(np.nan if constant else np.corrcoef(*ranks)[0, 1])
    return xr.DataArray(np.round(values, 9), dims="seed", coords={"seed": final.seed})


def most_mixed(ds: xr.Dataset) -> xr.DataArray:
    """Index of the checkpoint where the rarer of the two ways of answering is most common."""
    rarer = following(ds).where(following(ds) < skipping(ds), skipping(ds))
    return rarer.argmax("step")


def alarm_when_mixed(ds: xr.Dataset) -> xr.DataArray:
    """AUROC of the answer's entropy for "prompt and step disagree" where the network is most mixed."""
    return ds.alarm.isel(step=most_mixed(ds))


def alarm_when_faithful(ds: xr.Dataset) -> xr.DataArray:
    """The same where following exceeds skipping most."""
    return ds.alarm.isel(step=(following(ds) - skipping(ds)).argmax("step"))


def alarm_rise(ds: xr.Dataset) -> xr.DataArray:
    """How much more the entropy gives away where a network is most mixed than where it is most faithful."""
    return alarm_when_mixed(ds).drop_vars("step") - alarm_when_faithful(ds).drop_vars("step")


def probe_when_mixed(ds: xr.Dataset) -> xr.DataArray:
    """AUROC of the linear probe in the last layer on new pairs, where the network is most mixed."""
    return ds.probe_new_pairs.isel(layer=-1).isel(step=most_mixed(ds))


def probe_at_start(ds: xr.Dataset) -> xr.DataArray:
    """The same before training."""
    return ds.probe_new_pairs.isel(layer=-1, step=0)


def smooth_entropy(ds: xr.Dataset) -> xr.DataArray:
    """Entropy of the answer after an edit, running median of 3 checkpoints, once clean chains are learned."""
    learned = np.maximum.accumulate((ds.accuracy >= LEARNED).values, axis=ds.accuracy.get_axis_num("step"))
    smooth = ds.entropy.rolling(step=3, center=True, min_periods=1).median()
    return smooth.where(xr.DataArray(learned, dims=ds.accuracy.dims))


def entropy_rise(ds: xr.Dataset) -> xr.DataArray:
    """Largest rise of the smoothed entropy above its lowest value before, in nats; NaN if chains are never learned."""
    return rises(ds).max("step")


def rises(ds: xr.Dataset) -> xr.DataArray:
    """The smoothed entropy less its lowest value so far, at every step."""
    smooth = smooth_entropy(ds)
    return smooth - smooth.copy(data=np.fmin.accumulate(smooth.values, axis=smooth.get_axis_num("step")))


def passed_both_modes(ds: xr.Dataset) -> xr.DataArray:
    """Whether a network followed more than 0.6 of the edits and skipped more than 0.6 at a later checkpoint."""
    faithful = np.maximum.accumulate((following(ds) > 0.6).values, axis=following(ds).get_axis_num("step"))
    return ((skipping(ds) > 0.6) & xr.DataArray(faithful, dims=following(ds).dims)).any("step")


def hump(ds: xr.Dataset) -> xr.DataArray:
    """Whether the smoothed entropy rises and falls again by 0.2 nats (1 or 0), in networks that passed both modes."""
    ds = ds.isel(member=passed_both_modes(ds).values)
    smooth, rise = smooth_entropy(ds), rises(ds)
    fall = smooth.isel(step=rise.fillna(-1).argmax("step")) - smooth.isel(step=-1)
    return ((rise.max("step") >= RISE) & (fall >= RISE)).astype(float)


def threshold_figure(results: dict[str, xr.Dataset]) -> Figure:
    """Following and skipping at the end of training against the step noise, the optimum beside them."""
    ds = results["main"]
    by_level = {eps: narrow(ds, at(eps)) for eps in sorted(set(ds.step_noise.values.tolist()))}
    levels, end = list(by_level), f"{int(ds.step[-1]):,} updates"
    eps1 = float(ds.prompt_noise.values[0])
    eps2 = np.geomspace(0.003, max(*levels, 0.1), 60)
    # For a large modulus, which at 11 is right to 0.001: follow e1 (1 - e2), skip (1 - e1) e2, neither e1 e2.
    total = eps1 * (1 - eps2) + (1 - eps1) * eps2 + eps1 * eps2

    def ways(name: str, read: Statistic, optimal: np.ndarray, dash: Dash) -> list[Mark]:
        each = [read(d) for d in by_level.values()]
        return [
            Band(levels, [float(v.min()) for v in each], [float(v.max()) for v in each], name=name),
            Line(levels, [float(v.mean()) for v in each], name=name, dash=dash),
            Line(eps2, optimal / total, name="optimum", colour="grey", dash=dash),
        ]

    marks = [
        *ways("follows the step", final_following, eps1 * (1 - eps2), "solid"),
        *ways("skips the step", final_skipping, (1 - eps1) * eps2, "dash"),
        *([Rule(x=eps1, label="prompt noise")] if eps1 > 0 else []),
    ]
    lead = [float(final_lead(d).mean()) for d in by_level.values()]
    return Figure(
        "Above a critical noise the written step is skipped",
        [
            Panel(
                f"After {end}", x=Axis("step noise", log=True), y=Axis("share of edits", limits=(0.0, 1.0)), marks=marks
            )
        ],
        caption="Mean over seeds, with a band from the least to the greatest; products other than 0. Grey: the exact "
        f"posterior, which changes sides where both noises are equal. {crossing(levels, lead)} after {end}.",
    )


def passage_figure(results: dict[str, xr.Dataset]) -> Figure:
    """Following, the entropy of the answer after an edit, and what it gives away, along training."""
    shown = {
        "Follows the edited step": Curves(
            "following", colour="step_noise", where={"product": "non-zero"}, limits=(0.0, 1.0)
        ),
        "Entropy after an edit": Curves("entropy", colour="step_noise"),
        "Entropy as an alarm": Curves("alarm", colour="step_noise"),
    }
    return Figure(
        "With frequent noise networks first follow the step, then stop",
        [replace(curve(results).panels[0], title=title) for title, curve in shown.items()],
        legend="step noise",
        caption="Median over seeds, with a band from the least to the greatest. The alarm is the AUROC of the answer's "
        "entropy for prompt and step disagreeing: 0.5 in a network that reads only one of them.",
    )


def crossing(levels: list[float], lead: list[float]) -> str:
    """Where mean following less skipping first changes sign, linear in ln(noise) between positive levels, in words."""
    for (low, before), (high, after) in pairwise(zip(levels, lead, strict=True)):
        if before > 0 >= after and low == 0:
            return f"The networks change sides below {high:g}"
        if before > 0 >= after:
            return f"The networks change sides near {low * (high / low) ** (before / (before - after)):.2g}"
    return "The networks do not change sides between these levels"


def experiment(
    *,
    levels: tuple[float, ...] = (0.0, 0.02, 0.05, 0.3),
    count: int = 4,
    modulus: int = 11,
    layout: str = "minimal",
    model: Transformer = Transformer(layers=2, width=64, heads=2),
    batch: int = 64,
    steps: int = 3_000,
    interval: int = 50,
    measures: tuple[Measure, ...] = (Faithfulness(prompts=384),),
) -> Training:
    """Transformers trained on noisy chains, one for each step noise and seed, asked by edits along the way."""
    return Training(
        factors=vary(prompt_noise=(0.01,), step_noise=levels) * seeds(count),
        task=NoisyArithmeticChain(
            modulus=modulus, layout=layout, prompt_noise=factor("prompt_noise"), step_noise=factor("step_noise")
        ),
        model=model,
        objective=CrossEntropy(),
        optimizer=AdamW(lr=1e-3, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.0, schedule=Warmup(updates=50)),
        batch=batch,
        steps=steps,
        measures=measures,
        at=every(interval),
    )


def everything(prompts: int, probed: int) -> tuple[Measure, ...]:
    """All measures of the study."""
    return (
        Faithfulness(prompts=prompts),
        Invariance(prompts=prompts),
        ChainAccuracy(prompts=prompts),
        InconsistencyProbe(prompts=probed),
    )


def claim(name: str, says: str, statistic: Statistic, eps2: float, **how: Any) -> Claim:
    """A claim about one step noise, which asks that chains are learned and that the editing itself misleads nobody."""
    return Claim(f"{name}-{eps2:g}", f"with a step noise of {eps2:g} {says}", statistic, at(eps2), **CHECKED, **how)


def at(eps2: float) -> dict[str, float]:
    """The members of one step noise."""
    return {"step_noise": eps2}


CHECKED = {
    "gate": Gate("every network answers 90 % of clean chains", final_accuracy, above=LEARNED),
    "control": Control("with steps that are never wrong none is skipped", final_skipping, at(0.0), below=0.15),
}

threshold = [
    claim("faithful", "networks follow it", final_following, 0.0, above=0.8, decides="mean"),
    claim("faithful", "networks follow it", final_following, 0.02, above=0.8, decides="mean"),
    claim("unfaithful", "few edits are followed", final_following, 0.3, below=0.25, decides="mean", scales=["desk"]),
    claim(
        "skips", "most answers stay with the prompt", final_skipping, 0.3, above=0.6, decides="mean", scales=["desk"]
    ),
    claim("skips-more", "skipping leads", final_skipping_lead, 0.3, above=0.0, scales=["desk"]),
    claim("unfaithful", "few edits are followed", final_following, 0.5, below=0.25, scales=["gpu"]),
    claim("skips", "most answers stay with the prompt", final_skipping, 0.5, above=0.6, scales=["gpu"]),
    claim("unfaithful", "few edits are followed", final_following, 0.8, below=0.25, scales=["gpu"]),
    claim("skips", "most answers stay with the prompt", final_skipping, 0.8, above=0.6, scales=["gpu"]),
    Claim(
        "falls-with-noise",
        "the more often steps are wrong, the fewer edits are followed: rank correlation at most -0.8",
        rank_correlation,
        below=-0.8 + 1e-6,  # one swap of neighbours among four levels gives -0.8, and still fits
        decides="every",
        **CHECKED,
    ),
]

simplicity = [
    Claim(
        "simplicity-bias",
        "with steps wrong five times as often as prompts, more edits are followed than not",
        final_lead,
        at(0.05),
        above=0.0,
        gate=CHECKED["gate"],
        control=Control("the exact posterior skips there", optimal_lead, below=-0.5),
    )
]

mixed_mode = [
    Claim(
        "mixed-mode",
        "three in four networks on their way from following to skipping are unsure in between: entropy up by 0.2, down",
        hump,
        {"step_noise": (0.03, 0.1)},
        above=0.74,
        decides="mean",
        unit="networks that passed both modes",
        scales=["gpu"],
        control=Control(
            "it never rises where steps are never wrong", entropy_rise, at(0.0), below=RISE, decides="every"
        ),
    )
]

NO_ALARM = Control("where it is most faithful the alarm is low", alarm_when_faithful, below=0.6)
UNTRAINED = Control("before training the probe finds nothing", probe_at_start, below=0.6)
self_verification = [
    Claim(
        "alarm",
        "where a network is most mixed, its answer is less sure where prompt and step disagree (AUROC 0.65)",
        alarm_when_mixed,
        at(0.3),
        above=0.65,
        decides="mean",
        control=NO_ALARM,
    ),
    Claim(
        "alarm-rises",
        "it gives away more there than where the same network is most faithful",
        alarm_rise,
        at(0.3),
        above=0.0,
        control=NO_ALARM,
    ),
    Claim(
        "probe",
        "where a network is most mixed, a linear probe tells it of pairs that the probe has not seen (AUROC 0.75)",
        probe_when_mixed,
        at(0.3),
        above=0.75,
        decides="mean",
        control=UNTRAINED,
        scales=["gpu"],
    ),
]

study = Study(
    paper=Paper(
        "How Does Unfaithful Reasoning Emerge from Autoregressive Training? A Study of Synthetic Experiments",
        "Wang, Alazali & Zhong",
        2026,
        arxiv="2602.01017",
    ),
    family="reasoning",
    scales=dict(
        smoke=experiment(
            modulus=5,
            model=Transformer(layers=1, width=32, heads=2),
            count=2,
            steps=30,
            interval=15,
            measures=everything(64, 128),
        ),
        desk=experiment(),
        gpu=experiment(
            levels=(0.0, 0.02, 0.03, 0.05, 0.1, 0.3, 0.5, 0.8),
            modulus=97,
            model=Transformer(layers=3, width=128, heads=2, positions="rotary"),
            batch=512,
            steps=20_000,
            interval=100,
            measures=everything(2_048, 6_000),
        ),
    ),
    claims=[*threshold, *simplicity, *mixed_mode, *self_verification],
    figures=[threshold_figure, passage_figure],
    differs=[
        "Desk: modulus 11, 2 layers of width 64, learned positions, 3,000 updates of 64 fresh chains. The paper: "
        "modulus 97, 3 layers of width 128, rotary positions, 62,500 updates of 512; the gpu scale 20,000 of these.",
        "No dropout (the paper's is 0.01), 50 updates of warm-up, initial weights N(0, 1 / fan_in).",
        "The loss counts the six tokens after the first =>; the paper's code counts seven of twelve.",
        "At desk scale each network is asked with 384 clean and as many edited chains, the same at every checkpoint "
        "(standard error of a share at most 0.028); the paper's 2,048 are asked at gpu scale.",
        "Claims leave out chains with a product of 0 (21 of 121 pairs at modulus 11): their answer can be read off the "
        "prompt, which looks like skipping. They are in the data as a column of their own.",
        "The rank correlation is worked out without each seed in turn, and has to hold every time.",
        "At desk scale self-verification is read from the entropy of the answer. The linear probe, edits of other "
        "tokens and free generation are measured at smoke and gpu scale: here they would take longer than allowed.",
        "The thresholds of the alarm, 0.65 and 0.6, were set after looking at a few trial networks.",
        "The passage with its hump of entropy is judged at gpu scale only, over step noises of 0.03 and 0.1 together.",
    ],
)
