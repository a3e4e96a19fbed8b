"""ExactTSNE: t-SNE pictures that end at a minimum, as a scikit-learn estimator."""

from typing import Any, Literal

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.measures.perplexity import bandwidths, joint_probabilities, squared_distances
from ontogeny.measures.tsne import Progress, descend, gradient, kl_divergence, polish, principal_start

Start = Literal["pca", "x"]


class ExactTSNE(BaseEstimator):
    """A t-SNE picture of all pairs, settled until no point feels a force, and the same every time.

    `start` is "pca" (the first two principal components, tiny), "x" (the first two columns as they are) or an array of
    places: which minimum is reached depends on it, so it is kept in `start_`. `exaggerated` is for how many of the
    `steps` all attraction is twelvefold: it gathers clusters of real data, and folds small pictures of smooth data
    (0 leaves it out). `perplexity` is at most the number of rows minus 2; a larger one is an error.

    Attributes: `embedding_` [row, 2]; `kl_divergence_` in nats; `gradient_`, the largest |gradient| that is left;
    `start_`. There is no `transform`: see `LOOMap`.

    Cost: O(n^2) a step of the descent, O(n^3) for each of some tens of steps to settle.
    """

    def __init__(
        self,
        perplexity: float | int = 30.0,
        *,
        start: Any = "pca",
        steps: int = 1000,
        exaggerated: int = 250,
        tolerance: float = 1e-7,
        progress: Progress | None = None,
    ) -> None:
        self.perplexity = perplexity
        self.start = start
        self.steps = steps
        self.exaggerated = exaggerated
        self.tolerance = tolerance
        self.progress = progress

    def fit(self, X: Any, y: Any = None) -> "ExactTSNE":
        """Draws the picture of `X` [row, feature]. Raises: `UserError` for too large a perplexity."""
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=4)
        x = torch.from_numpy(np.array(X))
        squared = squared_distances(x)
        p = joint_probabilities(squared, bandwidths(squared, float(self.perplexity)))
        start = self._started(x)
        map_ = descend(p, start, steps=self.steps, exaggerated=self.exaggerated, progress=self.progress)
        map_ = polish(p, map_, tolerance=self.tolerance, progress=self.progress)
        self.start_, self.embedding_ = start.numpy(), map_.numpy()
        self.kl_divergence_ = float(kl_divergence(p, map_))
        self.gradient_ = float(gradient(p, map_).abs().max())
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """The picture of `X`, [row, 2]."""
        return self.fit(X).embedding_

    def _started(self, x: Tensor) -> Tensor:
        if isinstance(self.start, str):
            if self.start == "pca":
                return principal_start(x)
            if self.start == "x" and x.shape[1] >= 2:
                return x[:, :2].clone()
            raise UserError(f"a start is 'pca', 'x' (with two columns or more) or an array, got {self.start!r}")
        start = torch.as_tensor(np.asarray(self.start, dtype=np.float64))
        if tuple(start.shape) != (len(x), 2):
            raise UserError(f"a start has a pair of coordinates a row, ({len(x)}, 2), got {tuple(start.shape)}")
        return start.clone()
