"""Oracles: statistics of results drawn by hand, responses with a closed form, and the whole study at smoke scale."""

import numpy as np
import pytest
import torch
import xarray as xr

from ontogeny.judging import judge
from ontogeny.locate import find
from ontogeny.measures.adam_stability import burst_update, gamma_for
from ontogeny.prepared import prepare
from ontogeny.run import run
from ontogeny.store import load
from ontogeny.streams import Streams
from ontogeny.studies import adam_continuous_time as adam

CLAIMS = {claim.id: claim for claim in adam.study.claims}


class Nobody:
    """A watcher that looks away."""

    def say(self, *_):
        pass

    def begin(self, *_):
        pass

    look = end = begin


def members(rows, **variables):
    """A dataset with a member for every row; a variable is a function of the row, over steps 0, 1, 2."""
    coords = {name: ("member", [row[name] for row in rows]) for name in rows[0]}
    values = {name: (("member", "step"), np.array([of(row) for row in rows], float)) for name, of in variables.items()}
    return xr.Dataset(values, {**coords, "step": [0, 1, 2]})


def edge_rows(kappas, *, eps=(adam.SHARP,), count=4):
    return [
        dict(kappa=k, gamma=gamma_for(0.9, k), normalise=n, eps=e, seed=1_000 + s)
        for k in kappas
        for n in (False, True)
        for e in eps
        for s in range(count)
    ]


def test_the_ratio_is_that_of_the_largest_updates_of_one_seed():
    def update(row):
        size = (2.0 + row["seed"] % 2) * (4.0 if row["kappa"] > 0 else 1.0)
        return [0.0, size, 1.0]  # largest in the middle

    ds = members(edge_rows((-0.02, 0.02)), largest_update=update)
    here = ds.isel(member=~ds.normalise.values)
    assert adam.log_ratio(here).values == pytest.approx([np.log(4.0)] * 4)


@pytest.mark.parametrize(("sign", "expected"), [(1.0, 1.0), (-1.0, -1.0)])
def test_order_of_kappas(sign, expected):
    def update(row):
        return [0.0, np.exp(sign * 10 * row["kappa"]), 0.0]

    ds = members(edge_rows(adam.KAPPAS), largest_update=update)
    here = ds.isel(member=~ds.normalise.values)
    assert adam.order_of_kappas(here).values == pytest.approx([expected])


def token_results(far=10.0, blunt=1.1, alike=1.1):
    def rare(row):
        outside = blunt if row["eps"] == adam.BLUNT else far
        return [0.0, outside ** (row["kappa"] / 0.02) * (1 + 1e-3 * (row["seed"] % 4)), 0.0]

    def quiet(row):
        return [0.0, alike if row["kappa"] > 0 else 1.0, 0.0]

    return {
        "rare": members(edge_rows(adam.KAPPAS, eps=(adam.SHARP, adam.BLUNT)), largest_update=rare),
        "alike": members(edge_rows((-0.02, 0.02)), largest_update=quiet),
    }


@pytest.mark.parametrize("name", ["plain", "normalised"])
def test_verdicts_turn_with_the_results(name):
    def words(**changes):
        results = token_results(**changes)
        return [judge(CLAIMS[f"{kind}-{name}"], results, "desk").verdict for kind in ("rare", "order", "quiet")]

    assert words() == ["reproduced"] * 3  # a ratio of 100
    # From kappa -0.02 to 0.02 the size changes by far squared: 1.5 is a ratio of 2.25, below 3.
    assert words(far=1.5) == ["not reproduced", "reproduced", "invalid"]
    assert words(far=0.5) == ["not reproduced", "not reproduced", "invalid"]
    assert words(blunt=1.3) == ["invalid", "invalid", "reproduced"]
    assert words(alike=1.6) == ["reproduced", "reproduced", "not reproduced"]


def test_the_law_explains_what_it_predicts():
    rate = adam.RATE

    def drawn(growth):
        coords = {"matrix": [adam.HIDDEN, adam.READ_OUT], "step": range(5), "seed": ("member", [1_000, 1_001])}
        update = np.array([0.0, 1.0, 4.0, 2.0, 3.0]) / rate**2
        square = 7.0 + growth(np.array([0.0, 1.0, 5.0, 7.0, 10.0]))
        values = {"update_square": update, "weight_square": square}
        shape = (2, 5, 2)
        return xr.Dataset(
            {k: (("member", "step", "matrix"), np.broadcast_to(v[None, :, None], shape)) for k, v in values.items()},
            coords,
        )

    assert adam.law_explains(drawn(lambda law: law)).values == pytest.approx([1.0, 1.0])
    # Twice the law: residuals are the law itself, 1 - (1 + 25 + 49 + 100) / sum (2 x - 9.2)^2 = 1 - 175 / 276.8
    assert adam.law_explains(drawn(lambda law: 2 * law)).values == pytest.approx([1 - 175 / 276.8] * 2)


def test_alignment_is_compared_by_seed_and_without_the_start():
    rows = [dict(normalise=n, seed=1_000 + s) for n in (False, True) for s in range(4)]

    def cosine(row):
        size = 0.3 if not row["normalise"] else 0.1
        return [np.nan, size, -size]  # sizes count, not signs

    ds = members(rows, alignment=cosine)
    both = xr.concat([ds.alignment, 0 * ds.alignment + 0.5], xr.Variable("matrix", [adam.HIDDEN, adam.READ_OUT]))
    ds["alignment"] = both.transpose("member", "step", "matrix")
    assert adam.log_alignment_ratio(ds).values == pytest.approx([np.log(3.0)] * 4)
    assert judge(CLAIMS["turned-by-adam"], {"adam": ds}, "desk").verdict == "reproduced"


def test_the_gap_is_taken_at_the_best_rate_of_each():
    rows = [
        dict(k=k, lr=lr, normalise=n, seed=1_000 + s)
        for k in (1, 2)
        for lr in (1e-3, 1e-2)
        for n in (False, True)
        for s in range(6)
    ]
    # Best: without 0.5 (k = 1), 0.4 (k = 2), each at its own rate; with 0.3 for both.
    table = {(1, False): (0.5, 0.9), (2, False): (0.8, 0.4), (1, True): (0.3, 0.6), (2, True): (0.3, 0.6)}

    def loss(row):
        return [9.0, 9.0, table[row["k"], row["normalise"]][row["lr"] == 1e-2] + 1e-3 * (row["seed"] % 2)]

    ds = members(rows, held_out_loss=loss)
    assert adam.gap_closed(ds).values == pytest.approx([-0.1] * 6)
    assert judge(CLAIMS["second-normalisation"], {"k_adam": ds}, "desk").verdict == "reproduced"


def test_harm_by_hand():
    rows = edge_rows((-0.02, 0.02))
    ds = members(rows).assign(
        train_loss=(("member", "update"), [[9.0] * 9 + [0.5 if row["kappa"] > 0 else 0.2] for row in rows])
    )
    assert adam.harm(ds.isel(member=~ds.normalise.values)) == "0.30 (0.30 to 0.30)"


@pytest.fixture(scope="module")
def responded():
    return adam.responses(Streams((5,)), k=1, kappas=(-0.02, 0.0, 0.02), steps=400, horizon=100, fitted=100)


def test_responses_have_their_closed_forms(responded):
    burst = responded["burst"]
    assert burst.dims == ("member", "beta", "kappa", "n")
    n = torch.arange(1, burst.values.shape[-1] + 1)
    for i, beta in enumerate(adam.BETAS):
        for j, kappa in enumerate((-0.02, 0.0, 0.02)):
            torch.testing.assert_close(burst.values[0, i, j], burst_update(beta, gamma_for(beta, kappa), n))
    growth = responded["growth"].values[0]  # beta, kappa, sequence
    torch.testing.assert_close(growth[0, :, 0], torch.tensor([-0.02, 0.0, 0.02]).double(), rtol=0, atol=1e-4)
    assert growth[..., 2].abs().max() < 1e-6
    share = responded["bound_share"].values[0]
    assert (share <= 1.0001).all()
    torch.testing.assert_close(share[..., 4], torch.ones_like(share[..., 4]))  # the worst sequence reaches the bound


def test_claims_about_responses_turn_with_them(responded):
    kappas = (-0.02, 0.0, 0.02)
    both = [adam.responses(Streams((5,)), k=k, kappas=kappas, steps=400, horizon=100, fitted=100) for k in (1, 2)]

    def array(part):
        return xr.DataArray(part.values, dims=part.dims, coords={name: list(at) for name, at in part.coords.items()})

    drawn = {name: xr.concat([array(one[name]) for one in both], "member") for name in responded}
    ds = xr.Dataset(drawn).assign_coords(k=("member", [1, 2]), seed=("member", [1_000, 1_000]))
    results = {"responses": ds}
    assert judge(CLAIMS["bound"], results, "desk").verdict == "reproduced"
    assert judge(CLAIMS["growth"], results, "desk").verdict == "reproduced"
    assert judge(CLAIMS["bound"], {"responses": ds.assign(bound_share=ds.bound_share * 1.001)}, "desk").verdict == (
        "not reproduced"
    )
    off = ds.assign(growth=ds.growth + 2e-3 * (ds.sequence_ == "burst"))
    assert judge(CLAIMS["growth"], {"responses": off}, "desk").verdict == "not reproduced"
    tame = ds.assign(exchanged_share=ds.exchanged_share.clip(max=1.4))
    assert judge(CLAIMS["bound"], {"responses": tame}, "desk").verdict == "invalid"


def test_smoke_runs_to_its_verdicts_and_figures(tmp_path):
    prepared = prepare(find("adam-continuous-time"), "smoke", {}, None, "cpu")
    run(prepared, tmp_path / "run", Nobody())
    results = {name: load(tmp_path / "run", name) for name in prepared.experiments}
    assert results["plane"].largest_update.shape == (1, 6, 6)
    first = results["rare"].largest_update.sel(step=1)
    np.testing.assert_allclose(first.where(first.eps == adam.SHARP, drop=True), 1.0, rtol=1e-5)
    for claim in adam.study.claims:
        verdict = judge(claim, results, "smoke")
        assert verdict.verdict == "inconclusive"
        assert verdict.n > 0
    for figure in adam.study.figures:
        assert figure(results).panels
