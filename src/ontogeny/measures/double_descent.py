r"""Double descent: the test error of random ReLU features over their number, with and without a penalty.

Features $\mathrm{relu}(x W / \sqrt d) / \sqrt N$ with W standard normal; the fit of least norm, by the pseudo-inverse,
and the best of a grid of ridge penalties, chosen on the test points (a lower bound for any way to choose it).
Sources: Belkin et al., arXiv 1812.11118; Mei & Montanari, arXiv 1908.05355.
"""

import torch
from jaxtyping import Float
from torch import Tensor

PENALTIES = torch.logspace(-6, 2, 32, dtype=torch.float64)


def relu_features(
    x: Float[Tensor, "point dimension"], w: Float[Tensor, "dimension feature"]
) -> Float[Tensor, "point feature"]:
    r"""$\mathrm{relu}(x W / \sqrt d) / \sqrt N$."""
    return torch.relu(x @ w / x.shape[1] ** 0.5) / w.shape[1] ** 0.5


def errors_over_penalties(
    train: Float[Tensor, "point feature"],
    targets: Float[Tensor, "point"],
    test: Float[Tensor, "other feature"],
    clean: Float[Tensor, "other"],
    penalties: Float[Tensor, "penalty"],
) -> Float[Tensor, "penalty"]:
    """Mean squared error of ridge regression on features, for every penalty; at 0 the least-norm fit.

    Singular values below 1e-13 of the largest count as 0. Cost: one singular value decomposition.
    """
    left, values, right = torch.linalg.svd(train, full_matrices=False)
    kept = values > 1e-13 * values.amax()
    along = left.mT @ targets
    shrunk = torch.where(kept, values, 0.0) / (values.square() + penalties[:, None]).where(kept, 1.0)
    predictions = (test @ right.mT) @ (shrunk * along).mT
    return (predictions - clean[:, None]).square().mean(0)


def local_peak(
    at: Float[Tensor, "*lead"], below: Float[Tensor, "*lead"], above: Float[Tensor, "*lead"]
) -> Float[Tensor, "*lead"]:
    """An error over the geometric mean of those on both sides: 1 where log errors lie on a line."""
    return at / (below * above).sqrt()
