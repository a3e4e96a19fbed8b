"""The command line: it composes the library and turns every mendable error into one line."""

import json
import secrets
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ontogeny.errors import RunFailed, UserError, nearest

if TYPE_CHECKING:
    from rich.console import Console

    from ontogeny.cache import Entry, MemberCache
    from ontogeny.executors.contract import Executor
    from ontogeny.prepared import Prepared
    from ontogeny.shard import Shard
    from ontogeny.verdicts import Verdict

app = typer.Typer(
    name="ontogeny",
    help="A laboratory for the science of how neural networks learn.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Name = Annotated[str, typer.Argument(metavar="SLUG|FILE.py", help="A study's name, or a file that defines one.")]
Folder = Annotated[str, typer.Argument(metavar="RUN", help="The folder of a run, or its URL.")]
ScaleOption = Annotated[str, typer.Option(help="How large: smoke (seconds), desk (minutes), gpu (the paper's own).")]
Seeds = Annotated[int | None, typer.Option(help="How many seeds, from 1,000 on.")]
Levels = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FACTOR=VALUES", help="Other levels: --set noise=0,0.1. Repeatable."),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Make every member, and keep none for other runs.")]
KeepWeights = Annotated[
    bool, typer.Option("--keep-weights", help="Store the weights at every measured step, for measures to come.")
]
Mode = Annotated[
    str, typer.Option(help="How updates are made: eager, compiled, or auto, which compiles where it pays.")
]
Precision = Annotated[
    str, typer.Option(help="What products of updates are rounded to: float32 (not at all), tf32 (on a GPU) or bf16.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else there.")]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """A laboratory for the science of how neural networks learn."""
    _Debug.on = debug
    if version:
        from ontogeny import __version__

        print(__version__)  # noqa: T201
        raise typer.Exit


@app.command("list")
def list_studies(as_json: AsJson = False) -> None:
    """The studies that are there, with their findings."""
    from ontogeny.catalog import findings

    found = dict(findings())
    if as_json:
        _print_json([{"slug": slug, "finding": finding} for slug, finding in found.items()])
        return
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 1, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for slug, finding in found.items():
        table.add_row(slug, finding)
    _out().print(table)
    _out().print("ontogeny show SLUG tells more of one, ontogeny run SLUG runs it.", style="dim")


@app.command()
def show(name: Name, scale: ScaleOption = "desk") -> None:
    """What a study found, varies and claims."""
    from ontogeny.locate import find

    found = find(name)
    study, paper = found.study, found.study.paper
    console = _out()
    console.print(found.docstring.strip(), markup=False, highlight=False)
    console.print(f"\n[bold]Paper[/]  {paper.title} ({paper.authors}, {paper.year}) {paper.link}", highlight=False)
    for experiment_name, experiment in study.experiments(scale).items():
        console.print(f"\n[bold]Experiment[/] {experiment_name} at {scale} scale", highlight=False)
        rows = experiment.factors.rows()
        for column in experiment.factors.columns:
            levels = list(dict.fromkeys(row[column] for row in rows))
            shown = ", ".join(str(level) for level in levels[:12]) + (" ..." if len(levels) > 12 else "")
            console.print(f"  {column}: {shown}", highlight=False, markup=False)
        console.print(f"  {len(rows)} members", highlight=False)
    console.print("\n[bold]Claims[/]")
    for claim in study.claims:
        console.print(f"  {claim.id}: {claim.says}", highlight=False, markup=False)
        if claim.control:
            console.print(f"      control: {claim.control.says}", highlight=False, markup=False, style="dim")
    if study.differs:
        console.print("\n[bold]Differs from the paper[/]")
        for i, line in enumerate(study.differs, 1):
            console.print(f"  {i}. {line}", highlight=False, markup=False)


@app.command()
def run(
    name: Name,
    scale: ScaleOption = "desk",
    seeds: Seeds = None,
    levels: Levels = None,
    device: Device = "auto",
    mode: Mode = "auto",
    precision: Precision = "float32",
    out: Annotated[
        str | None,
        typer.Option(metavar="FOLDER|URL", help="Where the run goes, such as s3://bucket/run; it is gone on with."),
    ] = None,
    executor: Annotated[str, typer.Option(metavar="local|ray", help="Who does the work: this process, or Ray.")] = (
        "local"
    ),
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Ray's cluster; one is started here when there is none.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only the I-th of N shares, each a command of its own.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and stop.")] = False,
    no_cache: NoCache = False,
    keep_weights: KeepWeights = False,
    as_json: AsJson = False,
) -> None:
    """Run a study, judge its claims and write its report. The same command again goes on where it was left."""
    from ontogeny.locate import find
    from ontogeny.prepared import prepare
    from ontogeny.shard import WHOLE, parse_shard

    share = parse_shard(shard) if shard else WHOLE
    prepared = prepare(find(name), scale, _levels(levels or []), seeds, device, mode, precision)
    if dry_run:
        _dry_run(prepared, None if no_cache else _cache(), keep_weights, as_json)
        return
    folder = out or str(prepared.folder)
    verdicts, left = _run(prepared, folder, no_cache, _executor(executor, address, share), share, keep_weights)
    about = {"study": prepared.found.slug, "scale": scale, "run": folder}
    if as_json:
        _print_json(about | {"claims": _claims(verdicts), "finished": not left})
    elif left:
        _out().print(
            f"shard {share} is done; {left} cohorts are left to others. The last shard to end judges the run; if one "
            "got lost, the same command without --shard does the rest.",
            highlight=False,
            soft_wrap=True,
        )
    else:
        _print_verdicts({prepared.found.slug: verdicts})
        _out().print(f"report: {folder}/report.html", highlight=False, soft_wrap=True)
        _out().print(f"data:   ontogeny.load({str(folder)!r})", highlight=False, soft_wrap=True, markup=False)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SLUG...]", help="Studies; all when none is named.")
    ] = None,
    scale: ScaleOption = "desk",
    device: Device = "auto",
    no_cache: NoCache = False,
    mode: Mode = "auto",
    as_json: AsJson = False,
    out: Annotated[Path, typer.Option(help="Folder that keeps the verdicts.")] = Path("verdicts"),
) -> None:
    """Run studies and keep their verdicts. Exits with 1 when a claim is invalid or a run breaks."""
    from ontogeny.catalog import slugs
    from ontogeny.locate import find
    from ontogeny.prepared import prepare
    from ontogeny.review import register

    found = [find(name) for name in names or slugs()]
    results: dict[str, list[Verdict]] = {}
    broken: dict[str, str] = {}
    for one in found:
        if scale not in one.study.scales:
            continue
        try:
            prepared = prepare(one, scale, {}, None, device, mode)
            results[one.slug], _ = _run(prepared, str(prepared.folder), no_cache)
            register(prepared, prepared.folder, results[one.slug], out)
        except UserError as error:
            _Debug.show(error)
            broken[one.slug] = str(error)
            _err().print(f"{one.slug}: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
    if as_json:
        studies = {slug: _claims(verdicts) for slug, verdicts in results.items()}
        _print_json({"scale": scale, "studies": studies, "broken": broken})
    else:
        _print_verdicts(results)
    if broken or any(v.verdict == "invalid" for verdicts in results.values() for v in verdicts):
        raise typer.Exit(1)


@app.command()
def report(
    run: Folder,
    figures: Annotated[
        str | None, typer.Option(metavar="pdf|svg|png", help="Write the figures for a paper, too.")
    ] = None,
) -> None:
    """Write the report of a run again."""
    from ontogeny.prove import reopen
    from ontogeny.review import judge_run, save_figures, write_report

    prepared = reopen(run)
    verdicts = judge_run(prepared, run)
    _out().print(write_report(prepared, run, verdicts), highlight=False, soft_wrap=True)
    if figures:
        for path in save_figures(prepared, run, figures):
            _out().print(path, highlight=False, soft_wrap=True)


@app.command()
def export(
    run: Folder,
    to: Annotated[str, typer.Option(metavar="zarr|netcdf|parquet|csv", help="What to write.")] = "netcdf",
    out: Annotated[Path | None, typer.Option(help="Where; a folder beside the run when left out.")] = None,
) -> None:
    """Write a run's dataset as Zarr, netCDF, Parquet or CSV."""
    from ontogeny.export import export as write

    for path in write(run, to, out or _beside(run, to)):
        _out().print(str(path), highlight=False, soft_wrap=True)


@app.command()
def prove(
    run: Folder,
    member: Annotated[int | None, typer.Option(help="Which member; a random one when left out.")] = None,
) -> None:
    """Make one member of a finished run again, alone, and compare every number bit for bit."""
    from rich.progress import Progress

    from ontogeny.prove import Proof
    from ontogeny.prove import prove as compare

    with Progress(console=_err(), transient=True) as bar:
        task = bar.add_task("making one member again, alone", total=None)
        for seen in compare(run, secrets.randbelow(1 << 30) if member is None else member):
            if isinstance(seen, Proof):
                proof = seen
            else:
                bar.update(task, completed=seen[0], total=seen[1])
    row = ", ".join(f"{k}={v}" for k, v in proof.row.items())
    how = "bit for bit" if proof.exact else "within 1e-4 (bits are only promised on a CPU)"
    if not proof.holds:
        raise RunFailed(f"{proof.differing} of {proof.compared} numbers differ for {row}: {proof.where}")
    _out().print(
        f"proved: {proof.compared:,} numbers of the member with {row} came out the same, {how}", highlight=False
    )


@app.command("embed-check")
def embed_check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table: .npy, .csv, .tsv or Parquet, a row a point.")],
    perplexity: Annotated[float, typer.Option(help="What the picture was, or will be, drawn with.")] = 30.0,
    length: Annotated[float | None, typer.Option(help="How far a point is pushed in the data.")] = None,
    method: Annotated[str, typer.Option(metavar="exact|scikit-learn|opentsne|umap", help="What draws it.")] = "exact",
    embedding: Annotated[
        str | None, typer.Option(metavar="FILE|COLUMN,COLUMN", help="A picture that is there already.")
    ] = None,
    columns: Annotated[str | None, typer.Option(metavar="COLUMN,...", help="Which columns; all numeric ones.")] = None,
    rows: Annotated[int, typer.Option(help="At most so many rows; more are thinned out at random.")] = 5_000,
    curve: Annotated[str | None, typer.Option(metavar="P,P,...", help="Perplexities to draw as well.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the scores and the page; beside the file if none.")
    ] = None,
) -> None:
    """Tell which points of a t-SNE-like picture of your own table not to trust."""
    from ontogeny.embed_check import embed_check as check
    from ontogeny.embed_check import save_check, shown

    pair = tuple(embedding.split(",")) if embedding and "," in embedding else embedding
    with shown(_err()) as progress:
        checked = check(
            file,
            perplexity=perplexity,
            length=length,
            method=method,
            columns=columns.split(",") if columns else None,
            embedding=pair,
            rows=rows,
            curve=_numbers("--curve", curve),
            progress=progress,
        )
    scores, page = save_check(checked, file, out)
    for note in checked.notes:
        _out().print(note, highlight=False, markup=False)
    _out().print(f"scores: {scores}", highlight=False, soft_wrap=True)
    _out().print(f"page:   {page}", highlight=False, soft_wrap=True)


@app.command()
def new(
    slug: Annotated[str, typer.Argument(help="Name of the study: words with hyphens.")],
    out: Annotated[Path, typer.Option(help="Folder for the file.")] = Path("."),
) -> None:
    """Write a study file to fill in. It runs as it is."""
    from ontogeny.template import write_template

    path = write_template(slug, out)
    _out().print(f"{path} is there: ontogeny run {path} --scale smoke", highlight=False, soft_wrap=True)


class _Listing(TyperGroup):
    """A group whose command `list` is meant where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = args and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named else ["list", *args])


cache_app = typer.Typer(cls=_Listing, help="The members that are kept for other runs: list them, or remove some.")
app.add_typer(cache_app, name="cache")


@cache_app.command("list")
def list_cache(as_json: AsJson = False) -> None:
    """The members that are kept, and their weights, by study: how many, how large, and when they were last used."""
    kept = _cache()
    studies: dict[str, list[Any]] = {}
    for entry in kept.entries():
        studies.setdefault(entry.study, []).append(entry)
    totals = [
        {
            "study": study,
            "members": sum(e.kind == "members" for e in found),
            "bytes": sum(e.bytes for e in found),
            "weights": sum(e.bytes for e in found if e.kind == "weights"),
            "used": max(e.used for e in found),
        }
        for study, found in sorted(studies.items())
    ]
    if as_json:
        _print_json({"cache": str(kept.folder), "studies": totals})
        return
    from rich.table import Table

    from ontogeny.amounts import show_bytes, show_seconds

    table = Table("study", "members", "size", "of it weights", "last used", box=None, padding=(0, 2, 0, 0))
    for line in totals:
        ago = f"{show_seconds(time.time() - line['used'])} ago"
        sizes = show_bytes(line["bytes"]), show_bytes(line["weights"])
        table.add_row(line["study"], f"{line['members']:,}", *sizes, ago)
    if totals:
        _out().print(table)
    members, size = sum(line["members"] for line in totals), sum(line["bytes"] for line in totals)
    _out().print(f"{members:,} members, {show_bytes(size)} in {kept.folder}", highlight=False, soft_wrap=True)


@cache_app.command()
def prune(
    older: Annotated[str | None, typer.Option(metavar="30d", help="Members not used for so long.")] = None,
    larger: Annotated[
        str | None, typer.Option(metavar="5GB", help="Those used longest ago, until no more is left than this.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Remove members, and stored weights, from the cache. Runs keep what they have."""
    from ontogeny.amounts import parse_bytes, parse_seconds, show_bytes

    if older is None and larger is None and not everything:
        raise UserError("nothing says what to remove: give --older 30d, --larger 5GB or --all")
    kept = _cache()
    removed = kept.prune(
        older=None if older is None else parse_seconds(older),
        larger=None if larger is None else parse_bytes(larger),
        everything=everything,
    )
    left = kept.entries()
    gone, stays = (show_bytes(sum(e.bytes for e in entries)) for entries in (removed, left))
    line = f"removed {_counted(removed)}, {gone}; {_counted(left)}, {stays} are left in {kept.folder}"
    _out().print(line, highlight=False, soft_wrap=True)


def _counted(entries: "list[Entry]") -> str:
    weights = sum(entry.kind == "weights" for entry in entries)
    return f"{len(entries) - weights:,} members" + (f" and the weights of {weights:,}" if weights else "")


def main() -> None:
    """The command. User errors are one line and exit code 2, failed runs 1."""
    try:
        app()
    except UserError as error:
        _Debug.show(error)
        _err().print(f"error: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(1 if isinstance(error, RunFailed) else 2)
    except Exception as error:
        _Debug.show(error)
        hint = "" if _Debug.on else "; ontogeny --debug ... shows where"
        _err().print(
            f"error: {type(error).__name__}: {error} (unexpected: please report it{hint})",
            style="red",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        sys.exit(1)


class _Debug:
    """Whether errors show their traceback."""

    on = False

    @classmethod
    def show(cls, error: Exception) -> None:
        if cls.on:
            traceback.print_exception(error)


def _cache() -> "MemberCache":
    from ontogeny.cache import MemberCache, place

    return MemberCache(place(), lambda line: _err().print(line, highlight=False, markup=False, soft_wrap=True))


def _run(
    prepared: "Prepared",
    folder: str,
    no_cache: bool,
    executor: "Executor | None" = None,
    shard: "Shard | None" = None,
    weights: bool = False,
) -> "tuple[list[Verdict], int]":
    """Gives the verdicts, none as long as cohorts are left to other shards, and how many are."""
    from ontogeny.cache import MemberCache, place
    from ontogeny.progress import RichWatcher
    from ontogeny.review import judge_run, write_report
    from ontogeny.run import run as measure
    from ontogeny.shard import WHOLE

    watcher = RichWatcher(_err())
    on = f" on {executor}" if executor else ""
    _err().print(f"{prepared.found.slug} at {prepared.scale} scale into {folder}{on}", highlight=False, soft_wrap=True)
    try:
        cache = None if no_cache else MemberCache(place(), watcher.say)
        left = measure(prepared, folder, watcher, cache, executor, shard or WHOLE, weights=weights)
    except KeyboardInterrupt:
        again = "what was committed is kept, and the same command goes on from there"
        raise UserError(f"interrupted: {again}") from None
    finally:
        watcher.close()
    if left:
        return [], left
    verdicts = judge_run(prepared, folder)
    write_report(prepared, folder, verdicts)
    return verdicts, 0


def _executor(name: str, address: str | None, shard: "Shard") -> "Executor | None":
    """The executor of that name; None for the default, this process."""
    if name not in ("local", "ray"):
        raise UserError(f"no executor {name!r}: {nearest(name, ('local', 'ray'))}")
    if name == "local":
        if address:
            raise UserError(f"--address {address} is Ray's: give --executor ray, too")
        return None
    if not shard.whole:
        raise UserError(f"--shard {shard} and --executor ray both divide the work: give one of them")
    from ontogeny.executors.ray import Ray

    return Ray(address)


def _beside(run: str, kind: str) -> Path:
    """Where an export of a run goes: beside it, or here when it is not on a disk."""
    place = Path(run.rstrip("/").rpartition("/")[2] if "://" in run else run)
    return place.with_name(f"{place.name}-{kind}")


def _levels(given: list[str]) -> dict[str, tuple[Any, ...]]:
    """`noise=0,0.1` as a factor and its levels."""
    levels = {}
    for one in given:
        name, equals, values = one.partition("=")
        if not equals or not name or not values:
            raise UserError(f"--set {one} is not FACTOR=VALUES: write it like --set noise=0,0.1")
        levels[name] = tuple(_value(text) for text in values.split(","))
    return levels


def _numbers(option: str, text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise UserError(f"{option} {text} is not a list of numbers: write it like {option} 5,15,40") from None


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def _dry_run(prepared: "Prepared", cache: "MemberCache | None", weights: bool, as_json: bool) -> None:
    from ontogeny.arranging import plan_dry
    from ontogeny.reuse import Reuse

    reuse = cache and Reuse(cache, prepared.found.slug, prepared.experiments, prepared.device, weights)
    plan, cached, replayed = plan_dry(prepared, reuse)
    if as_json:
        whole = plan.as_json()
        for name, experiment in whole["experiments"].items():
            experiment |= {"cached": cached[name], "replayed": replayed[name]}
        _print_json({"study": prepared.found.slug, "scale": prepared.scale, **whole})
        return
    lines = []
    for name, experiment in plan.experiments.items():
        there = f"{cached[name]:,} members from the cache, " if cached[name] else ""
        there += f"{replayed[name]:,} re-measured from stored weights, " if replayed[name] else ""
        lines.append(f"{name}: {there}{experiment}")
    lines.append(str(plan))
    for name, expected in plan.expected.items():
        if (half := expected["half_width"]) is not None:
            width = f"{half:.2f} standard deviations between seeds to either side"
            lines.append(f"claim {name}: {expected['seeds']} seeds, a 95 % interval of {width}")
    for line in lines:
        _out().print(line, highlight=False, markup=False, soft_wrap=True)


def _claims(verdicts: "list[Verdict]") -> list[dict[str, Any]]:
    return [verdict.as_json() for verdict in verdicts]


def _print_verdicts(results: "dict[str, list[Verdict]]") -> None:
    from ontogeny.review import verdict_table

    _out().print(verdict_table(results))


def _print_json(content: Any) -> None:
    print(json.dumps(content, indent=2, allow_nan=False))  # noqa: T201


def _out() -> "Console":
    from rich.console import Console

    return Console()


def _err() -> "Console":
    from rich.console import Console

    return Console(stderr=True)
