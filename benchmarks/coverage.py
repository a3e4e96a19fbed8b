"""How often 95 % intervals for a mean keep their word at 4 to 16 replicates.

    python benchmarks/coverage.py        # about half a minute on one core; rewrites the tables in docs/intervals.md

Every replicate of every simulated study is drawn from a distribution with a known mean. An interval that lies above
that mean would have made a claim with `above=` that mean `reproduced`, falsely; one below it, a claim with `below=`.
"""

import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy
import scipy.stats
from page import put, table

from ontogeny.intervals import binomial_interval, t_interval

SIZES = (4, 5, 6, 8, 16)
STUDIES = 200_000  # for the t interval
FEW = 2_000  # for the rivals, which resample
RESAMPLES = 999
PAGE = Path(__file__).parents[1] / "docs" / "intervals.md"

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
Ends = tuple[np.ndarray, np.ndarray]


def late(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Four seeds in five have learned (0.9), the fifth has not (0.3)."""
    return np.where(rng.random(shape) < 0.8, 0.9, 0.3) + 0.03 * rng.normal(size=shape)


DISTRIBUTIONS: dict[str, tuple[Draw, float]] = {
    "normal": (lambda rng, shape: rng.normal(size=shape), 0.0),
    "bimodal, even": (lambda rng, shape: rng.choice((-3.0, 3.0), shape) + rng.normal(size=shape), 0.0),
    "heavy tails (t, 3 degrees)": (lambda rng, shape: rng.standard_t(3, shape), 0.0),
    "skewed (lognormal, sigma 1)": (lambda rng, shape: rng.lognormal(size=shape), float(np.exp(0.5))),
    "near its limit (beta(9, 1))": (lambda rng, shape: rng.beta(9, 1, shape), 0.9),
    "one seed in five late": (late, 0.78),
    "difference of two lognormals": (lambda rng, shape: rng.lognormal(size=shape) - rng.lognormal(size=shape), 0.0),
}


def bootstrap(method: str) -> Callable[[np.ndarray], Ends]:
    """SciPy's bootstrap of the mean. All studies of one call share their resampling."""

    def interval(x: np.ndarray) -> Ends:
        rng = np.random.default_rng(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # BCa is undefined where all resamples agree
            found = scipy.stats.bootstrap(
                (x,), np.mean, axis=-1, n_resamples=RESAMPLES, batch=100, method=method, rng=rng
            ).confidence_interval
        return found.low, found.high

    return interval


def wilcoxon(x: np.ndarray) -> Ends:
    """The exact signed-rank interval, from the ordered averages of pairs; without end where n is too small for 95 %."""
    n = x.shape[-1]
    i, j = np.triu_indices(n)
    walsh = np.sort((x[:, i] + x[:, j]) / 2, axis=-1)
    counts = np.ones(1)
    for rank in range(1, n + 1):  # the null distribution: every rank's sign is a fair coin
        counts = np.convolve(counts, np.r_[1.0, np.zeros(rank - 1), 1.0])
    return order_statistics(walsh, np.cumsum(counts) / 2**n)


def sign(x: np.ndarray) -> Ends:
    """The exact sign-test interval (of the median), from the ordered replicates."""
    n = x.shape[-1]
    return order_statistics(np.sort(x, axis=-1), scipy.stats.binom.cdf(np.arange(n + 1), n, 0.5))


def order_statistics(ordered: np.ndarray, cumulative: np.ndarray) -> Ends:
    """The narrowest pair of order statistics that the null distribution allows at 2.5 % a side."""
    cut = int((cumulative <= 0.025).sum())
    if cut == 0:
        return np.full(len(ordered), -np.inf), np.full(len(ordered), np.inf)
    return ordered[:, cut - 1], ordered[:, -cut]


RIVALS = {
    "t": t_interval,
    "percentile bootstrap": bootstrap("percentile"),
    "BCa bootstrap": bootstrap("BCa"),
    "Wilcoxon": wilcoxon,
    "sign": sign,
}


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}"


def errors() -> str:
    """False `reproduced` of the t interval, for claims with `above=` and with `below=`."""
    rows = []
    for name, (draw, mean) in DISTRIBUTIONS.items():
        cells = []
        for n in SIZES:
            low, high = t_interval(draw(np.random.default_rng(n), (STUDIES, n)))
            cells.append(f"{percent((low > mean).mean())} / {percent((high < mean).mean())}")
        rows.append([name, *cells])
    return table(["replicates are", *(f"n = {n}" for n in SIZES)], rows, words=1)


def coverage() -> str:
    """How often each interval contains the mean; a dash where it has no end."""
    rows = []
    for name, (draw, mean) in DISTRIBUTIONS.items():
        for method, interval in RIVALS.items():
            cells = []
            for n in SIZES:
                low, high = interval(draw(np.random.default_rng(n), (FEW, n)))
                inside = ((low <= mean) & (mean <= high)).mean()  # an undefined interval contains nothing
                cells.append("–" if np.isinf(low).all() else percent(inside, 0))
            rows.append([name, method, *cells])
    return table(["replicates are", "interval", *(f"n = {n}" for n in SIZES)], rows, words=2)


def binomial() -> str:
    """False `reproduced` of the exact interval, summed exactly at each of 9,999 thresholds that are the true chance."""
    rows = []
    chances = np.linspace(0.0, 1.0, 10_001)[1:-1, None]
    for n in SIZES:
        hits = np.arange(n + 1)
        lows = np.array([binomial_interval(k, n)[0] for k in hits])
        error = np.where(lows > chances, scipy.stats.binom.pmf(hits, n, chances), 0.0).sum(axis=-1)
        rows.append([str(n), percent(error.max(), 2), percent(error.mean(), 2), f"{lows[n]:.3f}", f"{lows[n - 1]:.3f}"])
    return table(["n", "worst error, %", "mean error, %", "n of n shows a chance above", "n - 1 of n"], rows, words=1)


def main() -> None:
    start = time.perf_counter()
    sections = {"errors": errors(), "coverage": coverage(), "binomial": binomial()}
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}"
    sections["how"] = (
        f"`python benchmarks/coverage.py`; {versions}; {STUDIES:,} studies a cell for the t interval, "
        f"{FEW:,} with {RESAMPLES} resamples for the comparison."
    )
    for mark, content in sections.items():
        print(content, end="\n\n")
        put(PAGE, mark, content)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
