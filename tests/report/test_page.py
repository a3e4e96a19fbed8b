"""The page of a run: nothing is loaded, nothing of the text is read as HTML, and the cards are drawn to scale."""

import math
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from marks import EXAMPLES

from ontogeny.report.cards import card, tally
from ontogeny.report.figure import Figure, Line, Panel
from ontogeny.report.page import Report, alt, page

EVIL = "<script>alert('x')</script>\"&$title"


@dataclass
class Bound:
    edges: tuple[float, float]
    words: str

    def __str__(self):
        return self.words


def control(statistic=0.1, held=True):
    return SimpleNamespace(
        says="nothing happens", statistic=statistic, bound=Bound((-math.inf, 0.2), "below 0.2"), held=held
    )


def verdict(**fields):
    default = dict(
        id="claim", says="something happens", verdict="reproduced", statistic=0.9, low=0.85, high=0.95, n=4,
        bound=Bound((0.8, math.inf), "above 0.8"), control=control(), interval="t", unit="seeds", why="it lies above",
    )  # fmt: skip
    return SimpleNamespace(**(default | fields))


def report(**fields):
    default = dict(
        slug="a-study", finding="Something is found", scale="desk", verdicts=[verdict()],
        paper=SimpleNamespace(title="A paper", authors="Somebody", year=2024, arxiv="2401.00001", url=""),
        figures=[Figure("A figure", [Panel("A panel", marks=EXAMPLES)], caption="A caption")],
        conditions={"main": {"noise": [0, 0.1], "seed": [1000, 1001, 1002, 1003]}}, differs=["Smaller."],
        provenance={"torch version": "2.13.0"}, command="ontogeny run a-study", settings={"steps": 100},
    )  # fmt: skip
    return Report(**(default | fields))


class Reader(HTMLParser):
    """Collects the elements of a page, its ids, and the text outside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.open = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open[-1:]):
            self.text += data


@pytest.fixture(scope="module")
def read():
    return Reader(page(report()))


def test_nothing_is_loaded_from_anywhere(read):
    for tag, attrs in read.elements:
        for name in ("src", "href", "data", "srcset", "poster", "action"):
            address = attrs.get(name) or ""
            assert address.startswith(("data:", "#")) or not address or tag == "a", (tag, address[:80])
        assert tag not in ("link", "iframe", "object", "embed", "base")
    style = "".join(re.findall(r"<style>(.*?)</style>", page(report(figures=[])), re.DOTALL))
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = [a["content"] for t, a in read.elements if t == "meta" and a.get("http-equiv")]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_the_code_that_draws_is_there_once_and_only_where_it_is_needed():
    assert page(report()).count("* plotly.js v") == 1
    assert len(page(report(figures=[]))) < 100_000


def test_text_is_shown_literally():
    figure = Figure(EVIL, [Panel(EVIL, marks=[Line([1], [1], name=EVIL)])], caption=EVIL, legend=EVIL)
    evil = report(
        slug=EVIL, finding=EVIL, scale=EVIL, differs=[EVIL], provenance={EVIL: EVIL}, command=EVIL,
        settings={EVIL: EVIL}, conditions={"main": {EVIL: [EVIL]}}, figures=[figure],
        paper=SimpleNamespace(title=EVIL, authors=EVIL, year=2024, arxiv="", url="javascript:alert(1)"),
        verdicts=[verdict(id=EVIL, says=EVIL, why=EVIL, unit=EVIL)],
    )  # fmt: skip
    read = Reader(page(evil))
    scripts = [attrs for tag, attrs in read.elements if tag == "script"]
    assert len(scripts) == 4  # the data of the figures, the colours, Plotly and our own
    assert read.text.count(EVIL) >= 12
    assert not any("javascript:" in (value or "") for _, attrs in read.elements for value in attrs.values())


def test_code_stands_between_backticks():
    read = page(report(differs=["`lr` is <1"], figures=[]))
    assert "<code>lr</code> is &lt;1" in read


def test_every_picture_is_in_words_too(read):
    for tag, attrs in read.elements:
        if tag == "img":
            assert attrs["alt"]
        if attrs.get("role") == "img":
            assert attrs["aria-label"]
    assert alt(report().figures[0]).startswith("A figure. A panel:")


def test_identifiers_are_unique(read):
    ids = [attrs["id"] for _, attrs in read.elements if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_it_says_how_it_was_run_and_how_to_run_it_again(read):
    for words in (
        "Something is found",
        "2.13.0",
        "ontogeny run a-study",
        "1000–1003",
        "0, 0.1",
        "Smaller.",
        "A caption",
    ):
        assert words in read.text


@pytest.mark.parametrize(
    ("word", "tone", "sign"),
    [
        ("reproduced", "good", "✓"),
        ("not reproduced", "bad", "✕"),
        ("inconclusive", "unsure", "?"),
        ("invalid", "void", "!"),
    ],
)
def test_a_verdict_is_a_word_a_sign_and_a_colour(word, tone, sign):
    drawn = card(verdict(verdict=word))
    assert f'class="card {tone}"' in drawn
    assert f">{sign}</i>{word}</span>" in drawn
    assert tally([verdict(verdict=word)] * 2) == f'<span class="{tone}">{sign} 2 {word}</span>'


def numbers(pattern, text):
    return [float(value) for value in re.search(pattern, text).groups()]


def test_the_interval_is_drawn_to_scale():
    drawn = card(verdict())
    (edge,) = numbers(r'class="edge" x1="([\d.]+)"', drawn)
    low, high = numbers(r'class="reach" x1="([\d.]+)" x2="([\d.]+)"', drawn)
    (dot,) = numbers(r'class="dot" cx="([\d.]+)"', drawn)
    assert edge < low < dot < high
    # .8, .85, .9, .95 are equally far apart
    assert [low - edge, dot - low, high - dot] == pytest.approx([(high - edge) / 3] * 3, abs=0.2)
    left, width = numbers(r'class="pass" x="([\d.]+)" y="22" width="([\d.]+)"', drawn)
    assert left == edge
    assert left + width > high


def test_a_far_control_does_not_squeeze_the_interval():
    assert 'class="control"' in card(verdict(control=control(statistic=0.75)))
    drawn = card(verdict(control=control(statistic=-1e6)))
    assert 'class="clip"' in drawn
    low, high = numbers(r'class="reach" x1="([\d.]+)" x2="([\d.]+)"', drawn)
    assert high - low > 50


def test_numbers_show_the_width_of_the_interval():
    drawn = card(
        verdict(statistic=-5.003, low=-5.0101, high=-4.9951, bound=Bound((-5.05, -4.95), "between -5.05 and -4.95"))
    )
    assert "<b>−5.003</b> [−5.01, −4.995] 95 % interval" in drawn


def test_what_is_undefined_says_so():
    nothing = verdict(statistic=math.nan, low=math.nan, high=math.nan, n=0, verdict="inconclusive", interval="none")
    drawn = card(nothing)
    assert "<b>undefined</b>" in drawn
    assert "nan" not in drawn
    assert "nan" not in card(verdict(control=control(statistic=math.nan, held=False)))
    assert "Control failed" in card(verdict(control=control(statistic=math.nan, held=False)))
    assert "◇" not in card(verdict(control=None))
