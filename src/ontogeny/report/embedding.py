"""The page of an embedding check: one HTML file with the picture, the notes and the points to distrust."""

import html
from pathlib import Path
from typing import Any

from ontogeny.errors import UserError
from ontogeny.report.print import svg

_STYLE = """
:root { color-scheme: light; } body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
padding: 0 1rem; color: #1c1c1a; background: #fff; } svg { width: 100%; height: auto; } h1 { font-size: 1.6rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } td, th { padding: .2rem .9rem .2rem 0;
text-align: right; border-bottom: 1px solid #ddd; } .caption { color: #666; font-size: .9rem; }
@media print { body { margin: 0; } }
"""


def save_embedding_report(checked: Any, name: str, path: str | Path, *, worst: int = 20) -> Path:
    """Writes the page of a check (`ontogeny.embed_check.Checked`) of a file called `name`. Gives the path back.

    Raises: `UserError` when it cannot be written.
    """
    picture = svg(checked.figure)
    picture = picture[picture.index("<svg") :]
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in checked.notes)
    rows = "".join(
        f"<tr><td>{int(row.row)}</td><td>{row.perturbation:.3g}</td><td>{row.singularity:.3g}</td></tr>"
        for row in checked.scores.nlargest(worst, "perturbation").itertuples()
    )
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(name)}: can the picture be trusted?</title><style>{_STYLE}</style></head><body>
<p class="caption">ontogeny embed-check · {html.escape(name)}</p>
<h1>{html.escape(checked.figure.title)}</h1>
<ul>{notes}<li>perplexity {checked.perplexity:g}, points pushed by {checked.length:.3g} in the data</li></ul>
{picture}
<p class="caption">{html.escape(checked.figure.caption)}</p>
<h2>The points that leap farthest</h2>
<table><thead><tr><th>row</th><th>perturbation</th><th>singularity</th></tr></thead><tbody>{rows}</tbody></table>
</body></html>
"""
    path = Path(path)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
    return path
