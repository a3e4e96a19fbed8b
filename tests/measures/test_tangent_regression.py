"""Oracles: rank counting, scikit-learn on the features themselves, and theory at a finite size."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from ontogeny.measures.tangent_regression import generalise, memorise
from ontogeny.models.two_layer import tangent_features, unit_neurons
from ontogeny.streams import Streams
from ontogeny.tasks.isotropic_regression import IsotropicRegression


def number(values, name):
    return values[name].values.item()


def test_memory_counts_parameters():
    few = memorise(Streams((1,)), activation="tanh", dimensions=10, ratio=0.5)
    assert number(few, "rank") == 0.5  # 20 parameters, 40 points
    assert number(few, "residual") > 0.3
    many = memorise(Streams((1,)), activation="tanh", dimensions=10, ratio=2.0)
    assert number(many, "rank") == 1.0
    assert number(many, "residual") < 1e-9
    linear = memorise(Streams((1,)), activation="linear", dimensions=10, ratio=8.0)
    assert number(linear, "rank") == 0.25  # 320 parameters, of which 10 count


@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_generalise_is_regression_on_the_features(penalty):
    streams = Streams((3,))
    values = generalise(
        streams, activation="gelu", delta=2.0, ratio=4.0, penalty=penalty, dimensions=10, noise=0.5, tested=50
    )
    task = IsotropicRegression(dimensions=10, noise=0.5)
    (x, y, _), (test, _, clean) = task.draw(streams, "points", 20), task.draw(streams, "test", 50)
    w = unit_neurons(streams, 8, 10)
    features, others = (tangent_features(t, w, "gelu").numpy() for t in (x, test))
    if penalty:
        predictions = Ridge(alpha=penalty, fit_intercept=False).fit(features, y.numpy()).predict(others)
    else:
        predictions = others @ np.linalg.lstsq(features, y.numpy(), rcond=None)[0]
    assert number(values, "error") == pytest.approx(np.mean((predictions - clean.numpy()) ** 2), rel=1e-6)
    assert number(values, "least_eigenvalue") == pytest.approx(
        np.linalg.eigvalsh(features @ features.T)[0], rel=1e-6, abs=1e-12
    )


def test_rivals_are_regressions_on_raw_inputs():
    streams = Streams((2,))
    values = generalise(
        streams, activation="relu", delta=2.0, ratio=20.0, penalty=0.0, dimensions=20, noise=0.5, tested=100
    )
    task = IsotropicRegression(dimensions=20, noise=0.5)
    (x, y, _), (test, _, clean) = task.draw(streams, "points", 40), task.draw(streams, "test", 100)
    for name, alpha in (("ridge_error", 20.0), ("unpenalised_error", 0.0)):  # gamma d = 20 for ReLU
        fit = Ridge(alpha=alpha, fit_intercept=False).fit(x.numpy(), y.numpy())
        assert number(values, name) == pytest.approx(np.mean((fit.predict(test.numpy()) - clean.numpy()) ** 2))
    assert number(values, "gamma") == pytest.approx(1.0)
    assert number(values, "ridge_error_anew") != number(values, "ridge_error")
    assert isinstance(values["error"].values, torch.Tensor)
