"""Oracles: traces by hand, whose times, order and turns can be read off."""

import numpy as np
import xarray as xr

from ontogeny.measures import concept_dynamics as m


def dataset(outputs=None, loss=None, steps=None, **factors):
    """Outputs [member, step, concept] and losses [member, step]."""
    values = {}
    if outputs is not None:
        values["concept_output"] = (("member", "step", "concept"), np.array(outputs, float))
    if loss is not None:
        values["ood_loss"] = (("member", "step"), np.array(loss, float))
    count = next(iter(values.values()))[1].shape[1]
    coords = {name: ("member", list(levels)) for name, levels in factors.items()}
    coords["step"] = np.arange(count) if steps is None else steps
    ds = xr.Dataset(values, coords=coords)
    return ds.assign_coords(concept=np.arange(1, ds.sizes["concept"] + 1)) if outputs is not None else ds


def learned_at(*when, count=40):
    """Outputs that are 1 from these steps on."""
    return (np.arange(count)[:, None] >= np.array(when)).astype(float)


def test_order_and_lateness_by_hand():
    ds = dataset([learned_at(20, 5), learned_at(5, 20), learned_at(50, 5), learned_at(8, 8)], seed=range(4))
    assert m.times(ds).values.tolist() == [[20, 5], [5, 20], [np.inf, 5], [8, 8]]
    assert m.strongest_first(ds).values.tolist() == [True, False, True, False]
    assert m.lateness(ds).values.tolist() == [2.0, -2.0, np.inf, 0.0]
    assert m.all_learned(ds).values.tolist() == [True, True, False, True]


def test_concepts_that_are_not_there_do_not_count():
    two = np.concatenate([learned_at(20, 5), np.full((40, 1), np.nan)], -1)
    assert m.strongest_first(dataset([two], seed=[0])).values.tolist() == [True]
    both = dataset([two, learned_at(30, 20, 5)], seed=[0, 1])
    assert m.times(both).values[1].tolist() == [30, 20, 5]


UP = [1.0, 0.4, 0.6, 0.0]  # a swing of 0.2
UP_MORE = [1.0, 0.4, 0.9, 0.0]
DOWN = [1.0, 0.6, 0.3, 0.0]


def test_swings_by_hand():
    ds = dataset(loss=[UP, UP_MORE, DOWN, [1.0, 0.4, 0.45, 0.0]], seed=range(4))
    np.testing.assert_allclose(m.amplitude(ds), [0.2, 0.5, 0.0, 0.05])
    assert m.turns(ds).values.tolist() == [2, 2, 0, 2]


def test_growth_is_from_one_level_to_the_next():
    # In another order than that of the levels, and with a second factor.
    rows = [(3, 0.1, UP_MORE), (2, 0.1, UP), (3, 0.01, DOWN), (2, 0.01, UP)]
    concepts, scale, loss = zip(*rows, strict=True)
    ds = dataset(loss=loss, concepts=concepts, scale=scale, steps=range(4), seed=[0] * 4)
    assert sorted(np.round(m.growth(ds, "concepts").values, 9)) == [-0.2, 0.3]
    ds = dataset(loss=[DOWN, UP, UP_MORE], alignment=[0.5, 0.7, 1.0], seed=[0] * 3)
    np.testing.assert_allclose(m.growth(ds, "alignment"), [0.2, 0.3])


def test_only_runs_that_swing_have_a_top_to_come_before():
    ds = dataset(loss=[UP, UP, DOWN], seed=range(3))
    entry = np.zeros((3, 4, 2, 2))
    entry[:, :, 0, 1] = [[0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]  # before the top at step 2, at it, and no top
    entry[:, :, 0, 0] = [[0, 0, 0, 1]] * 3
    ds["jacobian"] = (("member", "step", "output", "input"), entry)
    ds = ds.assign_coords(output=[1, 2], input=[1, 2])
    found = m.tops(ds, (1, 2))
    assert (found.entry.values.tolist(), found.loss.values.tolist()) == ([1, 2], [2, 2])
    assert m.peaks_first(ds, (1, 2)).values.tolist() == [True, False]
    assert m.peaks_first(ds, (1, 1)).values.tolist() == [False, False]
    assert m.peaks_first(ds.isel(member=[2]), (1, 2)).values.tolist() == []
