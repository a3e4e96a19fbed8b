"""Oracles: planted mixtures, SciPy's constrained solver, problems solved by hand, and neighbours."""

import math

import numpy as np
import pytest
import scipy.optimize
import torch

from ontogeny.errors import UserError
from ontogeny.measures.algorithm_mixture import algorithm_mixture


def laws(*shape, seed, sharp=1.0):
    noise = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.softmax(sharp * noise, -1)


def mixed(weights, predictors):
    return (weights[..., None, None] * predictors).sum(-3)


def test_a_planted_mixture_is_found(seed):
    predictors = laws(3, 4, 200, 5, seed=seed, sharp=2.0)
    planted = torch.tensor([[0.7, 0.3, 0.0, 0.0], [0.0, 0.1, 0.2, 0.7], [0.25, 0.25, 0.25, 0.25]], dtype=torch.float64)
    fit = algorithm_mixture(mixed(planted, predictors), predictors)
    # In an exact mixture nothing but its absence speaks against a predictor: its weight falls as 1 / steps only.
    torch.testing.assert_close(fit.weights[:, 0], planted, rtol=0, atol=2e-3)
    assert (fit.residual.abs() < 1e-6).all()


def test_agrees_with_a_convex_solver_on_what_is_no_mixture(seed):
    target, predictors = laws(60, 4, seed=seed), laws(6, 60, 4, seed=seed + 1000, sharp=1.5)
    fit = algorithm_mixture(target, predictors)
    y, p = target.numpy(), predictors.numpy()

    def loss(weights):
        return (y * np.log(y / np.einsum("a,acj->cj", weights, p))).sum(-1).mean()

    def slope(weights):
        return -(p * (y / np.einsum("a,acj->cj", weights, p))).sum(-1).mean(-1)

    solved = scipy.optimize.minimize(
        loss,
        np.full(6, 1 / 6),
        jac=slope,
        method="SLSQP",
        bounds=[(0, 1)] * 6,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    np.testing.assert_allclose(fit.weights[0], solved.x, atol=3e-3)
    assert fit.residual.item() == pytest.approx(solved.fun, rel=1e-5)
    # The gap bounds how far the residual is above the least.
    for steps in (0, 3, 20):
        early = algorithm_mixture(target, predictors, steps=steps)
        assert 1e-6 < early.residual.item() - solved.fun < early.gap.item()
    assert fit.gap.item() < early.gap.item() < 0.2


def test_two_sure_predictors_by_hand():
    # Of two options predictor A always gives (1, 0) and B (0, 1), the model (0.8, 0.2): lambda = (0.8, 0.2) fits it.
    # A alone cannot: it gives the second option no chance.
    sure = torch.eye(2, dtype=torch.float64)[:, None].expand(-1, 3, -1)
    target = torch.tensor([0.8, 0.2], dtype=torch.float64).expand(3, -1)
    choices = torch.tensor([[True, True], [True, False]])
    fit = algorithm_mixture(target, sure, choices)
    torch.testing.assert_close(fit.weights[0], target[0])
    assert fit.residual[0].item() == pytest.approx(0.0, abs=1e-12)
    assert fit.weights[1].isnan().any()
    # With a uniform predictor instead of B: the mixture (a + u / 2, u / 2) is the model at u = 0.4.
    flat = torch.stack((sure[0], torch.full((3, 2), 0.5, dtype=torch.float64)))
    torch.testing.assert_close(algorithm_mixture(target, flat).weights[0], torch.tensor([0.6, 0.4]).double())
    # Fitted by the uniform one alone, what is left is ln 2 less the model's entropy.
    entropy = -0.8 * math.log(0.8) - 0.2 * math.log(0.2)
    alone = algorithm_mixture(target, flat, torch.tensor([[False, True]]))
    assert alone.weights.tolist() == [[0.0, 1.0]]
    assert alone.residual.item() == pytest.approx(math.log(2) - entropy)
    assert alone.gap.item() == pytest.approx(0.0, abs=1e-12)  # of a single predictor there is nothing to weigh


def test_the_divergence_has_the_model_first():
    # One predictor (0.9, 0.1), model (0.5, 0.5): KL(model || predictor) = ln(0.5 / 0.3) = 0.511; the reverse is 0.368.
    target = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    predictor = torch.tensor([[[0.9, 0.1]]], dtype=torch.float64)
    assert algorithm_mixture(target, predictor).residual.item() == pytest.approx(math.log(0.5 / 0.3))


def test_predictors_left_out_get_nothing(seed):
    predictors = laws(6, 50, 3, seed=seed)
    target = laws(50, 3, seed=seed + 7)
    choices = torch.tensor([[True] * 4 + [False] * 2, [True] * 6])
    both = algorithm_mixture(target, predictors, choices)
    four = algorithm_mixture(target, predictors[:4])
    torch.testing.assert_close(both.weights[0, :4], four.weights[0])
    assert both.weights[0, 4:].tolist() == [0.0, 0.0]
    assert both.residual[1] <= both.residual[0]
    torch.testing.assert_close(both.gap[0], four.gap[0])


def test_twins_share_their_weight(seed):
    one, other = laws(2, 80, 4, seed=seed, sharp=2.0)
    fit = algorithm_mixture(0.6 * one + 0.4 * other, torch.stack((one, one, other)))
    torch.testing.assert_close(fit.weights[0], torch.tensor([0.3, 0.3, 0.4]).double(), rtol=0, atol=1e-3)


def test_a_fit_stands_alone(seed):
    target, predictors = laws(3, 2, 30, 5, seed=seed), laws(3, 2, 6, 30, 5, seed=seed + 9)
    for choices in (None, torch.tensor([[True] * 4 + [False] * 2, [True] * 6])):
        together = algorithm_mixture(target, predictors, choices)
        spoiled = target.clone()
        spoiled[0] = torch.nan
        beside = algorithm_mixture(spoiled, predictors, choices)
        for field in ("weights", "residual", "gap"):
            assert getattr(beside, field)[0].isnan().all()
            assert torch.equal(getattr(beside, field)[1:], getattr(together, field)[1:])
        for i in range(3):
            for j in range(2):
                alone = algorithm_mixture(target[i, j].clone(), predictors[i, j].clone(), choices)
                for field in ("weights", "residual", "gap"):
                    assert torch.equal(getattr(alone, field), getattr(together, field)[i, j]), field


def test_an_empty_choice_is_refused():
    with pytest.raises(UserError, match="empty choice"):
        algorithm_mixture(laws(4, 2, seed=0), laws(2, 4, 2, seed=1), torch.tensor([[True, False], [False, False]]))
