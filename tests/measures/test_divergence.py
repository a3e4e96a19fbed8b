"""Oracles: values by hand, SciPy, and rows alone."""

import math

import numpy as np
import scipy.stats
import torch

from ontogeny.measures.divergence import kl, mean_over


def test_by_hand():
    # KL((1/2, 1/2) || (1/4, 3/4)) = 1/2 ln 2 + 1/2 ln (2/3) = 1/2 ln (4/3); the other way round it is another number.
    p, q = torch.tensor([[0.5, 0.5], [0.25, 0.75]], dtype=torch.float64)
    torch.testing.assert_close(kl(p, q).item(), 0.5 * math.log(4 / 3))
    torch.testing.assert_close(kl(q, p).item(), 0.25 * math.log(1 / 2) + 0.75 * math.log(3 / 2))


def test_what_never_happens_counts_nothing_and_what_was_ruled_out_is_infinite():
    sure, torn = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    torch.testing.assert_close(kl(sure, torn).item(), math.log(2), check_dtype=False, rtol=1e-6, atol=0.0)
    assert kl(sure, sure).item() == 0
    assert kl(torn, sure).item() == math.inf


def test_agrees_with_scipy(seed):
    x = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    p, q = torch.softmax(x, -1)
    np.testing.assert_allclose(kl(p, q), scipy.stats.entropy(p, q, axis=-1))


def test_a_mean_stands_alone(seed):
    for length in (1, 3, 200, 1025):
        x = torch.randn(6, length, generator=torch.Generator().manual_seed(seed))
        together = mean_over(x)
        torch.testing.assert_close(together, x.mean(-1))
        for i in range(6):
            assert torch.equal(mean_over(x[i : i + 1].clone())[0], together[i])
            assert torch.equal(mean_over(x[i].clone()), together[i])
