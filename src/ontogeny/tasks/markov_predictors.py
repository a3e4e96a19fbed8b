"""What to expect of an unnamed Markov chain: retrieve a known chain or infer one, from pairs or single states."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.tasks.markov_mixture import Chains

ALGORITHMS = ("Bi-Ret", "Uni-Ret", "Bi-Inf", "Uni-Inf", "Uniform", "Bi-Prior")
"""Names of the predictors in the order of `predictions`; the first four are the paper's."""

Contexts = Int[Tensor, "member context length"]
Laws = Float[Tensor, "member context state"]
Posterior = Float[Tensor, "member context chain"]


def predictions(contexts: Contexts, world: Chains) -> Float[Tensor, "member algorithm context state"]:
    """The law of the next state by each of `ALGORITHMS`, given the whole context and nothing else.

    Cost: O(context * chain * state^2) a member.
    """
    each = (
        bigram_retrieval(contexts, world),
        unigram_retrieval(contexts, world),
        bigram_inference(contexts, world.states),
        unigram_inference(contexts, world.states),
        torch.full((*contexts.shape[:2], world.states), 1.0 / world.states).to(world.transitions),
        bigram_prior(contexts, world),
    )
    return torch.stack(each, 1)


def bigram_retrieval(contexts: Contexts, world: Chains) -> Laws:
    r"""Bayes over the known chains: $\sum_n w_n T_n[s, \cdot]$ with s the last state and w the `bigram_posterior`.

    No predictor does better on walks of the mixture itself. With one chain it is T_1[s, .].
    """
    return _row_of_last(contexts, _mixed(bigram_posterior(contexts, world), world.transitions))


def unigram_retrieval(contexts: Contexts, world: Chains) -> Laws:
    r"""Bayes over the known stationary laws, blind to order: $\sum_n w_n \pi_n$ with w the `unigram_posterior`."""
    return _matmul(unigram_posterior(contexts, world), world.stationary)


def bigram_inference(contexts: Contexts, states: int) -> Laws:
    r"""Counts of the context's own transitions: $(\#(s \to j) + 1) / (\#(s \to \cdot) + k)$ with s the last state.

    Bayes for a chain whose rows are drawn from Dirichlet(1), hence where retrieval leads with ever more chains.
    """
    counts = _row_of_last(contexts, transition_counts(contexts, states))
    return (counts + 1) / (counts.sum(-1, keepdim=True) + states)


def unigram_inference(contexts: Contexts, states: int) -> Laws:
    r"""Counts of the context's own states, blind to order: $(\#(j) + 1) / (l + k)$ for a context of length l."""
    return (state_counts(contexts, states) + 1) / (contexts.shape[-1] + states)


def bigram_prior(contexts: Contexts, world: Chains) -> Laws:
    r"""The mean of the known chains, which ignores all but the last state: $\sum_n p_n T_n[s, \cdot]$."""
    mean = (world.weights[..., None, None] * world.transitions).sum(1)
    return _row_of_last(contexts, mean[:, None].expand(-1, contexts.shape[1], -1, -1))


def bigram_posterior(contexts: Contexts, world: Chains) -> Posterior:
    r"""Probability of each chain given the walk.

    $$\log w_n = \log p_n + \log \pi_n(x_1) + \sum_i \log T_n[x_i, x_{i+1}] + \mathrm{const}$$
    """
    counts = transition_counts(contexts, world.states).flatten(-2)
    walked = _matmul(counts, world.transitions.log().flatten(-2).mT)
    started = world.stationary.log().mT.gather(1, contexts[..., :1].expand(-1, -1, world.weights.shape[-1]))
    return torch.softmax(world.weights.log()[:, None] + started + walked, -1)


def unigram_posterior(contexts: Contexts, world: Chains) -> Posterior:
    r"""Probability of each chain given the states without their order.

    $$\log w_n = \log p_n + \sum_i \log \pi_n(x_i) + \mathrm{const}$$
    """
    seen = _matmul(state_counts(contexts, world.states), world.stationary.log().mT)
    return torch.softmax(world.weights.log()[:, None] + seen, -1)


def transition_counts(contexts: Int[Tensor, "*lead length"], states: int) -> Float[Tensor, "*lead state state"]:
    """How often the context goes from one state to another, float64."""
    pairs = contexts[..., :-1] * states + contexts[..., 1:]
    return state_counts(pairs, states * states).unflatten(-1, (states, states))


def state_counts(contexts: Int[Tensor, "*lead length"], states: int) -> Float[Tensor, "*lead state"]:
    """How often each state is in the context, float64."""
    counts = torch.zeros(*contexts.shape[:-1], states, dtype=torch.float64, device=contexts.device)
    return counts.scatter_add_(-1, contexts, torch.ones_like(contexts, dtype=torch.float64))


def _row_of_last(contexts: Contexts, matrices: Float[Tensor, "member context state state"]) -> Laws:
    """The row of each context's matrix that belongs to its last state."""
    last = contexts[..., -1, None, None].expand(*contexts.shape[:-1], 1, matrices.shape[-1])
    return matrices.gather(-2, last)[..., 0, :]


def _mixed(
    weights: Float[Tensor, "member context chain"], transitions: Float[Tensor, "member chain state state"]
) -> Float[Tensor, "member context state state"]:
    """The mean transition matrix under each context's weights."""
    return _matmul(weights, transitions.flatten(-2)).unflatten(-1, transitions.shape[-2:])


def _matmul(left: Float[Tensor, "member row inner"], right: Float[Tensor, "member inner column"]) -> Tensor:
    """The product of each member. A single row goes twice: alone, one would take another path than in company."""
    if left.shape[1] == 1:
        return torch.bmm(left.expand(-1, 2, -1), right)[:, :1]
    return torch.bmm(left, right)
