"""How often `reproduced` is said of something false, and how often of something true, by simulation.

Nulls with real networks (untrained, or on shuffled labels) belong here as well: a test each, `judge` on their results.
"""

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from ontogeny.claims import Claim
from ontogeny.intervals import binomial_interval, t_interval
from ontogeny.judging import judge

NOMINAL = 0.025


def margin(studies, rate=NOMINAL):
    """Four standard errors of a simulated rate."""
    return 4 * np.sqrt(rate * (1 - rate) / studies)


def words(claim, replicates):
    """Verdicts of `judge` on many simulated studies, a row each."""
    seeds = np.arange(replicates.shape[1])
    verdicts = []
    for row in replicates:
        ds = xr.Dataset({"x": ("member", row)}, coords={"seed": ("member", seeds)})
        verdicts.append(judge(claim, {"main": ds}, "desk").verdict)
    return np.array(verdicts)


@pytest.mark.parametrize("bound", [dict(above=0.3), dict(below=0.3)], ids=["above", "below"])
def test_judge_says_what_the_rates_below_count(bound, seed):
    """So that the rates of 200,000 studies are those of `judge`, which is run on 120."""
    x = 0.3 + np.random.default_rng(seed).normal(size=(120, 4)) + np.repeat([-1.5, 0.0, 1.5], 40)[:, None]
    low, high = t_interval(x)
    sides = [low > 0.3, high < 0.3] if "above" in bound else [high < 0.3, low > 0.3]
    expected = np.select(sides, ["reproduced", "not reproduced"], "inconclusive")
    assert len(np.unique(expected)) == 3
    assert words(Claim("null", "there is an effect", lambda ds: ds.x, **bound), x).tolist() == expected.tolist()


@pytest.mark.parametrize("n", [4, 5, 6, 8, 16])
def test_nominal_rate_at_every_size(n, seed):
    low, high = t_interval(np.random.default_rng(seed).normal(size=(200_000, n)))
    assert (low > 0).mean() == pytest.approx(NOMINAL, abs=margin(200_000))
    assert (high < 0).mean() == pytest.approx(NOMINAL, abs=margin(200_000))


@pytest.mark.parametrize("n", [4, 6, 8])
def test_a_paired_difference_of_skewed_values_is_safe(n, seed):
    a, b = np.random.default_rng(seed).lognormal(size=(2, 100_000, n))
    low, high = t_interval(a - b)
    assert (low > 0).mean() <= NOMINAL
    assert (high < 0).mean() <= NOMINAL


@pytest.mark.parametrize("n", [4, 8])
def test_power_is_that_of_the_t_test(n, seed):
    # An effect of d standard deviations is found with the noncentral t's probability.
    for effect in (0.0, 1.0, 3.0):
        x = effect + np.random.default_rng(seed).normal(size=(50_000, n))
        cut = scipy.stats.t.ppf(0.975, n - 1)
        power = scipy.stats.nct.sf(cut, n - 1, effect * np.sqrt(n)) if effect else NOMINAL
        assert (t_interval(x)[0] > 0).mean() == pytest.approx(power, abs=margin(50_000, power))


def test_a_large_effect_is_found(seed):
    claim = Claim("effect", "there is one", lambda ds: ds.x, above=0.0)
    found = words(claim, 5 + np.random.default_rng(seed).normal(size=(60, 4)))
    # d = 5 at n = 4: noncentral t with 3 degrees of freedom and mean 10 exceeds 3.18 with probability 0.9999
    assert (found == "reproduced").mean() >= 59 / 60


@pytest.mark.parametrize("chance", [0.3, 0.5, 0.631, 0.9])
def test_exact_binomial_never_exceeds_the_nominal_rate(chance):
    for n in (4, 8, 16):
        hits = np.arange(n + 1)
        ends = np.array([binomial_interval(int(k), n) for k in hits])
        weight = scipy.stats.binom.pmf(hits, n, chance)
        assert weight[ends[:, 0] > chance].sum() <= NOMINAL
        assert weight[ends[:, 1] < chance].sum() <= NOMINAL


def test_deciding_by_the_mean_keeps_no_rate(seed):
    # The docs say so: at the threshold it is a coin.
    claim = Claim("coin", "there is an effect", lambda ds: ds.x, above=0.0, decides="mean")
    found = words(claim, np.random.default_rng(seed).normal(size=(150, 4)))
    assert (found == "reproduced").mean() == pytest.approx(0.5, abs=margin(150, 0.5))
