"""Oracles: laws worked out by hand, NumPy's eigenvectors and loops, and the rates at which states follow each other."""

import numpy as np
import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams
from ontogeny.tasks.markov_mixture import Chains, MarkovMixture, dirichlet_chains, stationary_law, walk


def test_stationary_law_by_hand():
    # a -> b with 0.2 and b -> a with 0.3: the flows balance at pi_a 0.2 = pi_b 0.3, so pi = (0.6, 0.4).
    # Rows and columns must not be mixed up: the left eigenvector of the transpose would be (0.5, 0.5).
    two = torch.tensor([[0.8, 0.2], [0.3, 0.7]], dtype=torch.float64)
    torch.testing.assert_close(stationary_law(two), torch.tensor([0.6, 0.4], dtype=torch.float64))


def test_stationary_law_of_a_birth_and_death_chain():
    # 0 <-> 1 <-> 2 with p = 1/2 up and q = 1/4 down: detailed balance gives pi proportional to 1, 2, 4.
    chain = torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5], [0.0, 0.25, 0.75]], dtype=torch.float64)
    torch.testing.assert_close(stationary_law(chain), torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64) / 7)


def test_stationary_law_keeps_its_chain_and_agrees_with_numpy(seed):
    chains = dirichlet_chains(Streams((seed, 7)), 20, 6)
    torch.testing.assert_close(
        (chains.stationary[..., None] * chains.transitions).sum(-2), chains.stationary, rtol=1e-13, atol=1e-15
    )
    values, vectors = np.linalg.eig(chains.transitions.mT.numpy())
    first = np.argmax(values.real, -1)[..., None, None]
    leading = np.take_along_axis(vectors, first, -1)[..., 0].real
    np.testing.assert_allclose(chains.stationary, leading / leading.sum(-1, keepdims=True), rtol=1e-9)


def test_rows_are_uniform_on_the_simplex(seed):
    # Dirichlet(1) over k options: every entry is Beta(1, k - 1), so P(entry > x) = (1 - x)^(k - 1).
    k, n = 4, 3000
    rows = dirichlet_chains(Streams((seed,)), n, k).transitions[0]
    torch.testing.assert_close(rows.sum(-1), torch.ones(n, k, dtype=torch.float64))
    for x in (0.1, 0.5):
        expected = (1 - x) ** (k - 1)
        rate = (rows[:, 0] > x).double().mean(0)  # four entries of one row, across independent chains
        assert ((rate - expected).abs() < 4 * (expected * (1 - expected) / n) ** 0.5).all()


def test_weights_are_equal_or_drawn(seed):
    equal = MarkovMixture(states=3, chains=5, length=4).world(Streams((seed,)))
    assert equal.weights.tolist() == [[0.2] * 5]
    drawn = MarkovMixture(states=3, chains=5, length=4, weights="dirichlet").world(Streams((seed,)))
    assert drawn.weights.sum().item() == pytest.approx(1.0)
    assert drawn.weights.unique().numel() == 5
    assert torch.equal(drawn.transitions, equal.transitions)


def test_walks_follow_their_chain(seed):
    task = MarkovMixture(states=3, chains=2, length=12, weights="dirichlet")
    streams = Streams((seed, seed + 50))
    world = task.world(streams.of("world"))
    batch = task.sample(world, streams.of("data"), 4000)
    walks = torch.cat((batch.inputs, batch.targets[..., -1:]), -1)
    assert torch.equal(walks[..., 1:], batch.targets)
    assert batch.inputs.shape == (2, 4000, 11)
    for member in range(2):
        for chain in range(2):
            mine = batch.latents["chain"][member] == chain
            weight = world.weights[member, chain]
            within(mine.double().mean(), weight, 4000)
            walked = walks[member, mine]
            for state in range(3):
                # The first state follows the stationary law, and so does every later one.
                for position in (0, 11):
                    within(
                        (walked[:, position] == state).double().mean(),
                        world.stationary[member, chain, state],
                        len(walked),
                    )
                for following in range(3):
                    left = walked[:, 4] == state
                    rate = (walked[left, 5] == following).double().mean()
                    within(rate, world.transitions[member, chain, state, following], int(left.sum()))


def within(rate, expected, count):
    # About 70 comparisons a seed: 3 sigma would fail by chance in one seed of six, 4 sigma in one of 200.
    assert abs(rate - expected) <= 4 * (expected * (1 - expected) / count) ** 0.5 + 1e-12


def test_a_walk_on_a_cycle_is_the_cycle():
    # 0 -> 1 -> 2 -> 0, whatever the numbers drawn.
    cycle = torch.tensor([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=torch.float64)[None, None]
    third = torch.full((1, 1, 3), 1 / 3, dtype=torch.float64)
    world = Chains(cycle, third, torch.ones(1, 1, dtype=torch.float64))
    walks = walk(world, Streams((3,)), torch.zeros(1, 50, dtype=torch.int64), 7)
    assert torch.equal(walks, (walks[..., :1] + torch.arange(7)) % 3)
    assert walks[..., 0].unique().tolist() == [0, 1, 2]


def test_a_member_alone_is_the_member_in_company():
    task = MarkovMixture(states=5, chains=7, length=13, weights="dirichlet")
    streams = Streams((3, 1, 4, 15, 9))
    together = task.world(streams.of("world"))
    walks = task.sample(together, streams.of("data").at(6, 7), 26)
    for i in range(5):
        alone = streams.take([i])
        world = task.world(alone.of("world"))
        for name in ("transitions", "stationary", "weights"):
            assert torch.equal(getattr(world, name)[0], getattr(together, name)[i])
        later = task.sample(world, alone.of("data").at(7), 13)
        assert torch.equal(later.inputs[0], walks.inputs[i, 13:])
        assert torch.equal(later.latents["chain"][0], walks.latents["chain"][i, 13:])


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (dict(states=1, chains=2, length=4), "2 states or more, got states=1"),
        (dict(states=2, chains=0, length=4), "a chain or more, got chains=0"),
        (dict(states=2, chains=2, length=1), "walks of 2 states or more, got length=1"),
        (dict(states=2, chains=2, length=4, weights="even"), "no weights 'even'"),
    ],
)
def test_what_cannot_work_is_refused(fields, says):
    with pytest.raises(UserError, match=says):
        MarkovMixture(**fields)
