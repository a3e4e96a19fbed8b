"""Oracles: three stories of two outcomes by hand, in exact numbers and with noise, and the marks of constant series."""

import numpy as np
import pytest
import xarray as xr

from ontogeny.measures import fork_statistics as stats

OPEN, DECIDED = [0.5, 0.5], [1.0, 0.0]
WORDS = 6


def told(forks=(2, 5, 0), late=0):
    """Stories whose outcome is open until their fork, or until so many words after it."""
    there = [[f and prefix >= f + late for prefix in range(WORDS + 1)] for f in forks]
    return np.where(np.array(there, bool)[..., None], DECIDED, OPEN)


def dataset(forks=(2, 5, 0), late=0, members=1, **more):
    """A run at one step; at the second threshold everything is open and without hazard."""
    law = told(forks, late)
    hazard = np.where(np.arange(1, WORDS + 1) < np.where(np.array(forks) > 0, forks, 99)[:, None], 0.2, 0.01)
    hazard = np.stack([hazard, 0 * hazard])[..., None] * [1.0, 0.5]  # [least, path, word, eps]
    values = {
        "outcome_law": (("least", "path", "prefix", "outcome"), np.stack([law, np.full_like(law, 0.5)])),
        "exact_law": (("path", "prefix", "outcome"), told(forks)),
        "fork_at": (("path",), np.array(forks)),
        "hazard": (("least", "path", "word", "eps"), hazard),
        "start_outcome": (("outcome",), np.array(OPEN)),
        "null_distance": (("series", "prefix"), np.zeros((20, WORDS + 1))),
        "steady_distance": (("steady", "prefix"), np.zeros((4, WORDS + 1))),
        **more,
    }
    coords = dict(least=[0.01, 0.1], eps=[0.3, 0.5], prefix=range(WORDS + 1), word=range(1, WORDS + 1))
    whole = {name: (("member", *dims), np.broadcast_to(v, (members, *v.shape))) for name, (dims, v) in values.items()}
    return xr.Dataset(whole, coords)


def test_distances_and_steps_by_hand():
    ds = dataset()
    assert stats.error(ds).values.tolist() == [0.0]
    step = stats.steps(ds)
    assert step.dims == ("member", "path", "word")
    assert step.word.values.tolist() == [1, 2, 3, 4, 5, 6]
    # (.5, .5) to (1, 0): sqrt(.25 + .25)
    expected = np.zeros((3, WORDS))
    expected[0, 1] = expected[1, 4] = 0.5**0.5
    assert step.values[0] == pytest.approx(expected)
    away = stats.distances(ds).transpose("member", "path", "prefix").values[0]
    assert away[0] == pytest.approx([0, 0] + [0.5**0.5] * 5)
    assert away[2] == pytest.approx([0.0] * 7)
    # One word late, of 21 laws those of two are off by 1 in L1.
    assert stats.error(dataset(late=1)).item() == pytest.approx(2 / 21)


def test_stories_that_were_not_resampled_do_not_count():
    ds = dataset(late=1)
    ds["outcome_law"] = ds.outcome_law.where(ds.path == 0)
    ds["hazard"] = ds.hazard.where(ds.path == 0)
    assert stats.error(ds).item() == pytest.approx(1 / 7)
    assert stats.steps(ds).isnull().all(("member", "word")).values.tolist() == [False, True, True]
    assert stats.survival(ds).isnull().any(("member", "word", "eps")).values.tolist() == [False, True, True]
    assert stats.mean_hazard(ds, 0.3, after=False).item() == pytest.approx(0.2)


def test_auroc_by_hand():
    assert stats.fork_auroc(dataset()).values.tolist() == [1.0]
    # One word late: the two words that decide have no step, as 14 of the 16 others, and 2 have: (14 / 2) / 16.
    assert stats.fork_auroc(dataset(late=1)).values == pytest.approx([14 / 2 / 16])
    # With another's fork: words (0, 2, 5) are marked for stories that step at (2, 5, never): again none.
    assert stats.fork_auroc(dataset(), 1).values == pytest.approx([14 / 2 / 16])
    assert stats.fork_auroc_elsewhere(dataset()).values == pytest.approx([14 / 2 / 16])
    # Here each shift marks one of the two steps and one word without: above 15 and level with 1, level with 15, of 16.
    same = dataset(forks=(3, 3, 0))
    assert stats.fork_auroc_elsewhere(same).values == pytest.approx([(15.5 + 7.5) / 2 / 16])
    assert np.isnan(stats.fork_auroc(dataset(forks=(0, 0, 0)))).all()


def test_a_change_is_placed_within_a_word_of_the_fork():
    forks = (2, 4, 5, 6, 0)  # of the fork at the last word nothing can be asked
    assert stats.changes(dataset(forks)).single[0, :3].tolist() == [1, 3, 4]  # between prefix 1 and 2: at word 2
    assert stats.share_placed(dataset(forks)).values.tolist() == [1.0]
    assert stats.share_placed(dataset((2, 4, 0), late=1)).values.tolist() == [1.0]
    assert stats.share_placed(dataset((2, 4, 0), late=1), within=0).values.tolist() == [0.0]
    assert stats.share_placed(dataset((2, 4, 0), late=2)).values.tolist() == [0.0]
    # Each story's fork is sought at that of the one before: 2 at none, 4 at 2, 5 at 4, the last not asked.
    assert stats.share_placed(dataset(forks), 1).values.tolist() == [0.5]
    assert np.isnan(stats.share_placed(dataset((6, 0)))).all()


def test_detection_is_beyond_the_constant_series(seed):
    rng = np.random.default_rng(seed)
    noise = abs(rng.normal(0.0, 0.1, (400, WORDS + 1)))
    series, calm = (("series", "prefix"), noise), (("steady", "prefix"), abs(rng.normal(0.0, 0.1, (400, WORDS + 1))))
    found = dataset(members=2, null_distance=series, steady_distance=calm)
    assert stats.share_detected(found).values.tolist() == [1.0, 1.0]
    # 0.05 of them, to three deviations of two samples of 400
    assert stats.share_of_steady_detected(found).values == pytest.approx([0.05] * 2, abs=3 * (2 * 0.0475 / 400) ** 0.5)
    stepping = (("steady", "prefix"), noise[:4] + np.repeat([0.0, 2.0], [3, 4]))
    assert stats.share_of_steady_detected(dataset(null_distance=series, steady_distance=stepping)).item() == 1.0
    none = (("steady", "prefix"), np.full((4, WORDS + 1), np.nan))
    assert np.isnan(stats.share_of_steady_detected(dataset(null_distance=series, steady_distance=none))).all()


def test_hazard_and_survival_by_hand():
    ds = dataset()
    assert stats.mean_hazard(ds, 0.3, after=False).values == pytest.approx([0.2])  # 1 + 4 + 6 words
    assert stats.mean_hazard(ds, 0.3, after=True).values == pytest.approx([0.01])
    assert stats.mean_hazard(ds, 0.5, after=False).values == pytest.approx([0.1])
    assert stats.mean_hazard(ds, 0.3, after=False, least=1).values.tolist() == [0.0]
    alive = stats.survival(ds).sel(eps=0.3).transpose("member", "path", "word").values[0]
    assert alive[0, :3] == pytest.approx([0.8, 0.8 * 0.99, 0.8 * 0.99**2])
    assert alive[2, -1] == pytest.approx(0.8**6)


def test_hazard_at_the_fork_itself_counts_in_neither():
    ds = dataset(hazard=(("least", "path", "word", "eps"), np.full((2, 3, WORDS, 2), 0.3)))
    ds["hazard"] = ds.hazard.where(ds.word != ds.fork_at, 0.9)
    assert stats.mean_hazard(ds, 0.3, after=False).values == pytest.approx([0.3])
    assert stats.mean_hazard(ds, 0.3, after=True).values == pytest.approx([0.3])


def test_share():
    found = xr.DataArray([[True, False, True]] * 2, dims=("member", "path"))
    among = xr.DataArray([[True, True, False], [False] * 3], dims=("member", "path"))
    assert stats.share(found, among).values.tolist() == pytest.approx([0.5, np.nan], nan_ok=True)
