"""Chain accuracy: how often networks that write their own step get the step and the answer right."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.measures.average import average
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.reading import chain_task

RIGHT = ("right", "wrong")


def joint_table(
    one: Bool[Tensor, "*member sample"], other: Bool[Tensor, "*member sample"]
) -> Float[Tensor, "*member 2 2"]:
    """Shares of samples in which each of two things is (right, wrong): `[one, other]`, summing to 1."""
    cells = [average((a & b).double()) for a in (one, ~one) for b in (other, ~other)]
    return torch.stack(cells, -1).unflatten(-1, (2, 2))


class ChainAccuracy(Measure):
    """Greedy free generation from the first => of clean prompts, as a table `generated[written_step, final_answer]`.

    Shares of prompts, summing to 1. A right answer after a wrong step was not caused by it. A chain that goes wrong
    between step and answer (op, c, =>) counts as a wrong answer.

    The product is the most probable token after the prompt; a second pass over the prompt, that product and the rest of
    the chain as it should be then shows whether greedy generation writes just that rest: if it does, its answer is the
    one read there, exactly. Cost: 1.6 forward passes over `prompts` chains.
    """

    prompts: int = 2_048

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """The table at one checkpoint."""
        task = chain_task(at)
        batch = task.clean(at.streams.of("chain accuracy"), self.prompts)
        step, answer = task.position("E2.product"), task.position("E3.answer")
        chain = batch.inputs[..., :answer].clone()
        product = at.population(chain[..., :step])[:, :, -1].argmax(-1)
        chain[..., step] = product
        generated = at.population(chain)[:, :, step:].argmax(-1)
        copied = (generated[..., :-1] == chain[..., step + 1 :]).all(-1)
        table = joint_table(
            product == batch.latents["product"], copied & (generated[..., -1] == batch.latents["answer"])
        )
        dims = ("member", "written_step", "final_answer")
        return {"generated": Labelled(table, dims, {"written_step": RIGHT, "final_answer": RIGHT}, unit="share")}
