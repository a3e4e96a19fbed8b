"""The study from end to end at smoke scale, and its statistics on tables whose answer is known."""

import math

import numpy as np
import pytest
import xarray as xr

from ontogeny.judging import judge
from ontogeny.locate import find
from ontogeny.prepared import prepare
from ontogeny.report.figure import Figure
from ontogeny.run import run
from ontogeny.store import load
from ontogeny.streams import Streams
from ontogeny.studies import projector_expansion_shrinkage as p


class Blind:
    def begin(self, *_): ...
    def look(self, *_): ...
    def end(self, *_): ...
    def say(self, *_): ...


def test_every_claim_can_be_read_and_every_figure_drawn(tmp_path):
    prepared = prepare(find("projector-expansion-shrinkage"), "smoke", {}, None, "cpu")
    run(prepared, tmp_path / "run", Blind())
    results = {name: load(tmp_path / "run", name) for name in prepared.experiments}
    # No invertible map changes least squares, and no projector at all changes nothing.
    assert p.change_of_least_squares(results["grid"]).max() < 1e-6
    frozen = p.narrow(results["trained"], dict(projector="identity"))
    assert (p.accuracy_behind(frozen) == 0).all()
    assert (p.trained_gain(frozen) == 1).all()
    verdicts = {claim.id: judge(claim, results, "smoke") for claim in p.study.claims}
    assert {v.verdict for v in verdicts.values()} == {"inconclusive"}
    assert all(isinstance(figure(results), Figure) for figure in p.study.figures)


def cells(values, seeds=(0,), **arrays):
    """A dataset with ln R [seed, augmentation, temperature], in an order of members that is not that of the levels."""
    values = np.array(values, float)
    _, noises, heats = values.shape
    rows = [(s, a, t) for a in reversed(range(noises)) for t in range(heats) for s in range(len(seeds))]
    coords = {
        "seed": ("member", [seeds[s] for s, _, _ in rows]),
        "augmentation": ("member", [0.5 * (a + 1) for _, a, _ in rows]),
        "temperature": ("member", [2.0**t for _, _, t in rows]),
        "signal": ("member", [2.0] * len(rows)),
    }

    def column(table):
        return np.array([np.array(table, float)[row] for row in rows])[:, None]

    ds = xr.Dataset({"log_gain": (("member", "step"), column(values))}, coords=coords)
    if arrays:
        probes = {name.replace("_", " "): column(table) for name, table in arrays.items()}
        ds["accuracy_change"] = (("member", "step", "probe"), np.stack(list(probes.values()), -1))
        ds = ds.assign_coords(probe=list(probes))
    return ds.assign_coords(step=[250])


def test_rising_is_seen_along_each_axis_and_in_every_row():
    both = cells([[[0, 1, 2], [1, 2, 3]], [[0, 1, 2], [1, 3, 3]]], seeds=(0, 1))
    assert p.rises_with_temperature(both).values.tolist() == [True, False]
    assert p.rises_with_augmentation(both).values.tolist() == [True, True]
    falls = cells([[[0, 1, 2], [1, 0.5, 3]]])
    assert not p.rises_with_augmentation(falls).item()
    assert not p.rises_with_temperature(falls).item()


def test_signs_agree_in_cells_that_are_clear():
    # Clear over both seeds: -0.5, 0.4 and 0.3 (means); 0.1 is not, though one seed has 0.3 there.
    gains = [[[-0.6, 0.3], [0.4, 0.3]], [[-0.4, -0.1], [0.4, 0.3]]]
    change = [[[-0.1, -9.0], [0.1, -0.1]], [[-0.1, -9.0], [0.1, 0.1]]]
    ds = cells(gains, seeds=(0, 1), ridge=change, least_squares=np.array(change) * 1e-9)
    np.testing.assert_allclose(p.agreement(ds, "ridge"), [2 / 3, 1.0])
    np.testing.assert_allclose(p.change_of_least_squares(ds), [9e-9, 9e-9])
    assert np.isnan(p.agreement(cells([[[0.1, 0.0]]], ridge=[[[1.0, 1.0]]]), "ridge")).all()


def test_the_line_of_no_effect_is_where_a_row_crosses():
    # On a logarithmic axis -1 at 1 and 1 at 4 cross at 2; the second row never does.
    x, y = p._zero(np.array([1.0, 4.0]), np.array([0.5, 1.0]), np.array([[-1.0, 1.0], [1.0, 2.0]]))
    assert (x.tolist(), y.tolist()) == ([pytest.approx(2.0)], [0.5])
    assert [len(v) for v in p._zero(np.array([1.0, 4.0]), np.array([0.5]), np.array([[1.0, 2.0]]))] == [0, 0]


def test_planted_maps_follow_the_formula_and_not_its_square():
    found = p.planted(Streams((3,)), signal=2.0, labelled=16, dimensions=32, draws=500)
    ds = xr.Dataset({name: (v.dims, v.values.numpy()) for name, v in found.items()}, coords={"gain": list(p.GAINS)})
    assert p.miss(ds).max() < 0.012
    assert p.uncertainty(ds).max() < 0.003
    # R = 1/2: Phi(2 / sqrt(1 + 32 / (64 R^4))) = Phi(2 / 3) = 0.748; with R^2 it is Phi(2 / sqrt(3)) = 0.876.
    assert ds.formula.sel(gain=0.5).item() == pytest.approx(0.5 * (1 + math.erf(2 / 3 / math.sqrt(2))), abs=1e-6)
    assert ds.formula_squared.sel(gain=0.5).item() == pytest.approx(0.8759, abs=1e-4)
    assert p.miss_of_the_square(ds).item() > 0.1


def test_behind_less_before():
    def end(value):
        return ("member", "step"), [[0.0, value]]

    ds = xr.Dataset(
        dict(accuracy_before=end(0.75), accuracy_after=end(0.5), signal_before=end(2.0), signal_after=end(1.0))
    )
    assert p.accuracy_behind(ds).item() == -0.25
    assert p.trained_gain(ds).item() == 0.5
