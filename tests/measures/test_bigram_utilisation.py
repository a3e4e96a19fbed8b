"""Oracles: predictors that use order fully, not at all, and by half."""

import torch

from ontogeny.measures.bigram_utilisation import bigram_utilisation
from ontogeny.streams import Streams
from ontogeny.tasks.markov_predictors import bigram_inference, unigram_inference


def test_bigram_inference_uses_all_and_unigram_inference_nothing(seed):
    contexts = Streams((seed, 4)).integers("contexts", (50, 20), 3)
    shuffled = torch.cat((contexts[..., torch.arange(18, -1, -1) % 19], contexts[..., 19:]), -1)
    shuffled[..., :19] = shuffled[..., torch.randperm(19, generator=torch.Generator().manual_seed(seed))]
    order = [bigram_inference(c, 3) for c in (contexts, shuffled)]
    counts = [unigram_inference(c, 3) for c in (contexts, shuffled)]
    torch.testing.assert_close(bigram_utilisation(*order, *order), torch.ones(2, dtype=torch.float64))
    assert bigram_utilisation(*counts, *order).abs().max() < 1e-12
    between = [0.5 * a + 0.5 * b for a, b in zip(order, counts, strict=True)]
    assert ((bigram_utilisation(*between, *order) > 0.1) & (bigram_utilisation(*between, *order) < 0.6)).all()


def test_by_hand_and_undefined():
    # Model: KL((1/2, 1/2) || (1/4, 3/4)) = 1/2 ln (4/3); reference: KL((1, 0) || (1/2, 1/2)) = ln 2.
    law = [torch.tensor([[v, 1 - v]], dtype=torch.float64) for v in (0.5, 0.25, 1.0, 0.5)]
    expected = 0.5 * torch.log(torch.tensor(4 / 3, dtype=torch.float64)) / torch.log(torch.tensor(2.0)).double()
    torch.testing.assert_close(bigram_utilisation(*law), expected, rtol=1e-6, atol=0.0)
    assert bigram_utilisation(law[0], law[0], law[2], law[2]).isnan()
