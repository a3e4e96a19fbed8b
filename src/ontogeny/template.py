"""The study file that `ontogeny new` writes: it runs as it is, and every line of it is there to be changed."""

import re
from pathlib import Path

from ontogeny.catalog import slugs
from ontogeny.errors import UserError
from ontogeny.files import write_text

TEMPLATE = '''\
"""One sentence that says what was found: `ontogeny list` prints it.

What was found, what you expect to see, and how to vary it, in plain words.
"""

import xarray as xr

from ontogeny import Claim, Control, Paper, Study, Training, factor, log_spaced, seeds, vary
from ontogeny.models.mlp import MLP
from ontogeny.report.curves import Curves
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import SGD


def final_loss(ds: xr.Dataset) -> xr.DataArray:
    """Training loss over the last tenth of the updates, a number a seed."""
    return ds.train_loss.isel(update=slice(-ds.sizes["update"] // 10, None)).mean("update")


def experiment(steps: int = 1_000, count: int = 5) -> Training:
    """What is trained, on what, and what varies."""
    return Training(
        factors=vary(lr=(0.0, 0.05)) * seeds(count),
        task=LinearTeacher(strengths=(2.0, 1.0), inputs=8, outputs=8),
        model=MLP(layers=2, width=16, activation="identity", bias=False),
        objective=SquaredError(),
        optimizer=SGD(lr=factor("lr")),
        batch=64,
        steps=steps,
        at=log_spaced(20),
    )


study = Study(
    paper=Paper("Title of the paper", "Its authors", 2025, arxiv="0000.00000"),
    scales=dict(smoke=experiment(steps=20, count=2), desk=experiment(), gpu=experiment(steps=10_000, count=64)),
    claims=[
        Claim(
            "learns",
            "with a learning rate of 0.05 the task is learned",
            final_loss,
            where=dict(lr=0.05),
            below=0.1,
            control=Control("without learning it is not", where=dict(lr=0.0), above=0.5),
        ),
    ],
    figures=[Curves("train_loss", x="update", colour="lr")],
    differs=["What departs from the paper, line by line."],
)
'''


def write_template(slug: str, folder: Path) -> Path:
    """Writes `folder/slug.py`, underscores for hyphens.

    Raises: `UserError` for a name that is no slug, one that a study of the package has, or a file that is there.
    """
    slug = slug.removesuffix(".py").replace("_", "-")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", slug):
        raise UserError(f"{slug!r} cannot name a study: use small letters, digits and hyphens, like ghost-points")
    if slug in slugs():
        raise UserError(f"the package has a study {slug!r} already: choose another name")
    path = folder / f"{slug.replace('-', '_')}.py"
    if path.exists():
        raise UserError(f"{path} is there already: choose another name, or delete it")
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    write_text(path, TEMPLATE)
    return path
