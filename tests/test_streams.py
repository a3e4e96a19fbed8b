"""Oracles: the known-answer vectors of Random123, and statistical tests from SciPy."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch

from ontogeny.errors import UserError
from ontogeny.streams import Streams, philox

# kat_vectors of Random123 1.14 (Salmon et al.), philox4x32-10: counter, key, words.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize("of", [lambda w: np.array([w], dtype=np.int64), lambda w: torch.tensor([w])])
@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_known_answers(counter, key, expected, of):
    def words(text):
        return [of(int(word, 16)) for word in text.split()]

    assert [f"{int(word[0]):08x}" for word in philox(words(counter), words(key))] == expected.split()


def draws(streams: Streams) -> dict[str, torch.Tensor]:
    return {
        "uniform": streams.uniform("a", (64, 3)),
        "normal": streams.normal("a", (64, 3)),
        "integers": streams.integers("a", (64, 3), 7),
        "bernoulli": streams.bernoulli("a", (64, 3), 0.3),
        "categorical": streams.categorical("a", (64,), torch.full((streams.members, 1, 4), 0.25)),
        "permutation": streams.permutation("a", (64,), 5),
    }


def test_a_member_draws_the_same_alone_and_in_company(seed):
    company = Streams((seed, 5, 2**40 + seed, 7)).of("task").at(3)
    together = draws(company)
    for member in range(4):
        for name, alone in draws(company.take([member])).items():
            assert torch.equal(together[name][member : member + 1], alone), name


def test_a_block_of_steps_is_the_steps_one_by_one(seed):
    streams = Streams((seed, 9))
    block = draws(streams.at(*range(32, 48)))
    for name, together in block.items():
        single = torch.cat([draws_of(streams.at(step), name, 4) for step in range(32, 48)], 1)
        assert torch.equal(together, single), name


def test_steps_may_be_a_tensor_that_changes(seed):
    """The same numbers as of steps that are known here, by every draw; later ones after the tensor was added to."""
    steps = torch.arange(2**33, 2**33 + 4)
    streams = replace(Streams((seed, 2**63 + seed)), steps=steps)
    for start in (2**33, 2**33 + 4):
        for name, drawn in draws(streams).items():
            assert torch.equal(drawn, draws(streams.at(*range(start, start + 4)))[name]), name
        assert streams.step(8).tolist() == [start + i // 2 for i in range(8)]
        steps += 4


def test_a_gpu_is_sent_nothing_that_it_is_not_told(monkeypatch):
    """Where numbers are tensors, as on a GPU, words are those of a CPU; on a device without any they have a shape."""
    streams = Streams((5, 2**63 + 1)).at(2**33, 2**33 + 1)
    expected = streams.words("a", (6, 3))
    numbers = Streams._numbers
    with monkeypatch.context() as patch:
        patch.setattr(Streams, "_numbers", lambda self, blocks: [torch.from_numpy(n) for n in numbers(self, blocks)])
        assert torch.equal(streams.words("a", (6, 3)), expected)
    block = Streams((1, 2), device=torch.device("meta")).during(range(3, 7))
    assert isinstance(block.steps, torch.Tensor)
    assert block.normal("a", (8, 3)).shape == (2, 8, 3)
    assert block.permutation("a", (8,), 5).shape == (2, 8, 5)
    assert block.step(8).shape == (8,)


def test_a_block_during_some_steps_is_the_block_at_them():
    streams = Streams((1, 2))
    assert streams.during(range(3, 5)) == streams.at(3, 4)


def draws_of(streams, name, size):
    match name:
        case "integers":
            return streams.integers("a", (size, 3), 7)
        case "bernoulli":
            return streams.bernoulli("a", (size, 3), 0.3)
        case "categorical":
            return streams.categorical("a", (size,), torch.full((streams.members, 1, 4), 0.25))
        case "permutation":
            return streams.permutation("a", (size,), 5)
        case _:
            return getattr(streams, name)("a", (size, 3))


def test_seed_purpose_name_and_step_each_change_the_numbers():
    base = Streams((1,)).of("a").at(5)
    words = base.words("x", (100,))
    others = [Streams((2,)).of("a").at(5), Streams((1,)).of("b").at(5), base.at(6), Streams((1 + 2**32,)).of("a").at(5)]
    for other in others:
        assert (other.words("x", (100,)) == words).sum() == 0
    assert (base.words("y", (100,)) == words).sum() == 0


def test_step_tells_each_samples_step():
    assert Streams((1,)).at(4, 7).step(6).tolist() == [4, 4, 4, 7, 7, 7]


N = 40_000
P_VALUE = 1e-4  # the draws are fixed: a right generator passes or fails once and for all


def test_uniform_is_uniform(seed):
    u = Streams((seed,)).uniform("u", (N,))[0].double().numpy()
    assert u.min() >= 0
    assert u.max() < 1
    assert scipy.stats.kstest(u, "uniform").pvalue > P_VALUE


def test_normal_is_normal(seed):
    z = Streams((seed,)).normal("z", (N,))[0].double().numpy()
    assert scipy.stats.kstest(z, "norm").pvalue > P_VALUE
    assert scipy.stats.kstest(z[::2] * z[1::2], lambda x: _product_of_normals(x)).pvalue > P_VALUE


def _product_of_normals(x):
    # P(XY <= x) for independent standard normals: integral of phi(t) Phi(x / t) over both signs of t.
    t = np.linspace(1e-4, 8, 4000)
    grid = np.linspace(-12, 12, 601)
    density = 2 * np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi)
    values = np.trapezoid(density * scipy.stats.norm.cdf(grid[:, None] / t), t, axis=1)
    return np.interp(x, grid, values)


def test_members_and_neighbouring_seeds_are_unrelated():
    z = Streams(tuple(range(50))).normal("z", (2000,)).double().numpy()
    correlation = np.corrcoef(z)[np.triu_indices(50, 1)]
    assert scipy.stats.kstest(correlation * np.sqrt(2000), "norm").pvalue > P_VALUE


@pytest.mark.parametrize("high", [2, 7, 1000])
def test_integers_are_uniform(high, seed):
    counts = Streams((seed,)).integers("i", (N,), high)[0].bincount(minlength=high).numpy()
    assert len(counts) == high
    assert scipy.stats.chisquare(counts).pvalue > P_VALUE


def test_categorical_follows_its_probabilities(seed):
    p = torch.tensor([0.0, 0.1, 0.0, 0.6, 0.3, 0.0])
    counts = Streams((seed,)).categorical("c", (N,), p.expand(1, 1, 6))[0].bincount(minlength=6).numpy()
    assert counts[[0, 2, 5]].sum() == 0
    assert (
        scipy.stats.chisquare(counts[[1, 3, 4]], N * p[[1, 3, 4]].double().numpy() / p.double().sum().item()).pvalue
        > P_VALUE
    )


def test_bernoulli_takes_a_probability_a_member():
    rates = Streams((1, 2)).bernoulli("b", (N,), torch.tensor([0.0, 0.25])).double().mean(1)
    assert rates[0] == 0
    assert abs(rates[1] - 0.25) < 3 * (0.25 * 0.75 / N) ** 0.5


def test_permutations_are_uniform(seed):
    orders = Streams((seed,)).permutation("p", (24_000,), 4)[0]
    counts = (orders * torch.tensor([64, 16, 4, 1])).sum(-1).bincount()
    assert (counts > 0).sum() == 24
    assert scipy.stats.chisquare(counts[counts > 0].numpy()).pvalue > P_VALUE


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_same_on_a_gpu():
    here, there = draws(Streams((1, 2))), draws(Streams((1, 2), device=torch.device("cuda")))
    for name, values in here.items():
        if name == "normal":
            assert torch.allclose(values, there[name].cpu(), rtol=1e-6, atol=1e-6)
        else:
            assert torch.equal(values, there[name].cpu()), name


def test_a_seed_that_is_no_seed_is_refused():
    with pytest.raises(UserError, match=r"from 0 to 2\*\*64 - 1, got -1"):
        Streams((-1,))
