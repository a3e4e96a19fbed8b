"""Oracles: scikit-learn, values by hand, invariance under monotone maps."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from ontogeny.measures.auroc import auroc


def draw(seed, *shape):
    rng = np.random.default_rng(seed)
    # Few distinct values: ties between and within the classes.
    return torch.from_numpy(rng.integers(12, size=shape) / 3.0), torch.from_numpy(rng.integers(2, size=shape) > 0)


def test_agrees_with_scikit_learn_member_by_member(seed):
    scores, positive = draw(seed, 2, 3, 50)
    found = auroc(scores, positive)
    for i in range(2):
        for j in range(3):
            expected = roc_auc_score(positive[i, j], scores[i, j])
            assert found[i, j].item() == pytest.approx(expected, abs=1e-12)


def test_only_marked_samples_count(seed):
    scores, positive = draw(seed, 4, 60)
    among = draw(seed + 100, 4, 60)[1]
    found = auroc(scores, positive, among)
    for i in range(4):
        kept = among[i]
        assert found[i].item() == pytest.approx(roc_auc_score(positive[i][kept], scores[i][kept]), abs=1e-12)


def test_by_hand():
    # Positives 3 and 1 against negatives 2, 1 and 0: 3 beats all three; 1 loses to 2, ties with 1, beats 0.
    scores = torch.tensor([3.0, 1.0, 2.0, 1.0, 0.0])
    positive = torch.tensor([True, True, False, False, False])
    assert auroc(scores, positive).item() == pytest.approx((3 + 1.5) / 6)
    assert auroc(-scores, positive).item() == pytest.approx(1 - 4.5 / 6)
    assert auroc(scores.exp() + 7, positive).item() == pytest.approx(4.5 / 6)
    assert auroc(torch.zeros(5), positive).item() == 0.5


def test_infinite_scores_are_ordinary_and_what_is_left_out_may_be_nan():
    scores = torch.tensor([torch.inf, 1.0, torch.inf, torch.nan])
    positive = torch.tensor([True, False, False, True])
    among = torch.tensor([True, True, True, False])
    assert auroc(scores, positive, among).item() == pytest.approx((1 + 0.5) / 2)


def test_undefined_where_a_class_is_missing_or_a_score_is_nan():
    scores = torch.tensor([[1.0, 2.0], [1.0, 2.0], [torch.nan, 2.0], [1.0, 2.0]])
    positive = torch.tensor([[True, True], [False, False], [True, False], [True, False]])
    assert auroc(scores, positive).isnan().tolist() == [True, True, True, False]
