"""Export of a member as a GPT-2 folder that `transformers` loads."""

import json
import os
import shutil
import tempfile
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.models.layer_norm import EPSILON
from ontogeny.models.population import Population
from ontogeny.models.transformer import TransformerNetwork

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_tanh": "gelu_new",
    "relu": "relu",
    "tanh": "tanh",
    "silu": "silu",
    "sigmoid": "sigmoid",
    "identity": "linear",
}
"""Names of activations in `transformers`."""


def to_huggingface(population: Population, member: int, folder: str | Path) -> None:
    """Writes one transformer as a `GPT2LMHeadModel`: `config.json` and `model.safetensors`, both or neither.

    Loaded by `transformers`, its logits agree to rounding (1e-5).

    Raises: `UserError` for a network that GPT-2 cannot represent, a member that is not there, or a folder that is.
    """
    network, folder = population.network, Path(folder)
    if not isinstance(network, TransformerNetwork):
        raise UserError(f"only a Transformer can be written as GPT-2, got a {type(network).__name__}")
    _representable(network)
    if not 0 <= member < population.members:
        raise UserError(f"no member {member}: the population has members 0 to {population.members - 1}")
    if folder.exists():
        raise UserError(f"{folder} exists already: name a new folder")
    weights = {name: value[member].detach().cpu() for name, value in population.parameters().items()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        (made / "config.json").write_text(json.dumps(_config(network), indent=2) + "\n")
        save_file(_renamed(network, weights), made / "model.safetensors", metadata={"format": "pt"})
        made.chmod(0o755)
        os.rename(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _representable(network: TransformerNetwork) -> None:
    model, shape = network.model, network.shape
    faults = {
        f"positions are {model.positions}, not learned": model.positions != "learned",
        f"norm is {model.norm!r}, not 'pre'": model.norm != "pre",
        "attention is not causal": not model.causal,
        "there is no MLP branch": not model.hidden,
        "inputs are features, not tokens": shape.vocabulary is None,
        f"there are {shape.outputs} outputs for {shape.vocabulary} tokens": shape.vocabulary != shape.outputs,
    }
    wrong = [fault for fault, holds in faults.items() if holds]
    if wrong:
        raise UserError(f"GPT-2 cannot represent this Transformer: {'; '.join(wrong)}")


def _config(network: TransformerNetwork) -> dict[str, object]:
    model = network.model
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": ACTIVATIONS[model.activation],
        "attn_pdrop": 0.0,
        "bos_token_id": None,
        "embd_pdrop": 0.0,
        "eos_token_id": None,
        "layer_norm_epsilon": EPSILON,
        "n_embd": model.width,
        "n_head": model.heads,
        "n_inner": model.hidden,
        "n_layer": model.layers,
        "n_positions": network.context,
        "resid_pdrop": 0.0,
        "tie_word_embeddings": model.tied,
        "vocab_size": network.shape.vocabulary,
    }


def _renamed(network: TransformerNetwork, ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights under GPT-2's names; its Conv1D keeps them `[input, output]`, as we do. Absent biases are zeros."""
    theirs = {
        "transformer.wte.weight": ours["embed.weight"],
        "transformer.wpe.weight": ours["positions.weight"],
        **_pair(ours, "ln_final", "transformer.ln_f"),
    }
    for i in range(network.model.layers):
        for mine, name in dict(
            ln1="ln_1", ln2="ln_2", attn_qkv="attn.c_attn", attn_output="attn.c_proj",
            mlp_input="mlp.c_fc", mlp_output="mlp.c_proj",
        ).items():  # fmt: skip
            theirs |= _pair(ours, f"blocks.{i}.{mine.replace('_', '.')}", f"transformer.h.{i}.{name}")
    if not network.model.tied:
        theirs["lm_head.weight"] = ours["unembed.weight"].T
    return {name: value.contiguous() for name, value in theirs.items()}


def _pair(ours: dict[str, Tensor], mine: str, name: str) -> dict[str, Tensor]:
    weight = ours[f"{mine}.weight"]
    bias = ours.get(f"{mine}.bias", weight.new_zeros(weight.shape[-1]))
    return {f"{name}.weight": weight, f"{name}.bias": bias}
