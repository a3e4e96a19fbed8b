"""Verdict cards: what a claim says, what came out, and a small picture of the statistic against its threshold."""

import html
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ontogeny.report.axes import number

LOOKS = {  # the tone, the sign, and the order in which a summary names them
    "reproduced": ("good", "✓"),
    "not reproduced": ("bad", "✕"),
    "inconclusive": ("unsure", "?"),
    "invalid": ("void", "!"),
}
INTERVALS = {"t": "95 % interval", "binomial": "95 % interval, exact binomial", "range": "range"}
WIDE, TALL, LEFT, RIGHT = 480, 86, 6, 474  # the interval picture, and where its axis begins and ends
REACH = 1.5  # a control may stretch the axis by this share of the claim's own extent; beyond, an arrow points to it


def prose(words: str) -> str:
    """Words as HTML: everything literal, but `code` between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(words))


def tally(verdicts: Sequence[Any]) -> str:
    """How many claims came out how, as HTML."""
    counts = Counter(verdict.verdict for verdict in verdicts)
    parts = [
        f'<span class="{tone}">{sign} {counts[word]} {word}</span>'
        for word, (tone, sign) in LOOKS.items()
        if counts[word]
    ]
    return "\n".join(parts) or "<span>no claims</span>"


def card(verdict: Any) -> str:
    """A verdict as an HTML card. It has the fields of `ontogeny.verdicts.Verdict`."""
    tone, sign = LOOKS[verdict.verdict]
    lines = [
        f'<article class="card {tone}" id="claim-{html.escape(verdict.id)}">',
        f'<p class="top"><span class="verdict"><i aria-hidden="true">{sign}</i>{verdict.verdict}</span>'
        f'<code class="id">{html.escape(verdict.id)}</code></p>',
        f'<h3 class="says">{prose(_sentence(verdict.says))}</h3>',
        _picture(verdict),
        f'<p class="numbers">{_numbers(verdict)}</p>',
    ]
    if verdict.control is not None:
        lines.append(f'<p class="numbers">{_control(verdict.control)}</p>')
    if verdict.why:
        lines.append(f'<p class="why">{prose(_sentence(verdict.why))}</p>')
    return "\n".join([*lines, "</article>"])


def _sentence(words: str) -> str:
    words = words.strip()
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")


def _reader(verdict: Any) -> Callable[[float], str]:
    """Writes numbers to a hundredth of what the picture spans, so that an interval shows its width."""
    own = _own(verdict)
    extent = (max(own) - min(own)) if own else 0.0
    extent = extent or max(map(abs, own), default=1.0) or 1.0
    places = min(max(2 - math.floor(math.log10(extent) + 1e-9), 0), 12)
    return lambda value: number(round(value, places)) if math.isfinite(value) else "undefined"


def _own(verdict: Any) -> list[float]:
    """The finite numbers of a claim itself, without its control."""
    return [v for v in (verdict.statistic, verdict.low, verdict.high, *verdict.bound.edges) if math.isfinite(v)]


def _short(value: float) -> str:
    return number(float(f"{value:.3g}")) if math.isfinite(value) else "undefined"


def _numbers(verdict: Any) -> str:
    read = _reader(verdict)
    shown = f"<b>{read(verdict.statistic)}</b>"
    if math.isfinite(verdict.low) and math.isfinite(verdict.high):
        shown += f" [{read(verdict.low)}, {read(verdict.high)}] {INTERVALS.get(verdict.interval, '')}".rstrip()
    asked = html.escape(str(verdict.bound)).replace("-", "−")
    return f"{shown} · <span>asked: <b>{asked}</b></span> · <span>n = {verdict.n} {html.escape(verdict.unit)}</span>"


def _control(control: Any) -> str:
    held = {True: "held", False: "failed", None: "not computed"}[control.held]
    asked = html.escape(str(control.bound)).replace("-", "−")
    came = f"<b>{_short(control.statistic)}</b> · <span>asked: <b>{asked}</b></span>"
    return f"◇ Control {held}: {prose(control.says)}, {came}"


def _picture(verdict: Any) -> str:
    """The statistic with its interval over the side where it should lie, and the control below it."""
    control = math.nan if verdict.control is None else verdict.control.statistic
    edges = [edge for edge in verdict.bound.edges if math.isfinite(edge)]
    low, high = _window(_own(verdict), control)
    read = _reader(verdict)

    def at(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (min(max(value, low), high) - low) / (high - low)

    left, right = (at(edge) for edge in verdict.bound.edges)
    parts = [f'<rect class="pass" x="{left:.1f}" y="22" width="{right - left:.1f}" height="48"/>']
    parts.append(f'<line class="axis" x1="{LEFT}" y1="70" x2="{RIGHT}" y2="70"/>')
    for edge in edges:
        parts.append(f'<line class="edge" x1="{at(edge):.1f}" y1="18" x2="{at(edge):.1f}" y2="74"/>')
        parts.append(_words(at(edge), 85, read(edge)))
    if math.isfinite(verdict.low) and math.isfinite(verdict.high):
        ends = f'x1="{at(verdict.low):.1f}" x2="{at(verdict.high):.1f}"'
        parts.append(f'<line class="reach" {ends} y1="36" y2="36"/>')
    if math.isfinite(verdict.statistic):
        parts.append(f'<circle class="dot" cx="{at(verdict.statistic):.1f}" cy="36" r="5"/>')
        parts.append(_words(at(verdict.statistic), 14, read(verdict.statistic), "value"))
    if math.isfinite(control):
        x = at(control)
        side = -1 if control < low else 1 if control > high else 0
        shape = f"M{x - 5.5:.1f} 57l5.5 -5.5 5.5 5.5 -5.5 5.5z"
        if side:
            shape = f"M{x - 7 * side:.1f} 51.5l{7 * side} 5.5 {-7 * side} 5.5z"
        parts.append(f'<path class="{"clip" if side else "control"}" d="{shape}"/>')
        beyond = x > (LEFT + RIGHT) / 2
        anchor, shift = ("end", -11) if beyond else ("start", 11)
        parts.append(f'<text x="{x + shift:.1f}" y="61" text-anchor="{anchor}">control {_short(control)}</text>')
    inside = "\n".join(parts)
    return (
        f'<svg class="interval" viewBox="0 0 {WIDE} {TALL + 4}" role="img" aria-label="{_alt(verdict)}">{inside}</svg>'
    )


def _window(own: list[float], control: float) -> tuple[float, float]:
    low, high = (min(own), max(own)) if own else (0.0, 1.0)
    extent = (high - low) or abs(low) or 1.0
    if math.isfinite(control):
        low, high = max(min(low, control), low - REACH * extent), min(max(high, control), high + REACH * extent)
    room = 0.12 * ((high - low) or extent)
    return low - room, high + room


def _words(x: float, y: int, words: str, kind: str = "") -> str:
    anchor = "start" if x < LEFT + 18 else "end" if x > RIGHT - 18 else "middle"
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{words}</text>'


def _alt(verdict: Any) -> str:
    words = f"Statistic {_short(verdict.statistic)}"
    if math.isfinite(verdict.low):
        words += f", from {_short(verdict.low)} to {_short(verdict.high)}"
    words += f"; asked: {verdict.bound}"
    if verdict.control is not None:
        words += f"; control {_short(verdict.control.statistic)}, asked: {verdict.control.bound}"
    return html.escape(words)
