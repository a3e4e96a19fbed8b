"""Oracles: NumPy loops over a context, chains of which the answer is known, and the losses that no predictor beats."""

import itertools

import numpy as np
import pytest
import torch

from ontogeny.streams import Streams
from ontogeny.tasks.markov_mixture import Chains, MarkovMixture, dirichlet_chains, stationary_law, walk
from ontogeny.tasks.markov_predictors import (
    ALGORITHMS,
    bigram_inference,
    bigram_posterior,
    bigram_prior,
    bigram_retrieval,
    predictions,
    transition_counts,
    unigram_inference,
    unigram_posterior,
    unigram_retrieval,
)


def mixture(seed, *, states=3, chains=4, length=9, size=20, weights="dirichlet"):
    task = MarkovMixture(states=states, chains=chains, length=length + 1, weights=weights)
    streams = Streams((seed, seed + 100))
    world = task.world(streams.of("world"))
    return world, task.sample(world, streams.of("data"), size)


def test_posteriors_agree_with_a_loop_over_the_walk(seed):
    world, batch = mixture(seed)
    for member, sample in itertools.product(range(2), range(20)):
        path = batch.inputs[member, sample].tolist()
        t, pi, p = (x[member].numpy() for x in (world.transitions, world.stationary, world.weights))
        pairs, single = p * pi[:, path[0]], p * pi[:, path[0]]
        for here, there in itertools.pairwise(path):
            pairs, single = pairs * t[:, here, there], single * pi[:, there]
        for posterior, joint in ((bigram_posterior, pairs), (unigram_posterior, single)):
            found = posterior(batch.inputs, world)[member, sample]
            np.testing.assert_allclose(found, joint / joint.sum(), rtol=1e-9)
        w_pairs, w_single = pairs / pairs.sum(), single / single.sum()
        np.testing.assert_allclose(bigram_retrieval(batch.inputs, world)[member, sample], w_pairs @ t[:, path[-1]])
        np.testing.assert_allclose(unigram_retrieval(batch.inputs, world)[member, sample], w_single @ pi)
        np.testing.assert_allclose(bigram_prior(batch.inputs, world)[member, sample], p @ t[:, path[-1]])


def test_inference_by_hand():
    # a b a b a over (a, b, c): from a to b twice and back twice; three a, two b; the last state is a.
    context = torch.tensor([[[0, 1, 0, 1, 0]]])
    assert transition_counts(context, 3)[0, 0].tolist() == [[0, 2, 0], [2, 0, 0], [0, 0, 0]]
    # (count + 1) / (count from a + 3) = (0 + 1, 2 + 1, 0 + 1) / 5, and of states (3 + 1, 2 + 1, 0 + 1) / 8.
    torch.testing.assert_close(bigram_inference(context, 3)[0, 0], torch.tensor([0.2, 0.6, 0.2], dtype=torch.float64))
    torch.testing.assert_close(
        unigram_inference(context, 3)[0, 0], torch.tensor([0.5, 0.375, 0.125], dtype=torch.float64)
    )


def test_with_one_chain_retrieval_is_that_chain(seed):
    world, batch = mixture(seed, chains=1)
    members = torch.arange(2)[:, None]
    row = world.transitions[members, 0, batch.inputs[..., -1]]
    torch.testing.assert_close(bigram_retrieval(batch.inputs, world), row)
    torch.testing.assert_close(bigram_prior(batch.inputs, world), row)
    torch.testing.assert_close(unigram_retrieval(batch.inputs, world), world.stationary.expand(-1, 20, -1))


def test_uniform_chains_leave_nothing_to_retrieve(seed):
    # Both retrievals are exactly 1/k; inference comes to it in the limit only.
    _, batch = mixture(seed, states=4)
    flat = torch.full((2, 3, 4, 4), 0.25, dtype=torch.float64)
    world = Chains(flat, stationary_law(flat), torch.full((2, 3), 1 / 3, dtype=torch.float64))
    predicted = dict(zip(ALGORITHMS, predictions(batch.inputs, world).unbind(1), strict=True))
    quarter = torch.full((2, 20, 4), 0.25, dtype=torch.float64)
    for name in ("Bi-Ret", "Uni-Ret", "Uniform", "Bi-Prior"):
        torch.testing.assert_close(predicted[name], quarter)
    for name in ("Bi-Inf", "Uni-Inf"):
        assert (predicted[name] - quarter).abs().max() > 0.02
    long = walk(world, Streams((1, 2)), torch.zeros(2, 20, dtype=torch.int64), 20_000)
    torch.testing.assert_close(bigram_inference(long, 4), quarter, rtol=0, atol=0.05)


def test_bigram_inference_finds_the_chain_at_the_known_rate(seed):
    # Mean KL(T || counts) of a row seen v times is about (k - 1) / (2 v).
    k, length = 4, 1500
    world = dirichlet_chains(Streams((seed,)), 300, k)
    walks = walk(world, Streams((seed,)).of("walks"), torch.arange(300)[None], length)
    row = world.transitions[0, torch.arange(300), walks[0, :, -1]]
    loss = (row * (row / bigram_inference(walks, k)[0]).log()).sum(-1)
    visits = transition_counts(walks, k)[0, torch.arange(300), walks[0, :, -1]].sum(-1)
    assert (loss * visits).mean().item() == pytest.approx((k - 1) / 2, rel=0.25)


def test_no_predictor_beats_retrieval_and_it_comes_to_the_entropy_rate(seed):
    world, batch = mixture(seed, states=4, chains=3, length=60, size=1500)
    losses = -predictions(batch.inputs, world).gather(-1, batch.targets[:, None, :, -1:].expand(-1, 6, -1, -1)).log()
    loss = losses.mean((0, 2, 3))
    assert loss.argmin() == ALGORITHMS.index("Bi-Ret")
    # After 60 states the chain is known: what is left is the entropy rate sum_s pi(s) H(T[s, .]) of the chain walked.
    rate = (world.stationary * torch.special.entr(world.transitions).sum(-1)).sum(-1)
    expected = (rate * world.weights).sum(-1).mean()
    spread = losses[:, 0].std() / 3000**0.5
    assert abs(loss[0] - expected) < 4 * spread


def test_inference_is_bayes_for_rows_drawn_from_the_prior(seed):
    # With very many chains retrieval can only do what the prior allows: the posterior mean (count + 1) / (count + k).
    # A start is drawn from the stationary law, which the row counts do not use, so the two differ a little.
    world = dirichlet_chains(Streams((seed,)), 60_000, 2)
    contexts = torch.tensor([[[0, 1, 1, 0, 1], [0, 0, 0, 1, 0], [1, 1, 1, 1, 1]]])
    torch.testing.assert_close(bigram_retrieval(contexts, world), bigram_inference(contexts, 2), rtol=0, atol=0.08)
    # Without the start, by hand: weights proportional to the walk's transitions alone.
    likelihood = world.transitions[0, :, contexts[0, :, :-1], contexts[0, :, 1:]].prod(-1)
    mean = (likelihood[..., None] * world.transitions[0][:, contexts[0, :, -1]]).sum(0) / likelihood.sum(0)[:, None]
    torch.testing.assert_close(mean, bigram_inference(contexts, 2)[0], rtol=0, atol=0.01)


@pytest.mark.parametrize("size", [1, 13])
@pytest.mark.parametrize("chains", [1, 64])
def test_a_member_alone_is_the_member_in_company(chains, size):
    task = MarkovMixture(states=5, chains=chains, length=8, weights="dirichlet")
    streams = Streams((3, 1, 4, 15, 9))
    world = task.world(streams.of("world"))
    contexts = task.sample(world, streams.of("data"), size).inputs
    together = predictions(contexts, world)
    torch.testing.assert_close(together.sum(-1), torch.ones(5, 6, size, dtype=torch.float64))
    for i in range(5):
        alone = Chains(world.transitions[i : i + 1], world.stationary[i : i + 1], world.weights[i : i + 1])
        assert torch.equal(predictions(contexts[i : i + 1].clone(), alone)[0], together[i])
