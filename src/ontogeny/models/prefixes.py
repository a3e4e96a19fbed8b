"""Prefixes: what a population expects after several prefixes of a sequence, its last token as it is or any other."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.models.generate import Continuation, refusal
from ontogeny.models.population import Population


def after_prefixes(
    population: Population, tokens: Int[Tensor, "member sample position"], lengths: Sequence[int]
) -> Float[Tensor, "member sample length output"]:
    """Outputs of a causal network at the ends of the prefixes of these lengths, in any order.

    Cost: a forward pass over the longest prefix; in a transformer the last block answers at the ends alone.
    """
    if refusal(population.network):
        since = min(lengths) - 1
        outputs = population(tokens[..., : max(lengths)], since)
        return torch.stack([outputs[:, :, length - 1 - since] for length in lengths], 2)
    continuation, found = Continuation(population), {}
    for length in sorted(set(lengths)):
        found[length] = continuation.read(tokens[..., continuation.length : length], 1)[:, :, 0]
    return torch.stack([found[length] for length in lengths], 2)


def after_every_token(
    population: Population, tokens: Int[Tensor, "member sample position"], lengths: Sequence[int], vocabulary: int
) -> Float[Tensor, "member sample length option output"]:
    """Outputs at the ends of the prefixes of these lengths (2 or more), were their last token each of the vocabulary.

    Cost: what a transformer that reads tokens has read of a sequence is kept, so that a pass over it and `vocabulary`
    more tokens a length do; other networks read every prefix with every last token.
    """
    options = torch.arange(vocabulary, device=tokens.device).expand(*tokens.shape[:2], -1)
    if refusal(population.network):
        each = [population(with_last(tokens[..., :length], options), length - 1)[:, :, -1] for length in lengths]
        return torch.stack([outputs.unflatten(1, (-1, vocabulary)) for outputs in each], 2)
    continuation, found = Continuation(population), {}
    for length in sorted(set(lengths)):
        continuation.read(tokens[..., continuation.length : length - 1], 1)
        found[length] = continuation.fork(options)
    return torch.stack([found[length] for length in lengths], 2)


def with_last(
    tokens: Int[Tensor, "member sample position"], options: Int[Tensor, "member sample option"]
) -> Int[Tensor, "member each position"]:
    """Every sequence with each of the options in place of its last token, next to each other."""
    stems = tokens[:, :, None, :-1].expand(-1, -1, options.shape[2], -1)
    return torch.cat((stems, options[..., None]), -1).flatten(1, 2)
