"""Oracles: planted Gaussian states with closed forms, scikit-learn's probe, and spectra chosen by hand."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from ontogeny.measures.label_geometry import (
    best_cut,
    directional_alignment,
    output_alignment,
    separability,
    share_along,
    spread,
)


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def planted(seed, *, apart, deviation, sets=20, samples=512, width=8):
    """States a u y + deviation * noise, y = 1 for the first class; u is the first axis."""
    second = (torch.arange(samples) % 2 == 1).expand(sets, -1)
    y = torch.where(second, -1.0, 1.0).double()
    states = deviation * normal(sets, samples, width, seed=seed)
    states[..., 0] += apart * y
    return states, second


def halves(samples):
    return torch.arange(samples) // 2 % 2 == 1


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_separability_of_planted_states(seed, eta):
    states, second = planted(seed, apart=1.0, deviation=0.5, samples=2_048)
    noise = eta * normal(*states.shape, seed=seed + 100)
    found = separability(states, second, noise, halves(2_048)).mean().item()
    best = norm.cdf(1.0 / math.sqrt(0.25 + eta**2))
    # A fitted probe loses a little; 20 * 1,024 tested samples.
    error = 4 * math.sqrt(best * (1 - best) / 20_480)
    assert best - 0.01 - error < found < best + error


def test_without_noise_the_faintest_trace_separates_and_with_it_does_not(seed):
    states, second = planted(seed, apart=1e-3, deviation=1e-4, sets=5, samples=256)
    noise = 0.5 * normal(*states.shape, seed=seed + 100)
    assert separability(states, second, 0 * noise, halves(256)).min().item() > 0.99
    assert separability(states, second, noise, halves(256)).mean().item() == pytest.approx(0.5, abs=4 * 0.5 / 640**0.5)


def test_the_probe_is_scikit_learns(seed):
    states, second = planted(seed, apart=0.6, deviation=1.0, sets=2, samples=200)
    states = states * torch.tensor([3.0, 0.1, 1, 1, 1, 1, 1, 1]) + 5
    tested = halves(200)
    found = separability(states, second, torch.zeros_like(states), tested)
    for i in range(2):
        fit, rest = states[i, ~tested].numpy(), states[i, tested].numpy()
        mean, deviation = fit.mean(0), fit.std(0)
        probe = LogisticRegression(C=1.0, tol=1e-10).fit((fit - mean) / deviation, second[i, ~tested].numpy())
        assert found[i].item() == pytest.approx(
            probe.score((rest - mean) / deviation, second[i, tested].numpy()), abs=1e-9
        )


def test_states_that_are_not_finite_are_nan_and_harm_no_neighbour(seed):
    states, second = planted(seed, apart=1.0, deviation=0.5, sets=3, samples=64)
    clean = [separability(states, second, 0 * states, halves(64)), spread(states)]
    states = states.clone()
    states[1, 3, 0] = torch.nan
    for before, found in zip(
        clean, (separability(states, second, 0 * states, halves(64)), spread(states)), strict=True
    ):
        assert found.isnan().tolist() == [False, True, False]
        assert torch.equal(found[[0, 2]], before[[0, 2]])


@pytest.mark.parametrize("cosine", [0.0, 0.6, 1.0])
def test_alignment_of_planted_states(seed, cosine):
    states, second = planted(seed, apart=1.0, deviation=0.8)
    direction = torch.zeros(20, 8, dtype=torch.float64)
    direction[:, 0], direction[:, 1] = cosine, math.sqrt(1 - cosine**2)
    direction *= 3.0
    aligned = norm.cdf(cosine / 0.8)
    found = output_alignment(states, second, direction).mean().item()
    assert found == pytest.approx(aligned, abs=4 * 0.5 / math.sqrt(20 * 512))
    # Without noise the difference of means is the axis itself.
    still, _ = planted(seed, apart=1.0, deviation=0.0)
    assert directional_alignment(still, second, direction).tolist() == pytest.approx([cosine] * 20)
    assert directional_alignment(-still, second, direction).tolist() == pytest.approx([-cosine] * 20)
    # Variance along it: (cos^2 + 0.64) / (1 + 8 * 0.64).
    expected = (cosine**2 + 0.64) / (1 + 8 * 0.64)
    assert share_along(states, direction).mean().item() == pytest.approx(expected, rel=0.06)
    assert (
        best_cut((states * direction[:, None]).sum(-1), second) >= output_alignment(states, second, direction)
    ).all()


def test_states_that_are_all_one_have_no_direction():
    states, second = torch.ones(2, 8, 3), (torch.arange(8) % 2 == 1).expand(2, -1)
    direction = torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]])
    assert directional_alignment(states, second, direction).isnan().all()
    assert output_alignment(states, second, direction).tolist() == [0.5, 0.5]
    assert spread(states).tolist() == [0, 0]
    assert share_along(states, direction).isnan().all()
    # On the plane itself a state counts as the second class's.
    assert output_alignment(0 * states, ~second & second, direction).tolist() == [0.0, 0.0]


def test_cuts_by_hand():
    second = torch.tensor([[False, False, True, True], [True, True, False, False], [False, True, False, True]])
    scores = torch.tensor([[1.0, 2, 3, 4], [1.0, 2, 3, 4], [1.0, 2, 3, 4]])
    assert best_cut(scores, second).tolist() == [1.0, 1.0, 0.75]
    assert best_cut(torch.zeros(1, 3), torch.tensor([[True, True, True]])).tolist() == [1.0]


@pytest.mark.parametrize(
    ("sigma", "expected"),
    [([5, 0, 0], 1), ([2, 2, 2], 3), ([3, 1, 0], 10 / 9**0.9)],  # of squares; of the values it would be 4 / 3**0.75
)
def test_spread_in_any_frame(sigma, expected, seed):
    columns = normal(2, 40, 3, seed=seed)
    left = torch.linalg.qr(columns - columns.mean(1, keepdim=True)).Q  # centred directions
    right = torch.linalg.qr(normal(2, 3, 3, seed=seed + 1)).Q
    states = left * torch.tensor(sigma) @ right.mT + 7.0  # an offset that all share is no direction
    assert spread(states).tolist() == pytest.approx([expected] * 2, rel=1e-6)


def test_a_set_is_the_same_alone_and_in_company(seed):
    states, second = planted(seed, apart=0.5, deviation=1.0, sets=5, samples=64)
    states, direction = states.float(), normal(5, 8, seed=seed).float()
    noise = normal(*states.shape, seed=seed + 9).float()

    def all_of(here):
        x, y, u = states[here], second[here], direction[here]
        return [
            separability(x, y, noise[here], halves(64)),
            output_alignment(x, y, u),
            directional_alignment(x, y, u),
            spread(x),
            share_along(x, u),
        ]

    for together, few in zip(all_of(slice(None)), all_of(slice(1, 4)), strict=True):
        assert torch.equal(together[1:4], few)


def test_axes_in_front_are_free():
    states, second = planted(0, apart=1.0, deviation=1.0, sets=6, samples=32)
    flat = separability(states, second, 0 * states, halves(32))
    split = separability(*(x.unflatten(0, (2, 3)) for x in (states, second, 0 * states)), halves(32))
    assert torch.equal(split.flatten(), flat)
    np.testing.assert_allclose(spread(states.unflatten(0, (2, 3))).flatten(), spread(states))
