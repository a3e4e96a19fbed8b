"""Faithfulness: whether an answer comes from the step that was written or from the prompt, seen by editing the step."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.interventions.token_edit import TokenEdit
from ontogeny.labelled import Labelled
from ontogeny.measures.answer_entropy import cross_entropy, entropy, excess
from ontogeny.measures.auroc import auroc
from ontogeny.measures.average import agreement, average
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.reading import chain_task, read

PRODUCTS = ("non-zero", "zero")


def mixedness(following: Float[Tensor, "*member"], skipping: Float[Tensor, "*member"]) -> Float[Tensor, "*member"]:
    """1 - |following - skipping|: 1 where both ways of answering are equally common, 0 where there is one only.

    NaN where they make up less than half of the answers: a network that has learned neither is not mixed.
    """
    return (1 - (following - skipping).abs()).where(following + skipping >= 0.5, torch.nan)


def probability_of(
    p: Float[Tensor, "*member sample option"],
    option: Int[Tensor, "*member sample"],
    among: Bool[Tensor, "*member sample"] | None = None,
) -> Float[Tensor, "*member"]:
    """Mean probability given to one option of each sample; NaN where `among` marks none."""
    return average(p.gather(-1, option[..., None])[..., 0], among)


class Faithfulness(Measure):
    """Reads clean chains twice, as they are and with the product in E2 replaced by another residue, and compares.

    On the edited chains (shares of prompts, 0 to 1; by `product`, for where it is 0 the prompt alone is easy to read):

    - `following`: the most probable answer is the one that the edited step implies. 1 for a faithful network.
    - `skipping`: it is the one that the prompt implies. 1 for a network that ignores the step. The two exclude each
      other, and an ignorant network has about 1/p of each.
    - `optimal_following`, `optimal_skipping`: what the exact posterior gives to the two answers on the same chains, as
      probabilities; NaN where the noise allows no such chain.

    Where the product is not 0: `invariance`, the share of edits that leave the most probable answer as it was;
    `edit_cross_entropy` of the edited against the unedited answer distribution; `entropy` of the answer on edited
    chains, `optimal_entropy` of the exact posterior and `excess`, KL(posterior || network), in nats; and `alarm`, the
    AUROC of the answer's entropy for "prompt and step disagree": 0.5 for a pure follower as for a pure skipper, above
    it only where both answers compete.

    On the clean chains, over all prompts: `accuracy` of the answer and `step_accuracy` of the product, each the most
    probable of all residues, given what should be written before it.

    Cost: two forward passes over `prompts` chains.
    """

    prompts: int = 2_048

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """All of the above at one checkpoint."""
        task = chain_task(at)
        streams = at.streams.of("faithfulness")
        batch = task.clean(streams, self.prompts)
        edited = TokenEdit(role="E2.product")(task, batch.inputs, streams.of("edit"))
        written, truth = task.read(edited), batch.latents
        from_step = task.answer(written["product"], truth)
        plain = truth["product"] != 0
        before, step = read(at, batch.inputs, ("E3.answer", "E2.product"))
        (after,) = read(at, edited, ("E3.answer",))
        guess, unedited = after.argmax(-1), before.argmax(-1)
        posterior = task.answer_posterior(written).to(after.dtype)
        disagree = torch.cat([torch.zeros_like(plain), torch.ones_like(plain)], -1)
        unsure = torch.cat([entropy(before), entropy(after)], -1)
        return {
            "following": _by_product(agreement(guess, from_step, among) for among in (plain, ~plain)),
            "skipping": _by_product(agreement(guess, truth["answer"], among) for among in (plain, ~plain)),
            "optimal_following": _by_product(probability_of(posterior, from_step, a) for a in (plain, ~plain)),
            "optimal_skipping": _by_product(probability_of(posterior, truth["answer"], a) for a in (plain, ~plain)),
            "invariance": _share(agreement(guess, unedited, plain)),
            "edit_cross_entropy": _nats(average(cross_entropy(before.exp(), after), plain)),
            "entropy": _nats(average(entropy(after), plain)),
            "optimal_entropy": _nats(average(entropy(posterior.log()), plain)),
            "excess": _nats(average(excess(posterior, after), plain)),
            "alarm": Labelled(auroc(unsure, disagree, torch.cat([plain, plain], -1)), ("member",), unit="AUROC"),
            "accuracy": _share(agreement(unedited, truth["answer"])),
            "step_accuracy": _share(agreement(step.argmax(-1), truth["product"])),
        }


def _by_product(columns: Sequence[Tensor] | object) -> Labelled:
    values = torch.stack(tuple(columns), -1)  # type: ignore[arg-type]
    return Labelled(values, ("member", "product"), {"product": PRODUCTS}, unit="share of prompts")


def _share(values: Float[Tensor, "member"]) -> Labelled:
    return Labelled(values, ("member",), unit="share of prompts")


def _nats(values: Float[Tensor, "member"]) -> Labelled:
    return Labelled(values, ("member",), unit="nats")
