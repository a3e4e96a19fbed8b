"""Pages: what benchmarks write, between marks, so that the text around it stays."""

import argparse
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.figure import Figure

from ontogeny.machine import hardware

ROOT = Path(__file__).parents[1]


def options(about: str | None) -> argparse.ArgumentParser:
    """What every part of the benchmark can be told."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--quick", action="store_true", help="the smallest sizes, to see that it works")
    parser.add_argument("--out", type=existing, help="put what is found between the marks of this Markdown page")
    return parser


def existing(path: str) -> Path:
    """A page that is there.

    Raises: `ArgumentTypeError`.
    """
    if not Path(path).is_file():
        raise argparse.ArgumentTypeError(
            f"{path} is not there: copy docs/performance.md, whose marks say what goes where"
        )
    return Path(path)


def put(page: Path | None, mark: str, content: str) -> None:
    """Replaces what stands between `<!-- mark -->` and `<!-- /mark -->`; without a page, nothing is written."""
    if page is not None:
        page.write_text(between(page.read_text(), mark, content))


def between(text: str, mark: str, content: str) -> str:
    """The text with other content between two marks.

    Raises: `ValueError` for a text in which they do not stand once each, one after the other.
    """
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed) or begin in rest or end in before + after:
        raise ValueError(f"the page needs {begin} and {end}, once each, in this order")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], words: int = 0) -> str:
    """A Markdown table, whose columns are numbers but for the first few."""
    rule = [":---"] * words + ["---:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in [head, rule, *rows])


def made_on(device: torch.device) -> str:
    """Date, machine, versions and command."""
    machine = hardware(device)
    if device.type == "cuda":
        on = f"{machine['gpu']}, {machine['processor']}, {machine['threads']} cores"
    else:
        on = f"{machine['processor']}, {machine['threads']} cores"
    command = f"python {' '.join([os.path.relpath(sys.argv[0], ROOT), *sys.argv[1:]])}"
    return f"{date.today()}, {on}, torch {torch.__version__}, Python {platform.python_version()}: `{command}`."


def picture(page: Path | None, name: str, says: str, canvas: Figure) -> str:
    """Saves a figure beside the page, in `images/`, and gives the line that shows it."""
    if page is None:
        return ""
    file = page.parent / "images" / f"{page.stem}-{name}.svg"
    file.parent.mkdir(exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": name}):
        canvas.savefig(file, metadata={"Date": None})
    return f"![{says}](images/{file.name})"


def duration(seconds: float) -> str:
    """For people: 0.3 ms, 45 s, 12 min."""
    if seconds >= 120:
        return f"{short(seconds / 60)} min"
    return f"{short(seconds)} s" if seconds >= 1 else f"{short(1e3 * seconds)} ms"


def short(number: float) -> str:
    """Two digits, and all of those before the point: 0.34, 3.4, 34, 3,412."""
    return f"{number:,.0f}" if number >= 9.5 else f"{number:.2g}"
