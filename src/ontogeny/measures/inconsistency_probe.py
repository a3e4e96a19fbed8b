"""Inconsistency probe: whether a network's state at the last => tells that prompt and step disagree."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.interventions.token_edit import TokenEdit
from ontogeny.labelled import Labelled
from ontogeny.measures.auroc import auroc
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.logistic_regression import fit_logistic, logit, standardise
from ontogeny.measures.reading import chain_task
from ontogeny.models.sites import record
from ontogeny.streams import Streams

HELD_OUT = 0.3  # of the pairs (a, b), or of the prompts


def held_out_auroc(
    x: Float[Tensor, "member sample feature"],
    y: Bool[Tensor, "member sample"],
    fitted: Bool[Tensor, "member sample"],
    tested: Bool[Tensor, "member sample"],
    *,
    ridge: float = 1.0,
) -> Float[Tensor, "member"]:
    """AUROC, on the samples `tested`, of a logistic regression of y on x made on the samples `fitted`.

    Features are standardised by the fitted samples. NaN where one class is missing among those tested.
    """
    x = standardise(x, fitted)
    return auroc(logit(x, fit_logistic(x, y, fitted, ridge=ridge)), y, tested)


def held_out_pairs(
    streams: Streams, a: Int[Tensor, "member sample"], b: Int[Tensor, "member sample"], p: int
) -> Bool[Tensor, "member sample"]:
    """Which samples have one of the 30 % of all pairs (a, b) that each member holds out."""
    order = streams.permutation("pairs", (1,), p * p)[:, 0]
    out = torch.zeros_like(order, dtype=torch.bool).scatter(-1, order[:, : int(HELD_OUT * p * p)], True)
    return out.gather(-1, a * p + b)


class InconsistencyProbe(Measure):
    """Linear probe, layer by layer, for [E1 and E2 disagree] in the residual stream where the answer is predicted.

    On noise-free chains with half of the products in E2 edited, those with a product of 0 left out, a logistic
    regression is fitted and judged by its AUROC (0.5: nothing is encoded linearly; 1: all of it) on samples held out:
    `probe_new_pairs` on pairs (a, b) that it has not seen, 30 % of all, which a table of pairs cannot answer; and
    `probe_new_prompts` on 30 % of the prompts at random. NaN in members that diverged.

    Cost: a forward pass over `prompts` chains and, a layer, 2 * 16 * prompts * width^2 multiplications.
    """

    prompts: int = 6_000
    ridge: float = 1.0

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Both, by layer, at one checkpoint."""
        task = chain_task(at)
        streams = at.streams.of("inconsistency probe")
        batch = task.clean(streams, self.prompts)
        tokens = TokenEdit(role="E2.product", share=0.5)(task, batch.inputs, streams.of("edit"))
        disagree = (tokens != batch.inputs).any(-1)
        plain = batch.latents["product"] != 0
        place = task.position("E3.answer")
        _, states = record(at.population.network, tokens[..., :place], "blocks.*.hook_out")
        new = {
            "probe_new_pairs": held_out_pairs(streams, batch.latents["a"], batch.latents["b"], task.modulus),
            "probe_new_prompts": streams.bernoulli("prompts", (self.prompts,), HELD_OUT),
        }
        layers = [state[:, :, -1] for state in states.values()]
        return {
            name: Labelled(
                torch.stack(
                    [held_out_auroc(x, disagree, plain & ~out, plain & out, ridge=self.ridge) for x in layers], -1
                ),
                ("member", "layer"),
                {"layer": range(len(layers))},
                unit="AUROC",
            )
            for name, out in new.items()
        }
