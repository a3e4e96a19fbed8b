"""Fork statistics: where resampled stories were decided, and how well that shows, from a run's dataset.

The dataset has the variables of `ForkingPaths`, at one step. Of several thresholds of tokens the first one counts. A
story that never forks has its fork at 0.
"""

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from ontogeny.measures.auroc import auroc
from ontogeny.measures.level_changes import Changes, level_changes


def outcome(ds: xr.Dataset) -> xr.DataArray:
    """The outcome distribution after every prefix."""
    return ds.outcome_law.isel(least=0, drop=True)


def error(ds: xr.Dataset) -> xr.DataArray:
    """L1 distance of the outcome distribution from the exact one, mean over stories and prefixes, from 0 to 2."""
    return abs(outcome(ds) - ds.exact_law).sum("outcome", skipna=False).mean(("path", "prefix"))


def steps(ds: xr.Dataset) -> xr.DataArray:
    """L2 size of the step that the outcome distribution makes at every word of every story."""
    step = outcome(ds).diff("prefix")
    return ((step**2).sum("outcome", skipna=False) ** 0.5).rename(prefix="word")


def distances(ds: xr.Dataset) -> xr.DataArray:
    """L2 distance of the outcome distribution from that before any word, at every prefix of every story."""
    return ((outcome(ds) - ds.start_outcome) ** 2).sum("outcome", skipna=False) ** 0.5


def fork_auroc(ds: xr.Dataset, shift: int = 0) -> xr.DataArray:
    """AUROC of the step for "this word decides", all words of all stories.

    With a shift, each story is given the fork of the story so many before it. NaN without any fork.
    """
    step, at = steps(ds).transpose("member", "path", "word"), _forks(ds, shift)
    deciding = at[..., None] == step.word.values
    scores, positive = (torch.from_numpy(np.ascontiguousarray(x)).flatten(1) for x in (step.values, deciding))
    return xr.DataArray(auroc(scores, positive).numpy(), dims="member")


def fork_auroc_elsewhere(ds: xr.Dataset) -> xr.DataArray:
    """The same with the forks of all other stories in turn, mean: words as early and as late, that decide nothing."""
    return xr.concat([fork_auroc(ds, shift) for shift in range(1, ds.sizes["path"])], "shift").mean(
        "shift", skipna=False
    )


def changes(ds: xr.Dataset) -> Changes:
    """What is believed of the changes of level of every story's distances: `[member, path]` first."""
    return level_changes(distances(ds).transpose("member", "path", "prefix").values)


def share_placed(ds: xr.Dataset, shift: int = 0, within: int = 1) -> xr.DataArray:
    """Share of stories whose single change of level is put within so many words of their fork.

    Of the stories that fork before their last word: at the last one a single point would be the new level. With a
    shift, each is given the fork of the story so many before it, where that forks. NaN where no story is left.
    """
    at, other = _forks(ds), _forks(ds, shift)
    counted = (at > 0) & (at < ds.sizes["word"]) & (other > 0)
    # The place between two prefixes has the number of the first, and the word that leads to the second one more.
    close = abs(changes(ds).single + 1 - other) <= within
    return share(xr.DataArray(close, dims=("member", "path")), xr.DataArray(counted, dims=("member", "path")))


def share_detected(ds: xr.Dataset, level: float = 0.05) -> xr.DataArray:
    """Share of forked stories with more evidence of a change than all but `level` of the constant series have."""
    return share(_detected(ds, distances(ds), "path", level), ds.fork_at > 0)


def share_of_steady_detected(ds: xr.Dataset, level: float = 0.05) -> xr.DataArray:
    """The same share of the stories that never fork: `level`, where they leave the outcome as it is."""
    return _detected(ds, ds.steady_distance, "steady", level).mean("steady")


def mean_hazard(ds: xr.Dataset, eps: float, *, after: bool, least: int = 0) -> xr.DataArray:
    """Mean hazard over all words before the deciding one, or over all after it; a story without has only the first.

    `least` is the number of a threshold of tokens.
    """
    risk = ds.hazard.isel(least=least, drop=True).sel(eps=eps, drop=True)
    at = ds.fork_at.where(ds.fork_at > 0, np.inf)
    return risk.where(risk.word > at if after else risk.word < at).mean(("path", "word"))


def survival(ds: xr.Dataset) -> xr.DataArray:
    r"""Probability of no token so far that would change the outcome by more than eps, by story, word and eps.

    $$S_t = \prod_{u \le t} (1 - h_u)$$
    """
    return (1.0 - ds.hazard.isel(least=0, drop=True)).cumprod("word", skipna=False)


def share(found: xr.DataArray, among: xr.DataArray) -> xr.DataArray:
    """Share of the stories that `among` marks; NaN where it marks none."""
    return found.where(among).mean("path")


def _forks(ds: xr.Dataset, shift: int = 0) -> Float[np.ndarray, "member path"]:
    return np.roll(ds.fork_at.transpose("member", "path").values.astype(float), shift, axis=1)


def _detected(ds: xr.Dataset, distance: xr.DataArray, over: str, level: float) -> xr.DataArray:
    """Which series show more evidence of a change than all but `level` of the constant ones of the same network."""
    null = level_changes(ds.null_distance.transpose("member", "series", "prefix").values).evidence
    found = level_changes(distance.transpose("member", over, "prefix").values).evidence
    beyond = (found > np.quantile(null, 1.0 - level, axis=1)[:, None]).astype(float)
    return xr.DataArray(np.where(np.isnan(found), np.nan, beyond), dims=("member", over))
