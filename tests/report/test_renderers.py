"""Oracles: Plotly's own schema, the numbers that were handed in, and the bytes that a file of a kind begins with."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest
from marks import EXAMPLES, GRID

from ontogeny.errors import UserError
from ontogeny.report.colours import THEMES, css
from ontogeny.report.figure import Axis, Figure, Heatmap, Line, Mark, Panel, Points, Rule
from ontogeny.report.plotly import colours_in, panels_of
from ontogeny.report.print import draw, save


def kinds(kind=Mark):
    """The kinds of marks that are drawn: those that nothing is derived from."""
    below = kind.__subclasses__()
    return {kind} if not below else set().union(*map(kinds, below))


def figure(*marks, **axes):
    return Figure("A title", [Panel("A panel", marks=marks, **axes)])


def plot(*marks, **axes):
    return panels_of(figure(*marks, **axes))[0]


def coloured(value, theme):
    """Plain data with the colours of a theme filled in, as the page does it."""
    match value:
        case str():
            return css(value[1:], theme) if value.startswith("@") else value
        case dict():
            return {key: coloured(v, theme) for key, v in value.items()}
        case list():
            return [coloured(v, theme) for v in value]
    return value


def test_every_kind_of_mark_has_an_example():
    assert {type(mark) for mark in EXAMPLES} == kinds()


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("mark", EXAMPLES, ids=lambda mark: type(mark).__name__)
def test_both_renderers_draw_every_mark(mark, log):
    axes = dict(x=Axis("x", log=log), y=Axis("y", "nats", log=log))
    bare, drawn = plot(**axes), plot(mark, **axes)
    assert drawn != bare
    for theme in THEMES:
        go.Figure(coloured(drawn, theme))  # raises for a property that Plotly does not have
    json.dumps(drawn, allow_nan=False)
    on_paper = draw(figure(mark, **axes))
    on_paper.draw_without_rendering()
    assert len(on_paper.axes[0].get_children()) > EMPTY


EMPTY = len(draw(figure()).axes[0].get_children())


def test_all_marks_share_a_panel(tmp_path):
    assert save(figure(*EXAMPLES), tmp_path / "all.svg").stat().st_size > 0


def test_numbers_pass_through_unchanged():
    line, points, heat = EXAMPLES[0], EXAMPLES[2], EXAMPLES[4]
    trace = plot(line)["data"][0]
    assert trace["x"] == [1, 2, 4, 8]
    assert trace["y"] == [3.25, None, 1.5, 0.125]
    trace = plot(points)["data"][0]
    # whiskers are lengths in Plotly: 4 - 3.5 and 3.5 - 3
    assert trace["error_y"]["array"] == [0.5, 0.5, 1.5]
    assert trace["error_y"]["arrayminus"] == [0.5, 0.5, 0.5]
    trace = plot(heat)["data"][0]
    assert trace["z"] == GRID.tolist()
    assert (trace["zmin"], trace["zmax"]) == (0, 11)


def test_colours_on_a_log_scale_are_of_logarithms_and_read_as_numbers():
    trace = plot(EXAMPLES[3])["data"][0]
    assert trace["marker"]["color"] == [0, 1, 2]
    assert trace["text"] == ["1", "10", "100"]
    assert trace["marker"]["colorbar"]["ticktext"] == ["1", "10", "100"]


def test_a_band_is_interrupted_where_it_is_not_known():
    data = plot(EXAMPLES[1])["data"]
    assert [(trace["x"], trace["y"]) for trace in data] == [([1, 2], [1, 2]), ([1, 2], [2, 3]), ([8], [4]), ([8], [5])]


def test_zero_on_a_log_axis_is_seen_and_read_as_zero():
    drawn = plot(Line([0, 1, 100], [1, 2, 3]), x=Axis("step", log=True))
    trace = drawn["data"][0]
    assert 0 < trace["x"][0] < 1
    assert trace["customdata"][0] == ["0", "1"]
    assert drawn["layout"]["xaxis"]["ticktext"][0] == "0"


def test_a_category_fades_with_its_opacity():
    mark = Heatmap([0, 1], [0], [[1, 0]], categories=("a", "b"), opacity=[[0.25, 1]])
    first, second = plot(mark)["data"]
    assert (first["name"], first["z"]) == ("a", [[None, 1]])
    assert (second["name"], second["z"]) == ("b", [[0.25, None]])
    assert second["colorscale"] == [[0, "@category-1/0"], [1, "@category-1"]]


def test_words_are_shown_literally():
    words = "<b>bold</b> %{x} @ink $x$"
    drawn = plot(Line([1], [1], name=words), Rule(x=1, label=words), x=Axis(words))
    shown = [drawn["layout"]["annotations"][0]["text"], drawn["data"][0]["name"], drawn["data"][0]["hovertemplate"]]
    for text in shown:
        assert "<b>bold" not in text
        assert "%{x} @" not in text
    assert colours_in(drawn["layout"]["annotations"]) == {"muted"}


def test_dollars_are_no_formula(tmp_path):
    save(figure(Line([1], [1], name=r"$\frac$"), x=Axis(r"$\frac$")), tmp_path / "a.png")  # as one it would not parse


def test_all_colours_are_found_however_many_marks_there_are():
    marks = [Line([i], [i], colour="grey") for i in range(100)] + [Points([1, 2], [1, 2], colour="accent")]
    assert {"grey", "accent"} <= colours_in(panels_of(figure(*marks)))


def test_many_points_are_left_to_the_graphics_card():
    assert plot(Points(np.arange(10_000), np.arange(10_000)))["data"][0]["type"] == "scattergl"


@pytest.mark.parametrize(("suffix", "head"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_figure_is_saved_as_its_suffix_says_and_is_the_same_file_again(suffix, head, tmp_path):
    drawn = figure(EXAMPLES[0], EXAMPLES[1])
    first, second = (save(drawn, tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
    assert first.startswith(head)
    assert first == second


def test_fonts_are_embedded(tmp_path):
    assert b"/FontFile2" in save(figure(EXAMPLES[0]), tmp_path / "a.pdf").read_bytes()  # a TrueType font
    assert "<text" not in save(figure(EXAMPLES[0]), tmp_path / "a.svg").read_text()  # glyphs as outlines


@pytest.mark.parametrize("name", ["a.docx", "a"])
def test_other_suffixes_are_refused(name, tmp_path):
    with pytest.raises(UserError, match=r"use \.pdf, \.svg, \.png"):
        save(figure(EXAMPLES[0]), tmp_path / name)


def test_widths_are_those_of_a_column_and_of_a_page():
    wide = Figure("", [Panel(marks=[EXAMPLES[0]])] * 2)
    assert draw(wide, width="page").get_size_inches()[0] == pytest.approx(6.9)
    assert draw(wide, width="column").get_size_inches()[0] == pytest.approx(3.35)


def test_a_unit_is_as_long_along_both_axes_of_a_map():
    drawn = draw(Figure("", [Panel(equal=True, marks=[Points([0, 30], [0, 1])])], aspect=0.5))
    drawn.draw_without_rendering()
    axes = drawn.axes[0]
    (left, bottom), (right, top) = axes.transData.transform([(0, 0), (1, 1)])
    assert right - left == pytest.approx(top - bottom, rel=1e-6)
