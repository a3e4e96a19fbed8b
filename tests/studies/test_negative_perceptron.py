"""Oracles: statistics of curves drawn by hand, verdicts that turn with them, and the whole study at smoke scale."""

import numpy as np
import pytest
import torch
import xarray as xr

from ontogeny.judging import judge
from ontogeny.locate import find
from ontogeny.measures.margin import largest_margin
from ontogeny.measures.perceptron_theory import existence_bound, farthest_norm, program_norm, program_threshold
from ontogeny.prepared import prepare
from ontogeny.run import run
from ontogeny.store import load
from ontogeny.streams import Streams
from ontogeny.studies import negative_perceptron as np_

CLAIMS = {claim.id: claim for claim in np_.study.claims}
SEEDS, DRAWS, LEVELS = 4, 5, 10


class Nobody:
    """A watcher that looks away."""

    def say(self, *_):
        pass

    def begin(self, *_):
        pass

    look = end = begin


def drawn(rows):
    """A dataset as a run gives it. A row: factors, fractions, centre, slope, and a function from n / d to a length.

    Successes are the expected number, spread over the draws in turn, so that fits recover centre and slope.
    """
    members = [(factors, *rest, seed) for factors, *rest in rows for seed in range(SEEDS)]
    ratio = np.full((len(members), LEVELS), np.nan)
    success = np.full((len(members), DRAWS, LEVELS), np.nan)
    norm = np.full((len(members), DRAWS, LEVELS), np.nan)
    for m, (factors, fractions, centre, slope, length, seed) in enumerate(members):
        k = len(fractions)
        ratio[m, :k] = np.array(fractions) * program_threshold(factors["kappa"])
        hits = np.round(20 / (1 + np.exp(slope * (np.array(fractions) - centre))))
        success[m, :, :k] = (np.arange(20).reshape(SEEDS, DRAWS)[seed][:, None] < hits).astype(float)
        norm[m, :, :k] = [length(factors["kappa"], r) for r in ratio[m, :k]]
    columns = {name: ("member", [f[name] for f, *_ in members]) for name in members[0][0]}
    return xr.Dataset(
        {
            "ratio": (("member", "level"), ratio),
            "success": (("member", "draw", "level"), success),
            "norm": (("member", "draw", "level"), norm),
        },
        {**columns, "seed": ("member", [1_000 + m[-1] for m in members])},
    )


def noise(*, program=1.0, small=8.0, large=14.0, second=8.0, descent=2.0, at_zero=0.98, hull=1.0, length=program_norm):
    def row(solver, kappa, dimensions, set_, centre, slope):
        factors = dict(solver=solver, kappa=kappa, dimensions=dimensions, set=set_)
        return (factors, np_.grid(solver, kappa), centre, slope, length)

    rows = [row("program", k, np_.LARGE, 0, program, large) for k in (*np_.KAPPAS, 0.0)]
    rows += [row("program", k, np_.SMALL, s, 1.0, (small, second)[s]) for k in np_.KAPPAS for s in (0, 1)]
    rows += [row("descent", k, np_.LARGE, 0, np_.DESCENDED[k] * descent / 2.0, 10.0) for k in np_.KAPPAS]
    rows += [row("descent", 0.0, np_.LARGE, 0, at_zero, 14.0)]
    gardner = existence_bound(np_.CONVEX) / program_threshold(np_.CONVEX)
    rows += [row("hull", np_.CONVEX, np_.LARGE, 0, hull * gardner, 20.0)]
    return {"noise": drawn(rows)}


def pointed(*, signal=1.7, pure=1.0):
    rows = [
        (
            dict(direction=d, kappa=k, slope=s),
            np_.SIGNAL if s else np_.AROUND,
            {"blind": 1.0, "fresh mean": signal if s else pure, "own mean": 1.2}[d],
            10.0,
            program_norm,
        )
        for d in ("blind", "fresh mean", "own mean")
        for k in (-0.5, -1.0)
        for s in (0.0, 2.0)
    ]
    return {"directions": drawn(rows)}


def verdict(name, results):
    return judge(CLAIMS[name], results, "desk").verdict


def test_thresholds_of_drawn_curves_are_recovered():
    ds = np_.narrow(noise()["noise"], np_.PROGRAM)
    for kappa in np_.KAPPAS:
        centre, samples = np_.threshold(ds, kappa)
        assert centre == pytest.approx(1.0, abs=0.01)
        assert samples.std() == pytest.approx(0.02, abs=0.01)
    ends = np_.program_thresholds(ds).values.reshape(3, 2)
    assert (ends[:, 0] < 1).all()
    assert (ends[:, 1] > 1).all()


def test_every_claim_is_reproduced_by_what_it_says():
    results = noise() | pointed()
    assert {name: verdict(name, results) for name in CLAIMS} == dict.fromkeys(CLAIMS, "reproduced")


@pytest.mark.parametrize(
    ("name", "changes", "word"),
    [
        ("program-threshold", dict(program=1.2), "not reproduced"),
        ("program-threshold", dict(hull=1.3), "invalid"),
        ("convex-threshold", dict(hull=0.8), "not reproduced"),
        ("sharpening", dict(large=9.0), "not reproduced"),
        ("sharpening", dict(second=20.0), "invalid"),
        ("norm-law", dict(length=lambda k, r: 1.06 * program_norm(k, r)), "not reproduced"),
        ("norm-law", dict(length=farthest_norm), "invalid"),
        ("norm-law-in-every-cell", dict(length=lambda k, r: 0.9 * program_norm(k, r)), "not reproduced"),
        ("gain-of-descent", dict(descent=1.25), "not reproduced"),
        ("gain-of-descent", dict(at_zero=1.15), "invalid"),
        ("below-existence", dict(descent=2.6), "not reproduced"),
    ],
)
def test_verdicts_turn_with_the_results(name, changes, word):
    assert verdict(name, noise(**changes)) == word


def test_verdicts_of_the_directions():
    assert verdict("fresh-mean", pointed(signal=1.25)) == "not reproduced"
    assert verdict("fresh-mean", pointed(pure=1.3)) == "invalid"


def test_norm_errors_by_hand():
    ds = np_.narrow(noise(length=lambda k, r: 1.05 * program_norm(k, r))["noise"], np_.PROGRAM)
    errors = np_.norm_errors(ds)
    assert errors.sizes["cell"] == 3 * 6  # fractions of 0.9 and more
    np.testing.assert_allclose(errors, 0.05, atol=1e-9)
    # A median that is unbounded is as far off as can be.
    assert np.isinf(np_.norm_errors(ds.assign(norm=ds.norm.where(ds.level != 4, np.inf)))).any()


def test_attempts_are_of_the_problems_that_they_say():
    common = dict(dimensions=12, set=0, draws=3)  # of the program twice as many
    hull = np_.attempts(Streams((5,)), "hull", 0.5, iterations=10, **common)
    own = Streams((5,)).of("hull 0")
    for i, fraction in enumerate(np_.grid("hull", 0.5)):
        z = np_.problem(own, fraction, 0.5, 12, 3)("points")
        assert z.shape == (3, round(np_.AROUND[i] * existence_bound(0.5) * 12), 12)
        assert hull["ratio"].values[0, i].item() == z.shape[1] / 12
        expected = [float(largest_margin(one) >= 0.5) for one in z]
        assert hull["success"].values[0, :, i].tolist() == expected
    program = np_.attempts(Streams((5,)), "program", -0.5, iterations=10, **common)
    worked = program["norm"].values >= 1
    assert torch.equal(program["success"].values, worked.double())
    assert worked.any()
    assert not worked.all()
    other = np_.attempts(Streams((5,)), "program", -0.5, 12, 1, 3, 10)
    assert not torch.equal(program["norm"].values, other["norm"].values)  # a second set is another one


def test_an_own_mean_is_longer_than_a_blind_one():
    """The mean of the points themselves leads farther in: longer solutions, in pure noise too."""
    norms = {
        d: np_.pointed(Streams((5,)), d, -1.0, 0.0, dimensions=12, draws=6)["norm"].values[..., -3:]
        for d in ("blind", "fresh mean", "own mean")
    }
    assert norms["own mean"].median() > norms["blind"].median()
    assert not torch.equal(norms["fresh mean"], norms["blind"])


def test_smoke_runs_to_its_verdicts_and_figures(tmp_path):
    prepared = prepare(find("negative-perceptron"), "smoke", {}, None, "cpu")
    run(prepared, tmp_path / "run", Nobody())
    results = {name: load(tmp_path / "run", name) for name in prepared.experiments}
    noise_ = results["noise"]
    program = noise_.isel(member=noise_.solver.values == "program")
    held = np.isfinite(program.success)
    assert ((program.success == 1) == (program.norm >= 1)).where(held, True).all()
    for claim in np_.study.claims:
        assert judge(claim, results, "smoke").verdict == "inconclusive"
    for figure in np_.study.figures:
        assert figure(results).panels
