r"""Double descent: the test error of random ReLU features over their number, with and without a penalty.

Features $\mathrm{relu}(x W / \sqrt d) / \sqrt N$ with W standard normal; the fit of least norm, by the pseudo-inverse,
and the best of a grid of ridge penalties, chosen on the test points (a lower bound for any way to choose it).
Sources: Belkin et al., arXiv 1812.11118; Mei & Montanari, arXiv 1908.05355.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.labelled import Labelled
from ontogeny.streams import Streams

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


def errors_over_features(streams: Streams, *, features: tuple[int, ...], draws: int) -> dict[str, Labelled]:
    """`least_norm` and `best_ridge`: a member's test errors over the number of features, medians over draws of these.

    100 points N(0, I) in 10 dimensions, a linear teacher of length about 1, noise of deviation 0.3; 1,000 test points
    without noise.
    """
    points, dimensions = 100, 10
    x, test = (streams.normal(name, (n, dimensions))[0].double() for name, n in (("points", points), ("test", 1_000)))
    teacher = streams.normal("teacher", (dimensions,))[0].double() / dimensions**0.5
    y = x @ teacher + 0.3 * streams.normal("noise", (points,))[0].double()
    penalties = torch.cat([torch.zeros(1, dtype=torch.float64), PENALTIES]).to(x.device)
    table = torch.empty(2, len(features), draws, dtype=torch.float64)
    for i, count in enumerate(features):
        for j in range(draws):
            w = streams.of(f"features {j}").normal(f"{count}", (dimensions, count))[0].double()
            errors = errors_over_penalties(relu_features(x, w), y, relu_features(test, w), test @ teacher, penalties)
            table[:, i, j] = torch.stack([errors[0], errors[1:].amin()]).cpu()
    return {
        name: Labelled(row[None], ("member", "features"), {"features": features})
        for name, row in zip(("least_norm", "best_ridge"), table.median(-1).values, strict=True)
    }
