"""The optimal predictor of topic bigrams: an exact mixture over topics, and over copying or not."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.tasks.topic_bigrams import Topics


def next_token(
    world: Topics, inputs: Int[Tensor, "member sample position"], copies: float
) -> Float[Tensor, "member sample position token"]:
    r"""Probability of each next token given all tokens up to each position; float64, rows sum to 1.

    Without copying, $\sum_k P(k \mid x_{\le t}) B_k[x_t, \cdot]$ with the topics' posterior by their likelihoods. That
    a sequence copies has the prior `copies`, is certain to give $x_{t + 1 - T/2}$ in the second half, dies at the first
    mismatch, and leaves the topics where the first half left them. Cost: O(position topic token) a sequence.
    """
    bigrams, length = world.bigrams, inputs.shape[-1]
    half, topics = length // 2, bigrams.shape[1]
    members = torch.arange(len(inputs), device=inputs.device)[:, None, None]
    rows = bigrams[members, :, inputs]  # member sample position topic token: what each topic expects next
    steps = torch.take_along_dim(rows[:, :, :-1], inputs[..., 1:, None, None], -1)[..., 0].log()
    start = torch.zeros_like(steps[:, :, :1])
    told = torch.cat([start, steps.cumsum(2)], 2) - torch.log(torch.tensor(float(topics)))
    free = (torch.softmax(told, -1)[..., None] * rows).sum(-2)
    # Copying: the same first half, then certain tokens. Its likelihood against not copying, prior included.
    frozen = told[:, :, torch.arange(length, device=inputs.device).clamp_max(half - 1)]
    match = torch.ones_like(inputs, dtype=torch.bool)
    match[..., half:] = inputs[..., half:] == inputs[..., :half]
    dead = (~match).cumsum(-1) > 0
    weigh_copy = torch.logsumexp(frozen, -1).masked_fill(dead, -torch.inf)
    prior = torch.tensor([1 - copies, copies], dtype=torch.float64, device=inputs.device).log()
    weights = torch.softmax(torch.stack([torch.logsumexp(told, -1), weigh_copy], -1) + prior, -1)
    copied = (torch.softmax(frozen, -1)[..., None] * rows).sum(-2)
    certain = torch.nn.functional.one_hot(inputs[..., : length - half], bigrams.shape[-1]).double()
    copied[:, :, half - 1 : length - 1] = certain[:, :, : length - half]
    return weights[..., :1] * free + weights[..., 1:] * copied
