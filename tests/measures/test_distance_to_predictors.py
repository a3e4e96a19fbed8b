"""Oracles: distances by hand, a loop over chains, and models that are a training chain or a fresh one."""

import math

import pytest
import scipy.stats
import torch

from ontogeny.measures.distance_to_predictors import (
    distance_to_predictors,
    matrix_distance,
    nearest_chain,
    relative_distance,
)
from ontogeny.streams import Streams
from ontogeny.tasks.markov_mixture import dirichlet_chains


def test_rows_count_as_often_as_they_are_visited():
    # Row 0 is right and row 1 costs KL((1/2, 1/2) || (1/4, 3/4)) = 1/2 ln (4/3); it is visited 1/3 of the time.
    p = torch.tensor([[0.9, 0.1], [0.5, 0.5]], dtype=torch.float64)
    q = torch.tensor([[0.9, 0.1], [0.25, 0.75]], dtype=torch.float64)
    visits = torch.tensor([2 / 3, 1 / 3], dtype=torch.float64)
    assert matrix_distance(p, q, visits).item() == pytest.approx(math.log(4 / 3) / 6)
    assert matrix_distance(p, p, visits).item() == 0


def test_each_predictor_has_its_mean_over_paths(seed):
    predictors = dirichlet_chains(Streams((seed, 5)), 3 * 7, 4).transitions.unflatten(1, (3, 7))
    model = predictors[:, 1]
    visits = dirichlet_chains(Streams((seed, 5)).of("visits"), 7, 4).stationary
    found = distance_to_predictors(model, predictors, visits)
    assert found.shape == (2, 3)
    assert found[:, 1].tolist() == [0.0, 0.0]
    p, q, w = predictors[1, 2], model[1], visits[1]
    expected = (scipy.stats.entropy(p, q, axis=-1) * w.numpy()).sum(-1).mean()
    assert found[1, 2].item() == pytest.approx(expected)


def test_nearest_agrees_with_a_loop(seed):
    chains = dirichlet_chains(Streams((seed, 3)), 9, 4)
    model = dirichlet_chains(Streams((seed, 3)).of("model"), 6, 4).transitions
    found = nearest_chain(model, chains.transitions, chains.stationary)
    for member in range(2):
        for path in range(6):
            each = [
                matrix_distance(chains.transitions[member, n], model[member, path], chains.stationary[member, n])
                for n in range(9)
            ]
            torch.testing.assert_close(found[member, path], torch.stack(each).min())


def test_a_model_that_is_a_training_chain_is_at_0(seed):
    trained, fresh = (dirichlet_chains(Streams((seed, 8)).of(name), 5, 3) for name in ("trained", "fresh"))

    def relative(model):
        return relative_distance(
            nearest_chain(model, trained.transitions, trained.stationary),
            nearest_chain(model, fresh.transitions, fresh.stationary),
        )

    assert relative(trained.transitions[:, [3, 1, 3]]).abs().max() < 1e-12
    assert relative(fresh.transitions[:, [3, 1, 3]]).min() > 1e12
    # A model that is neither is as far from the one as from the other.
    strange = dirichlet_chains(Streams((seed, 8)).of("strange"), 2000, 3).transitions
    assert ((relative(strange) > 0.5) & (relative(strange) < 2)).all()
