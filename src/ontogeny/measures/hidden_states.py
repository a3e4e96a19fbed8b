"""Hidden states: the stream of a transformer after every layer, at every position of every context."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.models.population import Population

STREAM = ("blocks.0.hook_in", "blocks.*.hook_out")
"""The sites of layers 0 (token and position, before any block), 1, 2, ... (after that many blocks)."""


def hidden_states(
    population: Population, inputs: Tensor, *, at_once: int = 256
) -> Iterator[
    tuple[Float[Tensor, "member sample position output"], Float[Tensor, "member layer sample position width"]]
]:
    """Outputs and hidden states for inputs `[member, sample, ...]`, some samples at a time.

    Layers are 0 for what enters the first block, embedding and position, and l for what leaves the l-th; a last norm is
    not applied. All samples together, which may not fit the memory, are

        outputs, hidden = (torch.cat(x, d) for x, d in zip(zip(*hidden_states(...)), (1, 2)))

    Inside `population.edit` they are what the edits make of them. Without gradients.

    Raises: `UserError` for a network without blocks.
    """
    with torch.no_grad():
        for some in inputs.split(at_once, 1):
            outputs, seen = population.record(some, STREAM)
            yield outputs, torch.stack(list(seen.values()), 1)


def hidden_states_of(model: Any, tokens: Tensor) -> Float[Tensor, "layer sample position width"]:
    """The same for one causal language model of `transformers`, already loaded: layers 0, 1, ..., last.

    `tokens` is `[sample, position]`. The last layer is taken before the model's final norm where the norm is called
    `ln_f`, `norm` or `final_layer_norm` (GPT-2, Llama and those built like them), else as the model gives it.
    Without gradients. The statistics of this package take such a tensor as they take a population's.
    """
    before: list[Tensor] = []
    core = getattr(model, model.base_model_prefix, model)
    names = (name for name in ("ln_f", "norm", "final_layer_norm") if hasattr(core, name))
    last_norm = getattr(core, next(names, ""), None)
    hook = last_norm.register_forward_pre_hook(lambda _, x: before.append(x[0])) if last_norm is not None else None
    try:
        with torch.no_grad():
            found = list(model(tokens, output_hidden_states=True).hidden_states)
    finally:
        if hook is not None:
            hook.remove()
    return torch.stack([*found[:-1], before[-1] if before else found[-1]])
