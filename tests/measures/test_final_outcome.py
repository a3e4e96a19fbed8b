"""Oracles: NumPy's correlation, and a network that is the law of the stories."""

import numpy as np
import pytest
import torch
from narrators import look

from ontogeny.measures.final_outcome import FinalOutcome, centred_correlation
from ontogeny.tasks.forking_story import ForkingStory


def test_correlation_agrees_with_numpy(seed):
    rng = np.random.default_rng(seed)
    p, q = rng.normal(size=(2, 3, 50, 4)) + np.array([0.0, 5.0, 1.0, 2.0])
    centred = [(x - x.mean(1, keepdims=True)).reshape(3, -1) for x in (p, q)]
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(*centred, strict=True)]
    assert centred_correlation(torch.from_numpy(p), torch.from_numpy(q)).tolist() == pytest.approx(expected)


def test_what_is_the_same_for_all_says_nothing():
    same = torch.tensor([0.1, 0.9], dtype=torch.float64).expand(1, 7, 2)
    assert centred_correlation(same, torch.rand(1, 7, 2, dtype=torch.float64)).isnan().all()


def test_the_law_is_the_best_prediction():
    found = FinalOutcome(samples=60)(look(ForkingStory(length=5)))
    assert found["final_correlation"].values.tolist() == pytest.approx([1.0, 1.0])
    assert found["final_error"].values.tolist() == pytest.approx([0.0, 0.0], abs=1e-9)
