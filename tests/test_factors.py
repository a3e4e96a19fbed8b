"""Tables of conditions, derived by hand."""

import pytest

from ontogeny.errors import UserError
from ontogeny.factors import seeds, vary, zipped


def test_a_product_runs_its_last_factor_fastest():
    table = vary(noise=(0, 0.1), width=(16, 32)) * seeds(2)
    assert table.columns == ("noise", "width", "seed")
    assert len(table) == 8
    assert table.rows()[:3] == [
        dict(noise=0, width=16, seed=1000),
        dict(noise=0, width=16, seed=1001),
        dict(noise=0, width=32, seed=1000),
    ]


def test_zipped_factors_change_together():
    assert zipped(width=(16, 64), lr=(1e-2, 2e-3)).rows() == [dict(width=16, lr=1e-2), dict(width=64, lr=2e-3)]


def test_tables_are_joined_one_under_the_other():
    table = vary(chains=(2, 16)) * vary(layers=(2,)) + vary(chains=(16,)) * vary(layers=(1,))
    assert [tuple(row.values()) for row in table.rows()] == [(2, 2), (16, 2), (16, 1)]


def test_replace_changes_one_factor_and_keeps_the_rest():
    table = (vary(noise=(0, 1), width=(8,)) * seeds(2)).replace({"noise": (5,), "seed": (0, 1, 2)})
    assert table.rows() == [dict(noise=5, width=8, seed=s) for s in range(3)]


def test_seeds_of_joined_tables_change_in_both():
    table = (vary(a=(1,)) * seeds(2) + vary(a=(2,)) * seeds(2)).replace({"seed": (7,)})
    assert table.rows() == [dict(a=1, seed=7), dict(a=2, seed=7)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: vary(), "at least one factor"),
        (lambda: vary(noise=()), "'noise' needs a sequence of levels"),
        (lambda: vary(noise="abc"), "'noise' needs a sequence of levels, got 'abc'"),
        (lambda: vary(noise=(1, 1)), "'noise' has a level twice"),
        (lambda: vary(a=(1,)) * vary(a=(2,)), "'a' is on both sides"),
        (lambda: vary(a=(1,)) + vary(b=(2,)), "'a' stands in one of two"),
        (lambda: zipped(a=(1, 2), b=(1,)), "equally many levels, got a 2, b 1"),
        (lambda: seeds(0), "at least one seed, got 0"),
        (lambda: vary(noise=(1,)).replace({"nois": (2,)}), "no factor 'nois'.*did you mean 'noise'"),
        (lambda: zipped(a=(1,), b=(2,)).replace({"a": (3,)}), "'a' is tied to others"),
    ],
)
def test_what_cannot_work_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()
