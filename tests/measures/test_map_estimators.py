"""Oracles: scikit-learn's own checks of any estimator, and what the bare functions give."""

import contextlib
import unittest

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.manifold import TSNE
from sklearn.utils.estimator_checks import estimator_checks_generator

from ontogeny.errors import UserError
from ontogeny.measures.exact_tsne import ExactTSNE
from ontogeny.measures.loo_map import FrozenTSNE, loo_map
from ontogeny.measures.map_estimators import LOOMap, MapReliability, perplexity_curve
from ontogeny.measures.map_reliability import perturbation_score, singularity_score

QUICK = ExactTSNE(2.0, steps=30, exaggerated=0)
EVERYWHERE = {"check_do_not_raise_errors_in_init_or_set_params"}  # while testing, types are checked when built
EXCEPTIONS = {
    # A place among the others is not the place as one more point beside itself.
    "check_transformer_general": "LOO-map of a point in the data is that of a second point in the same place",
    "check_transformer_data_not_an_array": "the same",
}


@pytest.mark.parametrize(
    "estimator",
    [QUICK, LOOMap(2.0, embedder=QUICK), MapReliability(2.0, embedder=QUICK)],
    ids=lambda e: type(e).__name__,
)
def test_scikit_learn_accepts_it(estimator):
    skipped = []
    for check_estimator, check in estimator_checks_generator(estimator, mark=None):
        name = check.func.__name__
        if name in EVERYWHERE:
            continue
        if name in EXCEPTIONS and isinstance(estimator, LOOMap):
            skipped.append(name)
            continue
        with contextlib.suppress(unittest.SkipTest):  # array libraries that were not asked for
            check(check_estimator)
    assert set(skipped) == (set(EXCEPTIONS) if isinstance(estimator, LOOMap) else set())


@pytest.fixture(scope="module")
def data():
    x = np.random.default_rng(0).normal(size=(40, 3))
    return x, ExactTSNE(10.0).fit_transform(x)


def test_scores_are_those_of_the_functions(data):
    x, y = data
    fitted = MapReliability(10.0, length=0.5).fit(x, embedding=y)
    frozen = FrozenTSNE(torch.as_tensor(x), torch.as_tensor(y), 10.0)
    np.testing.assert_array_equal(fitted.perturbation_score_, perturbation_score(frozen, frozen.data.x, length=0.5))
    np.testing.assert_array_equal(fitted.singularity_score_, singularity_score(frozen.joint, frozen.y))
    assert fitted.settled_
    assert fitted.warnings_.shape == (40,)
    assert clone(fitted).get_params() == fitted.get_params()


def test_new_points_get_places(data):
    x, y = data
    new = x[:5] + 0.1
    fitted = LOOMap(10.0).fit(x, embedding=y)
    places, _ = loo_map(FrozenTSNE(torch.as_tensor(x), torch.as_tensor(y), 10.0), torch.as_tensor(new))
    np.testing.assert_array_equal(fitted.transform(new), places)


def test_the_length_of_a_push_is_half_the_bandwidth(data):
    x, y = data
    fitted = MapReliability(10.0).fit(x, embedding=y)
    twice = MapReliability(10.0).fit(2 * x, embedding=y)
    assert twice.length_ == pytest.approx(2 * fitted.length_, rel=1e-9)
    # The picture of data in other units is the same, and so are its scores.
    np.testing.assert_allclose(twice.perturbation_score_, fitted.perturbation_score_, rtol=1e-4)


def test_a_picture_that_is_not_settled_has_no_singularity(data):
    x, _ = data
    rough = TSNE(perplexity=10, max_iter=250, random_state=0)
    fitted = MapReliability(10.0, embedder=rough).fit(x)
    assert not fitted.settled_
    assert np.isnan(fitted.singularity_score_).all()
    assert np.isfinite(fitted.perturbation_score_).all()


def test_a_start_is_kept_and_settled(data):
    x, y = data
    again = ExactTSNE(10.0, start=y, steps=0).fit(x)
    np.testing.assert_array_equal(again.start_, y)
    np.testing.assert_allclose(again.embedding_, y, atol=1e-6)
    assert again.gradient_ < 1e-7
    with pytest.raises(UserError, match=r"\(40, 2\), got \(3, 2\)"):
        ExactTSNE(10.0, start=np.zeros((3, 2))).fit(x)
    with pytest.raises(UserError, match="'pca', 'x'"):
        ExactTSNE(10.0, start="random").fit(x)


def test_curve_leaves_out_what_does_not_fit(data):
    curve = perplexity_curve(data[0], (10, 20, 60))
    assert list(curve) == [10.0, 20.0]
    assert curve[10.0] > curve[20.0]


@pytest.mark.parametrize("length", [0.0, -1.0, float("nan")])
def test_a_push_has_a_length(data, length):
    with pytest.raises(UserError, match="length of a push is above 0"):
        MapReliability(10.0, length=length).fit(data[0], embedding=data[1])
