"""Oracles: runs drawn by hand, with forks and noise where they should be, and the whole study at smoke scale."""

import numpy as np
import pytest
import xarray as xr

from ontogeny.judging import judge
from ontogeny.locate import find
from ontogeny.prepared import prepare
from ontogeny.run import run
from ontogeny.store import load
from ontogeny.studies import forking_tokens as forking
from ontogeny.tasks.story import OUTCOMES, outcome_weights

CLAIMS = {claim.id: claim for claim in forking.study.claims}
SEEDS, PATHS, WORDS = 4, 12, 16
FORKS = np.array([1, 2, 3, 5, 5, 7, 8, 10, 12, 15, 16, 0])


class Nobody:
    """A watcher that looks away."""

    def begin(self, *_):
        pass

    look = end = say = begin


def dataset(values, fork):
    """A run as its measures give it."""
    coords = dict(step=[0, 9], least=[0.005, 0.05], eps=[0.3, 0.4, 0.5, 0.7], outcome=list(OUTCOMES))
    coords |= dict(prefix=range(WORDS + 1), word=range(1, WORDS + 1), after=range(4))
    coords |= dict(seed=("member", range(SEEDS))) | (dict(fork=("member", [fork] * SEEDS)) if fork else {})
    return xr.Dataset(values, coords)


def both(before, after):
    """Before and after training, on an axis after that of members."""
    return np.stack([before, after], 1)


def drawn(which, *, forks=FORKS, noise=0.03, size=1.0, late=0, hazard=None, afterwards=0.0, off=0.01, correlation=0.9,
          steady=1.0, start=None, early=0.25):  # fmt: skip
    """Forking stories go to outcome A with their fork, of the full size, `late` words late; drifting ones stay."""
    rng = np.random.default_rng(7)
    law = outcome_weights().numpy()
    at = forks if which == forking.FORK else np.zeros(PATHS, int)
    place = np.arange(WORDS + 1)
    there = (place >= at[:, None]) & (at[:, None] > 0)
    exact = np.where(there[..., None], [0.95, 0.05 / 3, 0.05 / 3, 0.05 / 3], law)
    shown = exact[:, np.maximum(place - late, 0)]
    jitter = noise / 2 * rng.normal(size=(SEEDS, PATHS, WORDS + 1, 4))
    found = law + size * (shown - law) + jitter - jitter.mean(-1, keepdims=True)
    fork = np.where(at > 0, at, 99)[:, None]
    rate = (0.12 if which == forking.FORK else 0.001) if hazard is None else hazard
    risk = np.select([place[1:] < fork, place[1:] == fork], [rate, 0.99], afterwards)
    risk = np.broadcast_to(risk[None, None, ..., None], (SEEDS, 2, PATHS, WORDS, 4)).copy()
    risk[:, 1] *= 0.05
    constant = noise / 2 * np.linalg.norm(rng.normal(size=(SEEDS, 400, WORDS + 1, 4)), axis=-1)
    calm = steady * noise / 2 * np.linalg.norm(rng.normal(size=(SEEDS, 100, WORDS + 1, 4)), axis=-1)
    everyone = (SEEDS, *exact.shape)
    many = np.broadcast_to(exact, everyone)
    first = np.where(np.arange(PATHS)[:, None, None] < 2, np.broadcast_to(early, everyone), np.nan)
    moved = np.array([0.7, 0.2, 0.7, 0.2])[None, :, None] * np.ones((SEEDS, 1, 6))
    start = np.broadcast_to(law if start is None else start, (SEEDS, 4))
    by = ("member", "step")
    return dataset(
        {
            "outcome_law": (
                (*by, "least", "path", "prefix", "outcome"),
                both(*(np.stack([x, x], 1) for x in (first, found))),
            ),
            "exact_law": ((*by, "path", "prefix", "outcome"), both(many, many)),
            "fork_at": ((*by, "path"), np.broadcast_to(at, (SEEDS, 2, PATHS))),
            "hazard": ((*by, "least", "path", "word", "eps"), both(risk * np.nan, risk)),
            "words": ((*by, "path", "word"), np.zeros((SEEDS, 2, PATHS, WORDS))),
            "start_outcome": ((*by, "outcome"), both(start * 0 + 0.25, start)),
            "null_distance": ((*by, "series", "prefix"), both(constant, constant)),
            "steady_distance": ((*by, "steady", "prefix"), both(calm * np.nan, calm)),
            "stop_distance": ((*by, "after", "prefix_number"), both(moved * np.nan, moved)),
            "final_correlation": (by, np.array([[off, correlation]] * SEEDS)),
        },
        0.12 if which == forking.FORK else 0.0,
    )


def runs(fork=None, drift=None):
    return {forking.FORK: drawn(forking.FORK, **(fork or {})), forking.DRIFT: drawn(forking.DRIFT, **(drift or {}))}


def verdict(claim, results):
    return judge(CLAIMS[claim], results, "desk").verdict


def test_a_clear_case_reproduces_all():
    results = runs()
    assert {claim: verdict(claim, results) for claim in CLAIMS} == dict.fromkeys(CLAIMS, "reproduced")


def test_numbers_by_hand():
    found = {claim: judge(CLAIMS[claim], runs(dict(noise=0.0)), "desk") for claim in CLAIMS}

    def both_of(claim):
        return pytest.approx([found[claim].statistic, found[claim].control.statistic], abs=2e-3)

    # Uniform against (.39, .297, .203, .11): .14 + .0467 + .0467 + .14; the first stories fork at words 1 and 2, so
    # that 16 and 15 of their 17 laws are decided: .7 + 3 * .2333 = 1.4.
    assert both_of("outcome-distribution") == [0.0, (3 * 0.37333 + 31 * 1.4) / 34]
    assert both_of("drift-learned") == [0.9, 0.01]
    assert both_of("one-word-decides") == [1.0, 0.0]
    assert both_of("uncertainty-misses-it") == [1.2944, 1.2944]
    assert both_of("hazard") == [0.12, 0.0]
    # 0.88^(fork - 1) * 0.01, and 0.88^16 for the one that never forks
    survived = [0.88 ** (f - 1) * 0.01 if f else 0.88**16 for f in FORKS]
    assert [0.999**16, np.mean(survived)] == both_of("drift-survives")
    assert both_of("rare-tokens") == [0.006, 0.12]
    assert both_of("full-stops") == [1.0, 0.0]


def test_a_change_one_word_late_is_near_and_two_are_not():
    assert verdict("change-at-the-fork", runs(dict(late=1))) == "reproduced"
    assert verdict("change-at-the-fork", runs(dict(late=2))) == "not reproduced"
    assert verdict("forks-found", runs(dict(late=1))) == "not reproduced"


def test_claims_turn_with_what_is_measured():
    weak = runs(dict(size=0.4))
    assert verdict("one-word-decides", weak) == "not reproduced"
    assert verdict("outcome-distribution", weak) == "not reproduced"
    for rate in (0.08, 0.18):
        assert verdict("hazard", runs(dict(hazard=rate))) == "not reproduced"
    assert verdict("drift-learned", runs(drift=dict(correlation=0.6))) == "not reproduced"
    assert verdict("drift-survives", runs(drift=dict(hazard=0.02))) == "not reproduced"
    assert verdict("change-detected", runs(dict(size=0.0))) == "not reproduced"
    assert verdict("uncertainty-misses-it", runs(dict(start=[0.25] * 4))) == "not reproduced"
    moved = runs()
    moved[forking.FORK]["hazard"] = moved[forking.FORK].hazard.isel(least=0).expand_dims(least=[0.005, 0.05])
    assert verdict("rare-tokens", moved) == "not reproduced"
    moved[forking.FORK]["stop_distance"] = moved[forking.FORK].stop_distance * 0.5
    assert verdict("full-stops", moved) == "not reproduced"


def test_controls_can_fail():
    learned = runs(dict(early=drawn(forking.FORK).exact_law.values[:, 1]))
    assert verdict("outcome-distribution", learned) == "invalid"
    assert verdict("drift-learned", runs(drift=dict(off=-0.5))) == "invalid"
    assert verdict("forks-found", runs(dict(forks=np.full(PATHS, 5)))) == "invalid"
    assert verdict("change-at-the-fork", runs(dict(forks=np.full(PATHS, 5)))) == "invalid"
    assert verdict("change-detected", runs(dict(steady=np.linspace(1.0, 4.0, WORDS + 1)))) == "invalid"
    assert verdict("uncertainty-misses-it", runs(drift=dict(start=[0.25] * 4))) == "invalid"
    assert verdict("hazard", runs(dict(afterwards=0.03))) == "invalid"
    assert verdict("drift-survives", runs(dict(hazard=0.0, forks=np.zeros(PATHS, int)))) == "invalid"
    assert verdict("rare-tokens", runs(dict(hazard=0.04))) == "invalid"
    leaping = runs()
    leaping[forking.DRIFT] = drawn(forking.FORK).drop_vars("fork")
    assert verdict("one-word-decides", leaping) == "invalid"
    moved = runs()
    moved[forking.FORK]["stop_distance"] = moved[forking.FORK].stop_distance + 0.3
    assert verdict("full-stops", moved) == "invalid"


def test_smoke_scale_runs_and_is_drawn(tmp_path):
    run(prepare(find("forking-tokens"), "smoke", {}, None, "cpu"), tmp_path / "run", Nobody())
    results = {name: load(tmp_path / "run", experiment=name) for name in (forking.FORK, forking.DRIFT)}
    ds = results[forking.FORK]
    assert ds.sizes["member"] == 2
    assert ds.outcome_law.isel(step=-1).sum("outcome").values == pytest.approx(1.0)
    assert ds.hazard.isel(step=0).isnull().sum("path").values.max() == 2  # of three stories one was resampled early
    assert results[forking.DRIFT].steady_distance.isnull().all()
    first, second = (figure(results) for figure in forking.study.figures)
    assert [panel.title for panel in first.panels[:2]] == ["A story that forks", "A story that drifts"]
    assert len(first.panels) == 6
    assert len(second.panels) == 1
