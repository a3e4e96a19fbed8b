"""Resampling: at every place of a sequence each likely token is written, and what follows told many times."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.models.generate import Continuation, sampled
from ontogeny.models.population import Population
from ontogeny.streams import Streams

ROWS = 2_560  # rollouts of a member at once, about: it bounds the keys and values that are kept


@dataclass(frozen=True, kw_only=True)
class Question:
    """Where a sequence tells its outcome: `ask` follows its last token, then one of `options` from `first` on."""

    ask: int
    first: int
    options: int


class Resampled(NamedTuple):
    """What came of sequences resampled at each of their places.

    Of the alternates at a place the first is the sequence's own token, then come the most probable others. At a place
    with fewer of them than elsewhere the rest has probability 0, token 0 and outcome 0.
    """

    tokens: Int[Tensor, "member path place alternate"]
    probability: Float[Tensor, "member path place alternate"]  # float64, as the network has it before the place
    outcome: Int[Tensor, "member path place alternate sample"]
    final: Int[Tensor, "member path draw"]  # after the whole sequence


def tell(
    continuation: Continuation,
    logits: Float[Tensor, "member sample output"],
    left: int,
    question: Question,
    streams: Streams,
    temperature: float = 1.0,
) -> Int[Tensor, "member sample"]:
    """The outcome of sequences, as its number among the options, after `left` more tokens and the question.

    `logits` are those of the next token. Tokens are drawn from all there are, the outcome from the options alone.
    """
    choose = sampled(streams, temperature)
    for number in range(left):
        logits = continuation.read(choose(logits, number)[..., None])[:, :, -1]
    asked = torch.full((*logits.shape[:2], 1), question.ask, device=logits.device)
    logits = continuation.read(asked)[:, :, -1]
    return choose(logits[..., question.first : question.first + question.options], left)


@torch.no_grad()
def tell_often(
    population: Population,
    prompts: Int[Tensor, "member path position"],
    left: int,
    samples: int,
    question: Question,
    streams: Streams,
    temperature: float = 1.0,
) -> Int[Tensor, "member path sample"]:
    """Outcomes of `samples` sampled endings of each prompt, with `left` more tokens before the question.

    Raises: `UserError` for anything but a causal transformer that reads tokens, or too long a sequence for it.
    Cost: one forward pass over the prompts, and `samples` over all that follows.
    """
    stem = Continuation(population)
    logits = stem.read(prompts)[:, :, -1].repeat_interleave(samples, 1)
    found = tell(stem.branch(samples), logits, left, question, streams, temperature)
    return found.unflatten(1, (-1, samples))


@torch.no_grad()
def resample(
    population: Population,
    prompt: Int[Tensor, "member path position"],
    paths: Int[Tensor, "member path place"],
    question: Question,
    streams: Streams,
    *,
    alternates: Sequence[int],
    samples: int,
    temperature: float = 1.0,
) -> Resampled:
    """Rewrites every place of the paths, which follow their prompts, with each of its likeliest tokens.

    `alternates` says with how many at each place, the path's own among them. After each of them the sequence is told to
    the length of the path `samples` times, and its outcome drawn; of the whole path 4 * `samples` outcomes are drawn.
    What was read of a path is kept and never read again, and all members, alternates and samples go on at once, about
    `ROWS` at a time, whatever the number of paths.

    Raises: `UserError` for anything but a causal transformer that reads tokens, too long a sequence for it, or other
    than one number of alternates a place.
    Cost: paths * alternates * samples * place^2 / 2 tokens a member.
    """
    if len(alternates) != paths.shape[2]:
        raise UserError(f"alternates: one number a place of {paths.shape[2]}, got {len(alternates)}")
    each = max(1, ROWS * len(alternates) // (sum(alternates) * samples))
    parts = [
        _resample(population, a, b, question, streams.of(f"group {i}"), alternates, samples, temperature)
        for i, (a, b) in enumerate(zip(prompt.split(each, 1), paths.split(each, 1), strict=True))
    ]
    return Resampled(*(torch.cat(pieces, 1) for pieces in zip(*parts, strict=True)))


def _resample(
    population: Population,
    prompt: Tensor,
    paths: Tensor,
    question: Question,
    streams: Streams,
    alternates: Sequence[int],
    samples: int,
    temperature: float,
) -> Resampled:
    stem = Continuation(population)
    logits = stem.read(prompt)[:, :, -1]
    tokens, probability, outcome = [], [], []
    for place, many in enumerate(alternates):
        own = paths[..., place : place + 1]
        law = torch.softmax(logits.double(), -1)
        # No probability is over 1: the path's own token comes first.
        here = law.scatter(-1, own, 2.0).topk(many, -1).indices
        fork = stem.branch(many)
        after = fork.read(here.flatten(1)[..., None])[:, :, -1].repeat_interleave(samples, 1)
        streams_here = streams.of(f"place {place}")
        found = tell(fork.branch(samples), after, len(alternates) - place - 1, question, streams_here, temperature)
        rest = max(alternates) - many
        tokens.append(F.pad(here, (0, rest)))
        probability.append(F.pad(law.gather(-1, here), (0, rest)))
        outcome.append(F.pad(found.view(*here.shape, samples), (0, 0, 0, rest)))
        logits = stem.read(own)[:, :, -1]
    draws = 4 * samples
    last = tell(stem.branch(draws), logits.repeat_interleave(draws, 1), 0, question, streams.of("end"), temperature)
    return Resampled(
        tokens=torch.stack(tokens, 2),
        probability=torch.stack(probability, 2),
        outcome=torch.stack(outcome, 2),
        final=last.unflatten(1, (-1, draws)),
    )
