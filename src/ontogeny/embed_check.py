"""Embed check: whether a t-SNE picture of a user's own table can be trusted, point by point."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from ontogeny.errors import UserError, nearest
from ontogeny.measures.exact_tsne import ExactTSNE
from ontogeny.measures.map_estimators import MapReliability, perplexity_curve
from ontogeny.measures.tsne import Progress
from ontogeny.report.embedding import save_embedding_report
from ontogeny.report.figure import Axis, Figure, Line, Panel, Points
from ontogeny.streams import Streams
from ontogeny.tables import Numbers, numbers, read_frame

MOST_ROWS = 5_000  # all pairs are looked at
DIMENSIONS = 50
METHODS = ("exact", "scikit-learn", "opentsne", "umap")


@dataclass(frozen=True)
class Checked:
    """What was found about a picture."""

    scores: pd.DataFrame  # row, x, y, perturbation, singularity, warned
    notes: tuple[str, ...]  # what the user should know, a sentence each
    figure: Figure
    perplexity: float
    length: float
    curve: dict[float, float]  # log10 of the 95 % quantile of the singularity score, by perplexity


def embed_check(
    path: str | Path,
    *,
    perplexity: float | int = 30.0,
    length: float | int | None = None,
    method: str = "exact",
    columns: Sequence[str] | None = None,
    embedding: Sequence[str] | str | Path | None = None,
    rows: int = MOST_ROWS,
    seed: int = 0,
    curve: Sequence[float | int] = (),
    progress: Progress | None = None,
) -> Checked:
    """Both reliability scores for every row of a table.

    The table is read from a `.npy`, `.csv`, `.tsv` or Parquet file: its numeric `columns` (all with None), reduced to
    50 principal components. The picture is drawn by `method`, or given: as the names of two columns of the same file,
    or as another file with two columns and as many rows. `perplexity` is the one it was or will be drawn with, `length`
    how far a point is pushed in the data (None: half the median bandwidth). More than `rows` rows are thinned out at
    random, by `seed`. `curve` names perplexities to draw as well, to choose among them.

    Raises: `UserError` for what cannot be read or used, in one line.
    Cost: O(rows^2) in time and memory for every step of the picture, and for every push of a point.
    """
    perplexity = float(perplexity)
    if method not in METHODS:
        raise UserError(f"no method {method!r}: {nearest(method, METHODS)}")
    if not 0 < rows <= MOST_ROWS:
        raise UserError(f"from 1 to {MOST_ROWS:,} rows can be looked at, got {rows:,}")
    table, picture = _read(Path(path), columns, embedding)
    notes = list(table.notes)
    keep = np.arange(len(table.values))
    if len(keep) > rows:
        order = Streams((seed,)).permutation("rows", (), len(keep))[0].numpy()
        keep = np.sort(order[:rows])
        notes.append(f"{rows:,} of {len(order):,} rows were drawn at random (seed {seed}): all pairs are looked at")
    if not 1 < perplexity < len(keep) - 1:
        raise UserError(
            f"perplexity {perplexity:g} needs more than {perplexity + 1:g} rows, and more than 1: "
            f"{len(keep)} are there; give a lower --perplexity"
        )
    x = table.values[keep]
    if x.shape[1] > DIMENSIONS:
        x = PCA(min(DIMENSIONS, len(x)), svd_solver="full").fit_transform(x)
        notes.append(f"{table.values.shape[1]} columns were reduced to {x.shape[1]} principal components")
    given = None if picture is None else picture[table.rows[keep]]
    if given is not None and not np.isfinite(given).all():
        raise UserError("the picture has gaps or infinite places: drop those rows from both files")
    embedder = _embedder(method, perplexity, seed, progress)
    fitted = MapReliability(perplexity, embedder=embedder, length=length, progress=progress).fit(x, embedding=given)
    notes += _judged(fitted, method, given is not None)
    scores = pd.DataFrame(
        {
            "row": table.rows[keep],
            "x": fitted.embedding_[:, 0],
            "y": fitted.embedding_[:, 1],
            "perturbation": fitted.perturbation_score_,
            "singularity": fitted.singularity_score_,
            "warned": fitted.warnings_,
        }
    )
    drawn = perplexity_curve(x, curve, progress=progress) if curve else {}
    return Checked(scores, tuple(notes), _figure(scores, drawn), perplexity, fitted.length_, drawn)


def _read(path: Path, columns: Sequence[str] | None, embedding: object) -> tuple[Numbers, np.ndarray | None]:
    """The table, and the whole picture where one is given (a row for each of the file's)."""
    frame = read_frame(path)
    if embedding is None:
        return numbers(frame, columns, name=path.name), None
    if isinstance(embedding, str | Path):
        places, name = read_frame(embedding), Path(embedding).name
    else:
        pair = [str(c) for c in embedding]  # type: ignore[union-attr]
        frame = frame.set_axis([str(c) for c in frame.columns], axis=1)
        for column in pair:
            if column not in frame.columns:
                raise UserError(f"{path.name} has no column {column!r}: {nearest(column, frame.columns)}")
        places, name = frame[pair], path.name
        frame = frame.drop(columns=pair) if columns is None else frame
    if places.shape[1] != 2:
        raise UserError(f"a picture has two columns, {name} gives {places.shape[1]}")
    if len(places) != len(frame):
        raise UserError(f"a picture has a place for each row: {len(frame):,} rows, and {len(places):,} in {name}")
    if not all(pd.api.types.is_numeric_dtype(places[column].dtype) for column in places):
        raise UserError(f"the places of a picture are numbers, those in {name} are not")
    return numbers(frame, columns, name=path.name), places.to_numpy(dtype=np.float64, na_value=np.nan)


def _embedder(method: str, perplexity: float, seed: int, progress: Progress | None) -> object:
    match method:
        case "exact":
            return ExactTSNE(perplexity, progress=progress)
        case "scikit-learn":
            return TSNE(perplexity=perplexity, init="pca", random_state=seed)
    try:
        if method == "umap":
            from umap import UMAP

            return UMAP(n_neighbors=max(2, round(perplexity)), random_state=seed, n_jobs=1)
        from openTSNE.sklearn import TSNE as OpenTSNE

        return OpenTSNE(perplexity=perplexity, random_state=seed)  # type: ignore[arg-type] - it takes any number
    except ImportError:
        raise UserError(f"method {method} needs a package that is not here: pip install 'ontogeny[embed]'") from None


def _judged(fitted: MapReliability, method: str, given: bool) -> list[str]:
    """What to make of the scores, in sentences."""
    notes = []
    count = int(fitted.warnings_.sum())
    share = count / len(fitted.warnings_)
    notes.append(
        f"{count:,} of {len(fitted.warnings_):,} points ({share:.1%}) leap over three times as far as the median"
    )
    if not fitted.settled_:
        notes.append(
            f"the picture is not at a minimum of t-SNE's objective (largest |gradient| {fitted.gradient_:.1e}): it "
            "has no singularity score: draw it with method exact"
        )
    if method == "umap" and not given:
        notes.append("the picture is UMAP's, its points are moved by t-SNE's rule: read the scores as a comparison")
    if given:
        notes.append("a picture that was given is judged by t-SNE's rule at this perplexity, whatever drew it")
    loose = int(np.isnan(fitted.singularity_score_).sum())
    if fitted.settled_ and loose:
        notes.append(f"{loose} points sit on a saddle and have no singularity score")
    return notes


def _figure(scores: pd.DataFrame, curve: dict[float, float]) -> Figure:
    blank = Axis(ticks=())
    panels = []
    for name in ("perturbation", "singularity"):
        if scores[name].notna().to_numpy().any():
            scale = Axis(f"{name} score", log=bool((scores[name].dropna() > 0).all()))
            points = Points(scores.x, scores.y, values=scores[name], scale=scale, size=4.0)
            panels.append(Panel(f"{name.capitalize()} score", x=blank, y=blank, marks=[points], equal=True))
    calm, warned = scores[~scores.warned], scores[scores.warned]
    marks = [
        Points(calm.x, calm.y, name="others", colour="grey", size=3.0, opacity=0.5),
        Points(warned.x, warned.y, name="leap over three times as far as the median", colour="accent", size=6.0),
    ]
    panels.append(Panel("Points to distrust", x=blank, y=blank, marks=marks, equal=True))
    if curve:
        line = Line(list(curve), [10**v for v in curve.values()], colour="accent")
        points = Points(list(curve), [10**v for v in curve.values()], colour="accent")
        x, y = Axis("perplexity"), Axis("95 % quantile of the singularity score", log=True)
        panels.append(Panel("Choose a perplexity where it is flat", x=x, y=y, marks=[line, points]))
    return Figure(
        f"{int(scores.warned.sum()):,} of {len(scores):,} points would leap if their data moved a little",
        panels,
        caption="Perturbation: how far a point leaps in the picture when its data move a little. Singularity: how "
        "loosely it sits where it is drawn.",
        columns=2 if len(panels) in (2, 4) else 3,
    )


def save_check(checked: Checked, path: str | Path, out: str | Path | None = None) -> tuple[Path, Path]:
    """Writes the scores as CSV and the page as HTML, into the folder `out` (None: beside the file). Gives both paths.

    Raises: `UserError` when they cannot be written.
    """
    path = Path(path)
    folder = path.parent if out is None else Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        table = folder / f"{path.stem}-embed-check.csv"
        checked.scores.to_csv(table, index=False)
    except OSError as error:
        raise UserError(f"{folder} cannot be written to: {error.strerror}") from None
    return table, save_embedding_report(checked, path.name, folder / f"{path.stem}-embed-check.html")


@contextmanager
def shown(console: Console) -> Iterator[Progress]:
    """A bar with the time that is left, for every slow part of a check."""
    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    tasks: dict[str, TaskID] = {}

    def look(what: str, done: int, total: int) -> None:
        if what not in tasks or done == 1:
            if what in tasks:
                bars.remove_task(tasks[what])
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done)

    with bars:
        yield look
