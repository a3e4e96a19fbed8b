"""LOOMap and MapReliability: placing new points in a picture and scoring its points, as scikit-learn estimators."""

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from ontogeny.errors import UserError
from ontogeny.measures.exact_tsne import ExactTSNE
from ontogeny.measures.loo_map import FrozenTSNE, loo_map, require_picture
from ontogeny.measures.map_reliability import perturbation_score, singularity_score, tail
from ontogeny.measures.tsne import Progress, gradient


def _picture(estimator: Any, X: Any, embedding: Any) -> FrozenTSNE:
    """The picture an estimator works on: the one given, or drawn by its embedder."""
    X = validate_data(estimator, X, dtype=np.float64, ensure_min_samples=4)
    if embedding is None:
        if estimator.embedder is None:
            embedder: Any = ExactTSNE(estimator.perplexity, progress=estimator.progress)
        else:
            embedder = clone(estimator.embedder, safe=False)
        embedding = embedder.fit_transform(X)
    x = torch.from_numpy(np.array(X))
    y = torch.as_tensor(np.array(embedding, dtype=np.float64))
    require_picture(x, y)
    return FrozenTSNE(x, y, float(estimator.perplexity))


class LOOMap(TransformerMixin, BaseEstimator):
    """Continues a t-SNE picture to points it was not drawn from: `transform` gives each its place.

    `fit(X)` draws the picture with `embedder` (anything with `fit_transform`; None: `ExactTSNE`), or takes the one it
    is given: `fit(X, embedding=places)`. `perplexity` is the one that the picture was drawn with. A new point goes
    where its leave-one-out loss is lowest, all others held fast; each is placed as if it were the only new one, so a
    row that was in `X` comes close to where it was drawn, not exactly there (it is its own nearest neighbour now).

    The rule is t-SNE's. For a picture by another method (UMAP...), the answer is where t-SNE's rule would put the
    point.

    Attributes: `embedding_` [row, 2].
    """

    def __init__(
        self, perplexity: float | int = 30.0, *, embedder: Any = None, progress: Progress | None = None
    ) -> None:
        self.perplexity = perplexity
        self.embedder = embedder
        self.progress = progress

    def fit(self, X: Any, y: Any = None, *, embedding: Any = None) -> "LOOMap":
        """Draws or takes the picture of `X` [row, feature]."""
        self._frozen = _picture(self, X, embedding)
        self.embedding_ = self._frozen.y.numpy()
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The place of each row in the picture, [row, 2]."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        place, _ = loo_map(self._frozen, torch.from_numpy(np.array(X)), progress=self.progress)
        return place.numpy()


class MapReliability(BaseEstimator):
    r"""Which points of a t-SNE picture to distrust.

    `fit(X)` draws the picture with `embedder` (anything with `fit_transform`; None: `ExactTSNE`), or takes the one it
    is given: `fit(X, embedding=places)`, with the `perplexity` that it was drawn with. `length` is how far each point
    is pushed in the data; None takes half the median bandwidth \sigma, which is half of what a point sees as near.

    A picture that is not at a minimum of t-SNE's objective is not settled here, for then it would be another picture:
    it gets no singularity score (NaN). `ExactTSNE(start=places)` settles it. Pictures by another method (UMAP...) are
    judged by t-SNE's rule too: their perturbation score says how far t-SNE's rule would move a point, and they have no
    singularity score.

    Attributes: `perturbation_score_` and `singularity_score_` [row]; `warnings_` [row], true for points that leap more
    than three times as far as the median; `length_`; `gradient_`, the largest |gradient|; `settled_`, whether it is
    small enough; `embedding_` [row, 2].
    """

    def __init__(
        self,
        perplexity: float | int = 30.0,
        *,
        embedder: Any = None,
        length: float | int | None = None,
        directions: int = 3,
        progress: Progress | None = None,
    ) -> None:
        self.perplexity = perplexity
        self.embedder = embedder
        self.length = length
        self.directions = directions
        self.progress = progress

    def fit(self, X: Any, y: Any = None, *, embedding: Any = None) -> "MapReliability":
        """Scores every point of the picture of `X` [row, feature]."""
        frozen = _picture(self, X, embedding)
        data = frozen.data
        self.length_ = float((8 * data.beta).rsqrt().median()) if self.length is None else float(self.length)
        if not self.length_ > 0 or not np.isfinite(self.length_):
            raise UserError(f"the length of a push is above 0, got {self.length_:g}")
        score = perturbation_score(
            frozen, data.x, length=self.length_, directions=self.directions, progress=self.progress
        )
        self.gradient_ = float(gradient(frozen.joint, frozen.y).abs().max())
        try:
            loose = singularity_score(frozen.joint, frozen.y)
            self.settled_ = True
        except UserError:
            loose = torch.full_like(score, torch.nan)
            self.settled_ = False
        self.embedding_ = frozen.y.numpy()
        self.perturbation_score_, self.singularity_score_ = score.numpy(), loose.numpy()
        self.warnings_ = tail(score).numpy()
        return self


def perplexity_curve(
    X: Any, perplexities: Any = (5, 10, 20, 40, 60), *, progress: Progress | None = None
) -> dict[float, float]:
    """Log10 of the singularity score's 95 % quantile at each perplexity: choose one where it has become flat.

    Perplexities that are too large for the number of rows are left out. NaN for a picture that did not settle.
    """
    curve = {}
    for perplexity in perplexities:
        if perplexity < len(X) - 1:
            y = ExactTSNE(perplexity, progress=progress).fit_transform(X)
            frozen = FrozenTSNE(torch.as_tensor(np.asarray(X, dtype=np.float64)), torch.as_tensor(y), float(perplexity))
            try:
                score = singularity_score(frozen.joint, frozen.y)
                curve[float(perplexity)] = float(score.quantile(0.95).log10())
            except UserError:
                curve[float(perplexity)] = float("nan")
    return curve
