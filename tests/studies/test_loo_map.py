"""The study at smoke scale: it runs, its claims can be computed, its figures can be drawn; statistics by hand."""

import numpy as np
import pytest
import torch
import xarray as xr

from ontogeny.claims import narrow
from ontogeny.report.figure import Figure
from ontogeny.streams import Streams
from ontogeny.studies.loo_map import (
    auroc_beyond_nearest,
    boundary_over_core,
    falls,
    flattens,
    fracture_at,
    has_tail,
    study,
    tail_in_middle,
)


@pytest.fixture(scope="module")
def results():
    """Every experiment at smoke scale, called member by member as a run does."""
    found = {}
    for name, trial in study.experiments("smoke").items():
        rows = trial.factors.rows()
        members = [
            trial.function(Streams((row["seed"],)), **{k: v for k, v in row.items() if k != "seed"}) for row in rows
        ]
        arrays = {k: (a.dims, torch.cat([m[k].values for m in members]).numpy()) for k, a in members[0].items()}
        factors = {c: ("member", [row[c] for row in rows]) for c in trial.factors.columns}
        found[name] = xr.Dataset(arrays).assign_coords(factors)
    return found


def test_every_claim_and_control_can_be_computed(results):
    for claim in study.claims:
        for part in (claim, claim.control, claim.gate):
            of = getattr(part, "of", None) or claim.of
            where = claim.where if part.where is None else part.where
            values = (part.statistic or claim.statistic)(narrow(results[of], where or {}))
            assert values.ndim <= 1, (claim.id, part)


def test_every_figure_can_be_drawn(results):
    assert all(isinstance(figure(results), Figure) for figure in study.figures)


def test_every_picture_is_settled_and_a_jittered_one_refused(results):
    assert all(float(ds.steepest.max()) < 1e-7 for ds in results.values())
    assert float(results["fractures"].accepted_off_minimum.max()) == 0


def test_pca_walks_evenly(results):
    places = results["walk"].sizes["place"]
    np.testing.assert_allclose(results["walk"].jump_of_pca, 1 / (places - 1), rtol=1e-9)


def scored(off, score):
    """One picture: where its points are and how they score."""
    return xr.Dataset(
        {
            "x": (("member", "point", "axis"), np.stack([off, np.zeros_like(off)], -1)[None]),
            "perturbation": (("member", "point"), np.asarray(score)[None]),
        },
        coords={"seed": ("member", [0])},
    )


def test_who_leaps_by_hand():
    off = np.arange(1.0, 51.0)
    score = np.ones(50)
    score[[2, 4, 45]] = 8, 9, 4  # two near the middle (at 3 and 5), one far (at 46)
    ds = scored(off, score)
    assert sorted(tail_in_middle(ds).values.tolist()) == [0, 1, 1]
    assert has_tail(ds).item() == 1
    # The 25 nearest reach 9; the 60 % farthest (from the 21st on) reach 4.
    assert boundary_over_core(ds).item() == pytest.approx(np.log10(9 / 4))
    calm = scored(off, np.ones(50))
    assert tail_in_middle(calm).values.tolist() == [0]
    assert has_tail(calm).item() == 0


def test_fractures_by_hand():
    levels = [5.0, 10.0, 15.0, 20.0, 40.0, 60.0]
    decades = [6.0, 5.0, 4.5, 4.0, 3.0, 2.5]
    ds = xr.Dataset(
        {"singularity": (("member", "point"), np.repeat(10.0 ** np.tile(decades, 2)[:, None], 4, 1))},
        coords={"perplexity": ("member", levels * 2), "seed": ("member", [0] * 6 + [1] * 6)},
    )
    np.testing.assert_allclose(fracture_at(5.0, ds), 3)
    np.testing.assert_allclose(fracture_at(15.0, ds), 1.5)
    np.testing.assert_allclose(falls(ds), -1)
    np.testing.assert_allclose(flattens(ds), 2 - 1.5)


def test_scales_share_their_experiments():
    names = {scale: set(study.experiments(scale)) for scale in ("smoke", "desk", "gpu")}
    assert names["smoke"] == names["desk"] == names["gpu"]
    assert auroc_beyond_nearest(xr.Dataset({"auroc": 0.8, "auroc_of_nearest": 0.5})).item() == pytest.approx(0.3)
