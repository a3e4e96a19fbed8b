"""A finite mixture of Markov chains: every sequence is a walk on one of a member's chains, which is not named."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task

WEIGHTS = ("uniform", "dirichlet")


@dataclass(frozen=True)
class Chains:
    """Markov chains with the weight of each in a mixture, float64. Every transition is possible."""

    transitions: Float[Tensor, "member chain state state"]
    stationary: Float[Tensor, "member chain state"]
    weights: Float[Tensor, "member chain"]

    @property
    def states(self) -> int:
        """Number of states."""
        return self.transitions.shape[-1]


class MarkovMixture(Task):
    """Walks of `length` states on one of `chains` Markov chains; the model predicts every next state.

    A walk on chain n = 1 of 3 (states a, b, c), five states long; no position says which chain it is:

        position        0       1       2       3       4
        state           c       a       b       a       c
        drawn from    pi_n   T_n[c]  T_n[a]  T_n[b]  T_n[a]
        input           c       a       b       a
        target          a       b       a       c

    A member's chains are drawn once: rows of T_n from Dirichlet(1), pi_n = pi_n T_n, weights p equal or from
    Dirichlet(1). A walk draws n from p. The optimal predictor of what comes next is
    `ontogeny.tasks.markov_predictors.bigram_retrieval`.

    Latent: `chain [member, sample]`.

    Source: Park et al., arXiv 2412.01003.
    """

    states: int
    chains: int
    length: int
    weights: str = "uniform"

    def check(self) -> None:
        if self.states < 2:
            raise UserError(f"MarkovMixture needs 2 states or more, got states={self.states}")
        if self.chains < 1:
            raise UserError(f"MarkovMixture needs a chain or more, got chains={self.chains}")
        if self.length < 2:
            raise UserError(f"MarkovMixture needs walks of 2 states or more, got length={self.length}")
        if self.weights not in WEIGHTS:
            raise UserError(f"no weights {self.weights!r}: known: {', '.join(WEIGHTS)}")

    @property
    def shape(self) -> Shape:
        """Tokens are states, and the last state of a walk is only ever a target."""
        return Shape(outputs=self.states, vocabulary=self.states, length=self.length - 1)

    def world(self, streams: Streams) -> Chains:
        """The chains of every member, drawn from its seed alone."""
        return dirichlet_chains(streams, self.chains, self.states, weights=self.weights)

    def sample(self, world: Chains, streams: Streams, size: int) -> Batch:
        """`size` walks a member, from a chain drawn for each."""
        chain = _pick(streams, "chain", (size,), world.weights)
        walks = walk(world, streams, chain, self.length)
        return Batch(inputs=walks[..., :-1], targets=walks[..., 1:], latents={"chain": chain})


def dirichlet_chains(streams: Streams, chains: int, states: int, *, weights: str = "uniform") -> Chains:
    """Chains whose rows are drawn from Dirichlet(1), in a mixture of equal or Dirichlet(1) weights."""
    transitions = _dirichlet(streams, "transitions", (chains, states, states))
    if weights == "dirichlet":
        share = _dirichlet(streams, "weights", (chains,))
    else:
        share = torch.full_like(transitions[..., 0, 0], 1.0 / chains)
    return Chains(transitions, stationary_law(transitions), share)


def walk(world: Chains, streams: Streams, chain: Int[Tensor, "member sample"], length: int) -> Int[Tensor, "..."]:
    """A walk of `length` states on the chain named for each sample, `[member, sample, length]`.

    It starts from the chain's stationary law.
    """
    places = streams.words("states", (chain.shape[1], length)).double() * 2.0**-32
    members = torch.arange(chain.shape[0], device=chain.device)[:, None]
    starts = world.stationary.cumsum(-1)[..., :-1]
    edges = world.transitions.cumsum(-1)[..., :-1]
    state = (places[..., 0, None] >= starts[members, chain]).sum(-1)
    states = [state]
    for i in range(1, length):
        state = (places[..., i, None] >= edges[members, chain, state]).sum(-1)
        states.append(state)
    return torch.stack(states, -1)


def stationary_law(transitions: Float[Tensor, "*lead state state"]) -> Float[Tensor, "*lead state"]:
    r"""The law that a chain keeps: $\pi T = \pi$, entries summing to 1.

    By the elimination of Grassmann, Taksar and Heyman (Operations Research 33, 1985): it never subtracts, so that every
    entry is right to a few roundings, and every chain is computed by itself. Needs a positive chain of transitions from
    every state down to the first, else the entries are NaN. Cost: O(states^3) a chain.
    """
    rest = transitions
    columns = []
    for last in range(transitions.shape[-1] - 1, 0, -1):
        out = sum(rest[..., last, :last].unbind(-1))[..., None]  # type: ignore[union-attr]
        column = rest[..., :last, last] / out
        rest = rest[..., :last, :last] + column[..., None] * rest[..., last, None, :last]
        columns.append(column)
    visits = [torch.ones_like(transitions[..., 0, 0])]
    for column in reversed(columns):
        visits.append(sum(v * c for v, c in zip(visits, column.unbind(-1), strict=True)))  # type: ignore[arg-type]
    total = sum(visits)
    return torch.stack([v / total for v in visits], -1)


def _dirichlet(streams: Streams, name: str, shape: tuple[int, ...]) -> Float[Tensor, "member ..."]:
    """Dirichlet(1) along the last axis: exponential variables over their sum, none of them 0."""
    uniform = (streams.words(name, shape).double() + 0.5) * 2.0**-32
    return torch.softmax((-uniform.log()).log(), -1)


def _pick(
    streams: Streams, name: str, shape: tuple[int, ...], weights: Float[Tensor, "member option"]
) -> Int[Tensor, "member ..."]:
    """Options drawn with one set of weights a member."""
    places = streams.words(name, shape).double() * 2.0**-32
    return torch.searchsorted(weights.cumsum(-1)[..., :-1].contiguous(), places, right=True)
