"""The review of a finished run: its verdicts, its figures and its report."""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import xarray as xr
from rich.table import Table
from rich.text import Text

from ontogeny.errors import RunFailed, UserError
from ontogeny.files import to_json, write_text
from ontogeny.folder import Place, folder_at
from ontogeny.judging import judge
from ontogeny.locate import line_in
from ontogeny.planning import compared
from ontogeny.prepared import Prepared
from ontogeny.report.figure import Figure
from ontogeny.report.page import Report, page
from ontogeny.report.print import save, svg
from ontogeny.store import load, read_about
from ontogeny.verdicts import Verdict, write_verdicts

STYLES = {"reproduced": "green", "not reproduced": "red", "inconclusive": "yellow", "invalid": "bold red"}


def judge_run(prepared: Prepared, folder: Place) -> list[Verdict]:
    """Judges every claim of a finished run, and keeps the verdicts in its folder.

    Raises: `UserError` when the run is not finished; `RunFailed` when a claim's statistic breaks.
    """
    if not read_about(folder)["finished"]:
        raise UserError(f"{folder} is not finished: run the study again to go on")
    found = results_of(folder)
    verdicts = [
        judge(claim, found, prepared.scale, changed=bool(prepared.levels)) for claim in prepared.found.study.claims
    ]
    kept = to_json({"claims": [verdict.as_json() for verdict in verdicts]})
    folder_at(folder).write("verdicts.json", kept.encode())
    return verdicts


def results_of(folder: Place) -> dict[str, xr.Dataset]:
    """The dataset of every experiment of a run."""
    return {name: load(folder, name) for name in read_about(folder)["experiments"]}


def register(prepared: Prepared, folder: Place, verdicts: Sequence[Verdict], out: Path) -> Path:
    """Keeps the verdicts of a run in `out/<scale>/<slug>.json`, with what they were made with.

    Its first figure goes beside them as `<slug>.svg`.
    """
    about = read_about(folder)
    seeds = {row["seed"] for plan in about["experiments"].values() for row in plan["rows"]}
    on = about["hardware"]
    path = write_verdicts(
        out,
        verdicts,
        study=prepared.found.slug,
        scale=prepared.scale,
        definition=about["definition"],
        versions=about["versions"],
        seeds=sorted(seeds),
        when=about["created"],
        machine=f"{on.get('gpu', on['processor'])}, {on['cores']} cores, {about['seconds']:.0f} s",
    )
    for figure in islice(draw_figures(prepared, folder).values(), 1):
        write_text(path.with_suffix(".svg"), svg(figure))
    return path


def write_report(prepared: Prepared, folder: Place, verdicts: Sequence[Verdict]) -> str:
    """Writes `report.html` into the run's folder; gives where it is."""
    about = read_about(folder)
    study, found = prepared.found.study, prepared.found
    members = sum(len(plan["rows"]) for plan in about["experiments"].values())
    report = Report(
        slug=found.slug,
        finding=found.finding,
        paper=study.paper,
        scale=prepared.scale,
        verdicts=verdicts,
        figures=list(draw_figures(prepared, folder).values()),
        conditions={name: _conditions(plan["rows"]) for name, plan in about["experiments"].items()},
        differs=study.differs,
        provenance={
            "scale": prepared.scale,
            "members": members,
            "duration": f"{about['seconds']:.0f} s",
            **({"against the plan": compared(about["plan"], about["took"])} if "took" in about else {}),
            "begun": about["created"],
            "device": about["device"],
            "precision": prepared.precision,
            **{name: str(value) for name, value in about["hardware"].items()},
            **{f"{name} version": value for name, value in about["versions"].items()},
            "definition": about["definition"],
        },
        command=command_of(prepared),
        settings=_settings(prepared),
    )
    folder_at(folder).write("report.html", page(report).encode())
    return f"{folder}/report.html"


def draw_figures(prepared: Prepared, folder: Place) -> dict[str, Figure]:
    """The study's figures of a run, by the name of what draws them.

    Raises: `RunFailed`, with the line, when one breaks.
    """
    results = results_of(folder)
    figures: dict[str, Figure] = {}
    for i, draw in enumerate(prepared.found.study.figures, 1):
        name = getattr(draw, "__name__", f"figure-{i}").replace("_", "-")
        try:
            figures[name] = draw(results)
        except UserError:
            raise
        except Exception as error:
            line = line_in(prepared.found.file, error)
            place = f" (line {line} of the study)" if line else ""
            raise RunFailed(f"figure {name!r} broke{place}: {type(error).__name__}: {error}") from error
    return figures


def save_figures(prepared: Prepared, folder: Place, kind: str) -> list[str]:
    """Writes every figure for print, as `pdf`, `svg` or `png`; gives where they are."""
    into = folder_at(folder).inside("figures")
    places = []
    for name, figure in draw_figures(prepared, folder).items():
        with TemporaryDirectory(prefix="ontogeny-") as here:
            path = Path(here) / f"{name}.{kind}"
            save(figure, path)
            into.write(path.name, path.read_bytes())
        places.append(f"{into}/{path.name}")
    return places


def command_of(prepared: Prepared) -> str:
    """The command that makes this run again."""
    words = ["ontogeny", "run", prepared.found.source, "--scale", prepared.scale]
    for name, values in prepared.levels.items():
        words += ["--set", f"{name}={','.join(str(value) for value in values)}"]
    if prepared.precision != "float32":
        words += ["--precision", prepared.precision]
    return " ".join(words)


def verdict_table(results: Mapping[str, Sequence[Verdict]]) -> Table:
    """Verdicts as a table for a terminal: a claim a row, with its numbers and what the verdict rests on beneath."""
    table = Table(box=None, padding=(0, 2, 1, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for slug, verdicts in results.items():
        table.add_row(f"[bold]{slug}[/]", f"{len(verdicts)} claims")
        for v in verdicts:
            text = Text(f"{v.id}: ", style="bold").append(v.says, style="not bold").append(f"\n{_numbers(v)}", "dim")
            if v.verdict != "reproduced":
                text.append(f"\n{v.why}", "not bold")
            table.add_row(Text(v.verdict, STYLES[v.verdict]), text)
    return table


def _numbers(v: Verdict) -> str:
    words = f"{v.statistic:.3g}" if v.n else "not computed"
    if v.low == v.low:
        words += f" ({'range' if v.interval == 'range' else '95 %'} {v.low:.3g} to {v.high:.3g})"
    words += f", should lie {v.bound}, {v.n} {v.unit}"
    if v.control and v.control.held is None:
        words += "; control not computed"
    elif v.control:
        words += f"; control {v.control.statistic:.3g}, should lie {v.control.bound}"
    return words


def _settings(prepared: Prepared) -> dict[str, str]:
    """What all members of an experiment share, as the study's file says it."""
    settings = {}
    for name, experiment in prepared.experiments.items():
        for field in dataclasses.fields(experiment):
            value = getattr(experiment, field.name)
            if field.name != "factors" and value is not None:
                settings[f"{name}: {field.name}"] = getattr(value, "__name__", None) or repr(value)
    return settings


def _conditions(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Every factor with its levels, in order."""
    return {factor: list(dict.fromkeys(row[factor] for row in rows)) for factor in rows[0]}
