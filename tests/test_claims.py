"""Oracles: what a claim refuses when built, tables unfolded by hand, and levels found in spite of rounding."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from ontogeny.claims import Claim, Control, Gate, narrow, unfold
from ontogeny.errors import UserError
from ontogeny.factors import seeds, vary, zipped


def x(ds):
    return ds.x


def unchecked(kind, *args, **fields):
    """A claim or a part of it as a user builds it, without the type checks that only run in tests."""
    made = object.__new__(kind)
    names = [f.name for f in dataclasses.fields(kind)]
    defaults = {f.name: f.default for f in dataclasses.fields(kind)}
    for name, value in (defaults | dict(zip(names, args, strict=False)) | fields).items():
        object.__setattr__(made, name, value)
    if hasattr(made, "__post_init__"):
        made.__post_init__()
    return made


def table(rows):
    """A dataset whose `x` counts the members of a table, with a measure over steps and one without members."""
    rows = list(rows)
    n = len(rows)
    factors = {name: ("member", np.array([row[name] for row in rows])) for name in rows[0]}
    values = {
        "x": ("member", np.arange(n)),
        "loss": (("step", "member"), np.arange(3)[:, None] + 10 * np.arange(n), {"unit": "nats"}),
        "strength": ("mode", [2.0, 1.0]),
    }
    return xr.Dataset(values, {"member": range(n), "step": [0, 5, 10], **factors}, {"study": "s"})


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        (dict(), "needs one of above=, below=, between=, got none"),
        (dict(above=1, below=2), "got above= and below="),
        (dict(below=1, between=(0, 1)), "got below= and between="),
        (dict(between=(2, 1)), r"between= needs two numbers, the smaller first, got \(2, 1\)"),
        (dict(between=(1, 2, 3)), "between= needs two numbers"),
        (dict(between=3), "between= needs two numbers"),
        (dict(above=float("nan")), "above= needs a number, got nan"),
        (dict(above="high"), "above= needs a number, got 'high'"),
        (dict(above=1, decides="avg"), "decides='avg' is unknown: known: every, interval, mean, median"),
        (dict(above=1, interval="binomal"), "interval='binomal' is unknown: did you mean 'binomial'"),
        (dict(above=1, scales=("dest",)), "scale='dest' is unknown: did you mean 'desk'"),
        (dict(above=1, scales="desk"), r"write scales=\('desk',\)"),
        (
            dict(above=1, control=Control("k", where={})),
            "its control: it needs one of above=, below=, between=, got none",
        ),
        (dict(above=1, gate=Gate("g", x, above=1, below=2)), "its gate: it needs one of .*, got above= and below="),
        (
            dict(above=1, gate=unchecked(Gate, "g", x, above=1, decides="evry")),
            "its gate: decides='evry' is unknown: did you mean 'every'",
        ),
        (dict(above=1, control=Control("k", below=1)), "its control looks at just what the claim looks at"),
        (
            dict(above=1, control=Control("k", x, of="main", below=1)),
            "its control looks at just what the claim looks at",
        ),
    ],
)
def test_a_claim_that_cannot_be_judged_is_refused_when_built(fields, match):
    with pytest.raises(UserError, match=f"^claim 'fast': .*(?:{match})"):
        unchecked(Claim, "fast", "it is fast", x, **fields)


def test_narrow_to_one_level_or_several():
    ds = table(vary(depth=(1, 2, 3)) * seeds(2))
    assert narrow(ds, dict(depth=2)).x.values.tolist() == [2, 3]
    assert narrow(ds, dict(depth=(1, 3), seed=1001)).x.values.tolist() == [1, 5]
    assert narrow(ds, {}).identical(ds)


def test_a_level_is_found_in_spite_of_rounding():
    ds = table(vary(noise=(0.0, 0.1 + 0.2, 1e-9)))
    assert narrow(ds, dict(noise=0.3)).x.values.tolist() == [1]
    assert narrow(ds, dict(noise=0)).x.values.tolist() == [0]
    assert narrow(ds, dict(noise=1e-9)).x.values.tolist() == [2]  # small is not 0
    tiny = table(vary(lr=(1e-11, 2e-11)))
    assert narrow(tiny, dict(lr=2e-11 * (1 + 1e-9))).x.values.tolist() == [1]  # the tolerance is relative


def test_neighbouring_levels_stay_apart():
    big = table(vary(seed=(10_000_000, 10_000_001)))
    assert narrow(big, dict(seed=10_000_001)).x.values.tolist() == [1]
    close = table(vary(lr=(0.1, 0.1 + 1e-9)))
    assert narrow(close, dict(lr=0.1)).x.values.tolist() == [0]  # an exact fit goes before a near one
    assert narrow(table(vary(task=("copy", "sort"))), dict(task="sort")).x.values.tolist() == [1]


def test_unknown_factors_and_levels():
    ds = table(vary(noise=(0.0, 0.1)) * seeds(2))
    with pytest.raises(UserError, match="no factor 'niose' in the data: did you mean 'noise'"):
        narrow(ds, dict(niose=0.1))
    with pytest.raises(UserError, match=r"no member has noise=0\.2: noise is one of 0\.0, 0\.1$"):
        narrow(ds, dict(noise=0.2))
    with pytest.raises(UserError, match=r"no member has noise='0\.1': noise is one of"):
        narrow(ds, dict(noise="0.1"))
    with pytest.raises(UserError, match=r"no member has noise=\(0\.1, 0\.5\)|no member has noise=0\.5"):
        narrow(ds, dict(noise=(0.1, 0.5)))
    corner = ds.isel(member=[0, 1, 2])
    with pytest.raises(UserError, match=r"no member has noise=0\.1, seed=1001 together"):
        narrow(corner, dict(noise=0.1, seed=1001))


def test_unfold_pairs_by_seed(seed):
    ds = table(vary(width=(64, 16), noise=(0.1, 0.0)) * seeds(3))
    # Rows run with the last factor fastest: x = 6 width + 3 noise + seed, by position.
    shuffled = ds.isel(member=np.random.default_rng(seed).permutation(12))
    for unfolded in (unfold(ds), unfold(shuffled)):
        wide = unfolded.sel(width=64, noise=0.0) - unfolded.sel(width=16, noise=0.0)
        assert wide.x.values.tolist() == [-6, -6, -6]
        assert unfolded.x.sel(width=16, noise=0.1, seed=1002) == 6 + 0 + 2
        assert unfolded.loss.sel(width=16, noise=0.1, seed=1002, step=10) == 2 + 10 * 8
    tidy = unfold(ds)
    assert tidy.x.dims == ("width", "noise", "seed")
    assert tidy.loss.dims == ("width", "noise", "seed", "step")
    assert tidy.width.values.tolist() == [64, 16]
    assert tidy.x.dtype == ds.x.dtype
    assert tidy.strength.identical(ds.strength)
    assert (tidy.attrs, tidy.loss.attrs) == ({"study": "s"}, {"unit": "nats"})
    assert "member" not in tidy.dims


def test_a_factor_with_one_level_and_factors_that_go_together():
    ds = table(vary(depth=(2,)) * zipped(width=(16, 64), lr=(1e-2, 2e-3)) * seeds(2))
    tidy = unfold(ds)
    assert dict(tidy.x.sizes) == {"width": 2, "seed": 2}
    assert tidy.depth == 2
    assert tidy.lr.dims == ("width",)
    assert tidy.x.sel(width=64, seed=1001).lr == 2e-3


def test_unfold_one_member():
    tidy = unfold(table(vary(depth=(2,)) * seeds(1)))
    assert tidy.x.dims == ()
    assert (int(tidy.depth), int(tidy.seed), tidy.loss.dims) == (2, 1000, ("step",))


def test_unfold_refuses_what_is_no_product():
    ds = table(vary(depth=(1, 2)) * seeds(2))
    with pytest.raises(UserError, match="not a product of depth, seed: no member has depth=2, seed=1001"):
        unfold(ds.isel(member=[0, 1, 2]))
    with pytest.raises(UserError, match="not a product of depth, seed: 2 members have depth=1, seed=1000"):
        unfold(ds.isel(member=[0, 0, 1, 2, 3]))
    with pytest.raises(UserError, match="2 members have the same factors"):
        unfold(ds.isel(member=[1, 1]))
