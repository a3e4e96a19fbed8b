"""Oracles: medians and ranges by hand."""

import numpy as np
import pytest
import xarray as xr

from ontogeny.errors import UserError
from ontogeny.report.curves import Curves
from ontogeny.report.figure import Band, Line

ROWS = [(width, noise, seed) for width in (16, 64) for noise in (0.0, 0.1, 0.3) for seed in range(3)]


def results(extra=()):
    """`loss` of a member is 100 width + 10 noise + seed at step 0 and half of it at step 5."""
    start = np.array([100 * w + 10 * n + s for w, n, s in ROWS])
    coords = {name: ("member", [row[i] for row in ROWS]) for i, name in enumerate(("width", "noise", "seed"))}
    values = np.stack([start, start / 2], -1)
    data = {"loss": (("member", "step"), values, {"unit": "nats"})}
    data["by_layer"] = (("member", "step", "layer"), np.stack([values, -values], -1))
    return {"main": xr.Dataset(data, {**coords, "step": [0, 5], "layer": ["low", "high"]})}


def marks(panel, kind):
    return [mark for mark in panel.marks if isinstance(mark, kind)]


def test_a_line_is_the_median_and_a_band_the_range_over_seeds():
    figure = Curves("loss", colour="noise", columns="width")(results())
    assert [panel.title for panel in figure.panels] == ["width 16", "width 64"]
    assert figure.legend == "noise"
    assert figure.panels[0].y.text == "loss (nats)"
    lines, bands = marks(figure.panels[1], Line), marks(figure.panels[1], Band)
    # width 64, noise 0.3: 6403, 6404, 6405, then half
    assert lines[2].x.tolist() == [0, 5]
    assert lines[2].y.tolist() == [6404, 3202]
    assert bands[2].low.tolist() == [6403, 3201.5]
    assert bands[2].high.tolist() == [6405, 3202.5]
    assert [line.name for line in lines] == ["0", "0.1", "0.3"]
    assert [line.colour for line in lines] == ["level-0.000", "level-0.500", "level-1.000"]
    assert figure.panels[0].y.limits == figure.panels[1].y.limits


def test_what_is_not_finite_is_left_out():
    found = results()
    found["main"]["loss"].values[0] = np.nan  # width 16, noise 0, seed 0: 1601 and 1602 remain
    found["main"]["loss"].values[3:6, 1] = [np.nan, np.inf, np.nan]  # noise 0.1 has nothing left at step 5
    lines = marks(Curves("loss", colour="noise", where={"width": 16})(found).panels[0], Line)
    assert lines[0].y.tolist() == [1601.5, 800.75]
    assert np.isnan(lines[1].y[1])


def test_a_dimension_of_the_variable_can_be_the_colour_or_be_fixed():
    where = {"width": 16, "noise": 0.0}
    lines = marks(Curves("by_layer", colour="layer", where=where)(results()).panels[0], Line)
    assert [(line.name, line.y[0]) for line in lines] == [("low", 1601), ("high", -1601)]
    (line,) = marks(Curves("by_layer", where=where | {"layer": "high"})(results()).panels[0], Line)
    assert line.y.tolist() == [-1601, -800.5]


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        (Curves("loss", colour="noise"), "'width' varies too"),
        (Curves("lss"), "did you mean 'loss'"),
        (Curves("loss", of="control"), "no experiment 'control'"),
        (Curves("loss", colour="nose", columns="width"), "did you mean 'noise'"),
        (Curves("loss", x="update", colour="noise", columns="width"), "does not run along 'update'"),
        (Curves("loss", where={"width": 17}), "never 17: it has 16, 64"),
        (Curves("by_layer", colour="noise", columns="width"), "the dimension 'layer' too"),
    ],
)
def test_a_curve_never_mixes_conditions(curves, message):
    with pytest.raises(UserError, match=message):
        curves(results())


def test_results_are_left_as_they_were():
    found = results()
    before = found["main"].copy(deep=True)
    Curves("loss", colour="noise", columns="width")(found)
    assert found["main"].identical(before)


def test_it_has_a_name_to_be_saved_under():
    assert Curves("loss", colour="noise", columns="width").__name__ == "loss_by_noise_by_width"
