"""The report of a run: one HTML file that works offline, on a screen and on paper, in light and in dark."""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from string import Template
from typing import Any

from ontogeny.report.cards import card, prose, tally
from ontogeny.report.colours import ROLES, THEMES, Theme, css
from ontogeny.report.figure import Figure
from ontogeny.report.legend import Entry, legend_of
from ontogeny.report.plotly import bar_of, colours_in, panels_of
from ontogeny.report.print import svg

LONG = 120  # characters from which a finding is set smaller


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a report says.

    `conditions` gives, for every experiment, its factors with their levels; `settings` what all members share (model,
    optimizer, steps, parameters); `provenance` how it was run (versions, hardware, seeds, duration, definition).
    `command` runs it again. All text is shown literally, save for `code` between backticks.
    """

    slug: str
    finding: str
    paper: Any  # ontogeny.study.Paper
    scale: str
    verdicts: Sequence[Any]  # ontogeny.verdicts.Verdict
    figures: Sequence[Figure]
    conditions: Mapping[str, Mapping[str, Sequence[Any]]]
    differs: Sequence[str]
    provenance: Mapping[str, Any]
    command: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def page(report: Report) -> str:
    """The report as HTML, about 5 MB, most of which is the code that draws.

    It loads nothing from anywhere, and forbids the browser to.
    """
    return Template(_asset("page.html")).substitute(
        title=html.escape(f"{report.slug}: {report.finding}"),
        style=_style(report.figures) + _asset("page.css"),
        slug=html.escape(report.slug),
        scale=html.escape(report.scale),
        finding=prose(report.finding),
        long=' class="long"' if len(report.finding) > LONG else "",
        paper=_paper(report.paper),
        tally=tally(report.verdicts),
        verdicts="\n".join(map(card, report.verdicts)) or "<p>This study makes no claims.</p>",
        figures=_section("figures", "Figures", "\n".join(_figure(i, f) for i, f in enumerate(report.figures))),
        conditions=_section("conditions", "Conditions", _conditions(report)),
        differs=_section("differs", "What differs from the paper", _differs(report.differs)),
        provenance=_facts(report.provenance),
        command=html.escape(report.command),
        scripts=_scripts(report.figures),
    )


def _asset(name: str) -> str:
    return files("ontogeny.report").joinpath(name).read_text(encoding="utf-8")


def _section(name: str, title: str, content: str) -> str:
    if not content:
        return ""
    head = f'<h2 id="{name}-title">{title}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">\n{head}\n{content}\n</section>'


def _paper(paper: Any) -> str:
    title = html.escape(paper.title)
    link = f"https://arxiv.org/abs/{paper.arxiv}" if paper.arxiv else paper.url
    if link.startswith(("https://", "http://")):
        title = f'<a href="{html.escape(link)}">{title}</a>'
    where = f", arXiv {html.escape(paper.arxiv)}" if paper.arxiv else ""
    return f"A reproduction of {title}, {html.escape(paper.authors)}, {paper.year}{where}."


def _figure(index: int, figure: Figure) -> str:
    entries = legend_of(figure)
    head = f'<span class="head">{html.escape(figure.legend)}</span>' if figure.legend else ""
    legend = "".join(_entry(index, entry) for entry in entries)
    still = "data:image/svg+xml;base64," + base64.b64encode(svg(figure).encode()).decode()
    shape = f"--columns: {figure.across}; --aspect: {figure.aspect}"
    panels = "\n".join(_panel(index, i, figure) for i in range(len(figure.panels)))
    return f"""<figure id="figure-{index + 1}">
<h3><span class="number">{index + 1}</span>{prose(figure.title)}</h3>
{f'<div class="legend">{head}{legend}</div>' if legend else ""}
<div class="panels" style="{shape}">
{panels}
</div>
<img class="still-image" src="{still}" alt="{html.escape(alt(figure))}">
<figcaption>{prose(figure.caption)}</figcaption>
<p class="tools"><span><a download="figure-{index + 1}.svg">Save as SVG</a> · drag over a plot to zoom, \
double-click to return</span></p>
</figure>"""


def _panel(index: int, number: int, figure: Figure) -> str:
    panel = figure.panels[number]
    title = f"<h4>{prose(panel.title)}</h4>" if panel.title else ""
    bar = bar_of(panel)
    beside = f"<span>{html.escape(bar.text)}</span>" if bar else ""
    label = f'<p class="ylabel"><span>{html.escape(panel.y.text)}</span>{beside}</p>' if bar or panel.y.text else ""
    words = html.escape(alt(Figure(figure.title, [panel])))
    plot = f'<div class="plot" id="plot-{index}-{number}" role="img" aria-label="{words}"></div>'
    return f'<div class="panel">{title}{label}{plot}</div>'


def _entry(index: int, entry: Entry) -> str:
    colour = f"var({_variable(entry.colour)})"
    parts = []
    if entry.cell:
        parts.append(f'<rect x="5" y="2" width="14" height="10" rx="1.5" fill="{colour}"/>')
    if entry.band:
        opacity = 0.3 if entry.line is None else entry.band.opacity
        parts.append(f'<rect y="1" width="24" height="12" fill="{colour}" opacity="{opacity}"/>')
    if entry.line:
        dash = {"solid": "", "dash": "6 4", "dot": "1.5 3"}[entry.line.dash]
        drawn = f'stroke="{colour}" stroke-width="2.25" stroke-dasharray="{dash}"'
        parts.append(f'<line x1="0" y1="7" x2="24" y2="7" {drawn}/>')
    if entry.points:
        hollow = entry.points.symbol == "ring"
        fill = "var(--surface)" if hollow else colour
        parts.append(f'<path d="{_SYMBOLS[entry.points.symbol]}" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>')
    swatch = f'<svg width="24" height="14" aria-hidden="true">{"".join(parts)}</svg>'
    name = html.escape(entry.name)
    return f'<button type="button" aria-pressed="true" data-figure="{index}" data-name="{name}">{swatch}{name}</button>'


_SYMBOLS = {
    "circle": "M8.5 7a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z",
    "ring": "M8.5 7a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z",
    "square": "M9 4h6v6h-6z",
    "diamond": "M12 3l4 4-4 4-4-4z",
    "cross": "M11 3h2v3h3v2h-3v3h-2v-3h-3v-2h3z",
    "x": "M9 4l6 6M15 4l-6 6",
}


def alt(figure: Figure) -> str:
    """A figure in words, for who cannot see it."""
    words = [figure.title.rstrip(".") + "."]
    for panel in figure.panels:
        axes = f"{panel.y.text or 'y'} against {panel.x.text or 'x'}"
        if panel.x.ticks == () and panel.y.ticks == ():
            axes = "a map"
        words.append(f"{panel.title}: {axes}." if panel.title else f"{axes[:1].upper()}{axes[1:]}.")
    names = [entry.name for entry in legend_of(figure)]
    return " ".join(words + ([f"Shown: {', '.join(names)}."] if names else []))


def _conditions(report: Report) -> str:
    tables = []
    for experiment, factors in report.conditions.items():
        caption = f"<caption>{html.escape(experiment)}</caption>" if len(report.conditions) > 1 else ""
        rows = "\n".join(
            f'<tr><th scope="row">{html.escape(str(name))}</th><td>{_levels(levels)}</td>'
            f'<td class="count">{len(levels)}</td></tr>'
            for name, levels in factors.items()
        )
        head = '<tr><th scope="col">Factor</th><th scope="col">Levels</th><th scope="col"></th></tr>'
        tables.append(f"<table>{caption}<thead>{head}</thead><tbody>\n{rows}\n</tbody></table>")
    if report.settings:
        tables.append(f'<dl class="facts settings">\n{_facts(report.settings)}\n</dl>')
    return "\n".join(tables)


def _levels(levels: Sequence[Any]) -> str:
    """Levels in a row; whole numbers that follow one another as a range, as seeds do."""
    run = all(type(v) is int for v in levels) and list(levels) == list(range(levels[0], levels[0] + len(levels)))
    if run and len(levels) > 2:
        return f"{levels[0]}–{levels[-1]}"
    return html.escape(", ".join(str(v) for v in levels))


def _differs(differs: Sequence[str]) -> str:
    items = "\n".join(f"<li>{prose(words)}</li>" for words in differs)
    return f'<ol class="differs">\n{items}\n</ol>' if differs else ""


def _facts(facts: Mapping[str, Any]) -> str:
    return "\n".join(
        f"<div><dt>{html.escape(str(name))}</dt><dd>{html.escape(str(value))}</dd></div>"
        for name, value in facts.items()
    )


def _variable(token: str) -> str:
    return "--" + token.split("/")[0].replace(".", "_")


def _style(figures: Sequence[Figure]) -> str:
    """The colours of both themes as CSS variables; paper is always light."""
    tokens = {entry.colour.split("/")[0] for figure in figures for entry in legend_of(figure)}

    def variables(theme: Theme) -> str:
        roles = {_variable(token): css(token, theme) for token in sorted({*ROLES[theme], *tokens})}
        return "; ".join(f"{name}: {value}" for name, value in roles.items())

    light, dark = variables("light"), variables("dark")
    tones = "; ".join(f"--{tone}-tone: var(--{tone})" for tone in ("good", "bad", "unsure", "void"))
    return (
        f":root {{ {light}; {tones} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ {dark} }} }}\n"
        f":root[data-theme=dark] {{ {dark}; color-scheme: dark }}\n:root[data-theme=light] {{ color-scheme: light }}\n"
        f"@media print {{ html:root:not([data-paper]) {{ {light}; color-scheme: light }} }}\n"
    )


def _scripts(figures: Sequence[Figure]) -> str:
    """Everything the page runs: the plots as data, the colours of both themes, Plotly and a few lines of our own."""
    if not figures:
        return f"<script>\n{_asset('page.js')}\n</script>"
    panels = [panels_of(figure) for figure in figures]
    palettes = {theme: {f"@{t}": css(t, theme) for t in sorted(colours_in(panels))} for theme in THEMES}
    plotly = files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    plotly = plotly.replace("</script", "<\\/script")
    return "\n".join(
        [
            f'<script type="application/json" id="figure-data">{_json(panels)}</script>',
            f'<script type="application/json" id="palette-data">{_json(palettes)}</script>',
            f"<script>{plotly}</script>",
            f"<script>\n{_asset('page.js')}\n</script>",
        ]
    )


def _json(data: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
