"""Oracle: `torch.nn.BCEWithLogitsLoss`, values and gradients."""

import torch

from ontogeny.tasks.contract import Batch
from ontogeny.training.binary_cross_entropy import BinaryCrossEntropy, softplus


def test_equals_torch():
    g = torch.Generator().manual_seed(0)
    z = (20 * torch.randn(3, 40, 1, generator=g, dtype=torch.float64)).requires_grad_()
    t = torch.rand(3, 40, 1, generator=g, dtype=torch.float64)
    ours = BinaryCrossEntropy()(z, Batch(inputs=z, targets=t))
    theirs = torch.stack([torch.nn.BCEWithLogitsLoss()(a, b) for a, b in zip(z, t, strict=True)])
    torch.testing.assert_close(ours, theirs)
    slopes = [torch.autograd.grad(loss.sum(), z, retain_graph=True)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*slopes)


def test_softplus_does_not_overflow():
    assert softplus(torch.tensor([1e4, -1e4, 0.0])).tolist() == [1e4, 0.0, torch.tensor(2.0).log().item()]


def test_alone_and_in_company():
    z = torch.randn(5, 37, 1, generator=torch.Generator().manual_seed(1))
    batch = Batch(inputs=z, targets=(z > 0.3).float())
    alone = BinaryCrossEntropy()(z[2:3], Batch(inputs=z[2:3], targets=batch.targets[2:3]))
    assert torch.equal(alone, BinaryCrossEntropy()(z, batch)[2:3])
