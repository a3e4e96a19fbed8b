"""Writes the pages that are made from the code: a page a study, the verdicts, the API, and the README's tree.

Run by `make docs` before the site is built. Nothing that it writes under docs/ is kept in git, so there is no index to
edit when a study, a part or a verdict is added.
"""

import ast
import re
import shutil
import sys
from pathlib import Path

from ontogeny.catalog import first_sentence, slugs
from ontogeny.locate import Found, find
from ontogeny.verdicts import is_stale, read_verdicts, verdicts_path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "ontogeny"
VERDICTS = ROOT / "verdicts"
SCALES = ("desk", "gpu")
WORDS = ("reproduced", "not reproduced", "inconclusive", "invalid")


def study_page(found: Found) -> str:
    """A study's page; the headings are the same on every one."""
    study, paper = found.study, found.study.paper
    body = found.docstring.strip()
    lines = [f"# {found.slug}", "", f"**{found.finding}**", ""]
    rest = body[len(body.split("\n\n")[0]) :].strip()
    lines += [rest, ""] if rest else []
    picture = verdicts_path(VERDICTS, found.slug, "desk").with_suffix(".svg")
    lines += [f"![The first figure, at desk scale]({picture.name})", ""] if picture.exists() else []
    title = f"[{paper.title}]({paper.link})" if paper.link else paper.title
    lines += ["## Paper", "", f"{title}, {paper.authors}, {paper.year}.", ""]
    lines += ["## Run it", "", "```bash", f"ontogeny run {found.slug}", "```", ""]
    lines += ["## What varies", "", "| scale | experiment | members | factors |", "|---|---|---|---|"]
    for scale in study.scales:
        for name, experiment in study.experiments(scale).items():
            rows = experiment.factors.rows()
            lines.append(f"| {scale} | {name} | {len(rows)} | {_levels(experiment.factors.columns, rows)} |")
    lines += ["", "## Claims", "", "| claim | says | holds when | control |", "|---|---|---|---|"]
    for claim in study.claims:
        control = f"{claim.control.says} ({claim.control.bound})" if claim.control else "none"
        lines.append(f"| `{claim.id}` | {_cell(claim.says)} | {claim.decides} {claim.bound} | {_cell(control)} |")
    lines += ["", "## Verdicts", ""]
    for scale in SCALES:
        lines += verdict_table(found, scale) if scale in study.scales else []
    lines += ["## Differs from the paper", ""]
    lines += [f"{i}. {difference}" for i, difference in enumerate(study.differs, 1)] or ["It does not."]
    return "\n".join(lines) + "\n"


def _levels(columns: tuple[str, ...], rows: list[dict]) -> str:
    shown = []
    for column in columns:
        levels = list(dict.fromkeys(row[column] for row in rows))
        several = len(levels) > 8
        words = f"{levels[0]} to {levels[-1]}, {len(levels)} levels" if several else ", ".join(map(str, levels))
        shown.append(f"`{column}`: {words}")
    return _cell("; ".join(shown))


def verdict_table(found: Found, scale: str) -> list[str]:
    """The kept verdicts of a study at a scale, marked when the study has changed since."""
    path = verdicts_path(VERDICTS, found.slug, scale)
    if not path.exists():
        return [f"None is registered at {scale} scale.", ""]
    kept = read_verdicts(path)
    stale = is_stale(kept, found.study.digest(scale))
    about = f"{scale} scale, {len(kept['seeds'])} seeds from {min(kept['seeds'])} on, {kept['when'][:10]}"
    about += f", torch {kept['versions'].get('torch', '?')}"
    lines = [f"{'**Stale: the study has changed since.** ' if stale else ''}{about[0].upper()}{about[1:]}.", ""]
    lines += ["| claim | verdict | statistic | interval | threshold | n | control |", "|---|---|---|---|---|---|---|"]
    for claim in kept["claims"]:
        threshold = claim["threshold"]
        edge = f"{threshold[0]:g} to {threshold[1]:g}" if isinstance(threshold, list) else f"{threshold:g}"
        control = claim["control"]
        shown = f"{_number(control['statistic'])}, {'held' if control['held'] else 'failed'}" if control else "none"
        interval = "" if claim["low"] is None else f"{_number(claim['low'])} to {_number(claim['high'])}"
        word = f"{claim['verdict']}{' (stale)' if stale else ''}"
        lines.append(
            f"| `{claim['id']}` {_cell(claim['says'])} | **{word}** | {_number(claim['statistic'])} | {interval} "
            f"| {claim.get('direction', '')} {edge} | {claim['n']} | {shown} |"
        )
    return [*lines, ""]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def verdicts_page(studies: list[Found]) -> str:
    """All kept verdicts."""
    lines = ["# Verdicts", "", "Written by `ontogeny verify`, one file a study and scale under `verdicts/`.", ""]
    for found in studies:
        lines += [f"## {found.slug}", "", f"{found.finding} [More](studies/{found.slug}.md)", ""]
        for scale in SCALES:
            lines += verdict_table(found, scale) if scale in found.study.scales else []
    return "\n".join(lines) + "\n"


def modules() -> list[str]:
    """Every module that holds something, dotted."""
    files = (p for p in sorted(PACKAGE.rglob("*.py")) if p.read_text().strip() and p.stem != "__init__")
    return [".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts) for p in files]


def tree() -> str:
    """The package as a tree, each file with the first sentence of its docstring; studies are in `ontogeny list`."""
    lines = ["src/ontogeny/"]

    def walk(folder: Path, depth: int) -> None:
        for path in sorted(folder.iterdir(), key=lambda p: (p.is_file(), p.name)):
            indent = "  " * depth
            if path.is_dir() and path.name != "__pycache__" and any(path.rglob("*.py")):
                if path.name == "studies":
                    lines.append(f"{indent}studies/".ljust(30) + "One file a finding: `ontogeny list` shows them.")
                    continue
                lines.append(f"{indent}{path.name}/")
                walk(path, depth + 1)
            elif path.suffix == ".py" and path.stem != "__init__":
                says = first_sentence(ast.get_docstring(ast.parse(path.read_text())) or "")
                lines.append(f"{indent}{path.name}".ljust(30) + says)

    walk(PACKAGE, 1)
    return "\n".join(lines)


def with_tree(readme: str) -> str:
    """A README with its tree as the package is now: the code block under the heading that says where things are."""
    return re.sub(r"(## Where things are\n[\s\S]*?```text\n)[\s\S]*?(\n```)", lambda m: m[1] + tree() + m[2], readme)


def findings(studies: list[Found]) -> str:
    """The studies with verdicts at desk scale as a table: a small picture, the finding, and what came of its claims."""
    lines = ["| | finding | claims at desk scale |", "|---|---|---|"]
    for found in studies:
        path = verdicts_path(VERDICTS, found.slug, "desk")
        if not path.exists():
            continue
        picture = path.with_suffix(".svg")
        shown = f'<img src="{picture.relative_to(ROOT)}" alt="{found.slug}, first figure" width="240">'
        seen = shown if picture.exists() else ""
        paper = found.study.paper
        source = f"[{paper.authors}, {paper.year}]({paper.link})" if paper.link else f"{paper.authors}, {paper.year}"
        code = f"[`{found.slug}`]({found.file.relative_to(ROOT)})"
        lines.append(f"| {seen} | {code}: {_cell(found.finding)} {source} | {outcome(found, read_verdicts(path))} |")
    return "\n".join(lines)


def outcome(found: Found, kept: dict) -> str:
    """How many of the claims that are made at the scale came out in which way."""
    made = {claim.id for claim in found.study.claims if kept["scale"] in claim.scales}
    words = [claim["verdict"] for claim in kept["claims"] if claim["id"] in made]
    return ", ".join(f"{words.count(word)} {word}" for word in WORDS if word in words)


def with_findings(readme: str, studies: list[Found]) -> str:
    """A README with its table of findings: what stands between its heading's first paragraph and the next heading."""
    return re.sub(r"(## Findings\n\n[^|]*\n\n)\|[\s\S]*?(\n\n## )", lambda m: m[1] + findings(studies) + m[2], readme)


def main() -> None:
    """Writes everything."""
    docs = ROOT / "docs"
    studies = [find(slug) for slug in slugs()]
    pages = {f"studies/{found.slug}.md": study_page(found) for found in studies}
    pages["verdicts.md"] = verdicts_page(studies)
    pages |= {f"api/{name}.md": f"# {name.removeprefix('ontogeny.')}\n\n::: {name}\n" for name in modules()}
    for folder in ("studies", "api"):
        (docs / folder).mkdir(exist_ok=True)
        for old in (docs / folder).iterdir():
            old.unlink()
    for place, text in pages.items():
        (docs / place).write_text(text)
    for picture in (VERDICTS / "desk").glob("*.svg"):
        shutil.copy(picture, docs / "studies")
    readme = ROOT / "README.md"
    readme.write_text(with_findings(with_tree(readme.read_text()), studies))
    print(f"{len(pages)} pages", file=sys.stderr)


if __name__ == "__main__":
    main()
