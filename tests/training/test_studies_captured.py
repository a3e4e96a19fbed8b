"""Every kind of training among the studies can be recorded: its updates, and the drawing of its data."""

import pytest
import torch
from tape import again, as_on_a_gpu

from ontogeny.catalog import slugs
from ontogeny.locate import find
from ontogeny.training.experiment import Training

CPU = torch.device("cpu")


def kinds(slug: str) -> dict[str, tuple[Training, list]]:
    """A training of every kind of task, model, objective and optimizer in a study, with the rows of two members."""
    found = {}
    for experiment in find(slug).study.experiments("smoke").values():
        if isinstance(experiment, Training):
            rows = experiment.factors.rows()
            for members in experiment.populations(rows):
                own = experiment.member(rows[members[0]])
                parts = (own.task, own.model, own.objective, own.optimizer)
                key = " ".join(type(part).__name__ for part in parts)
                found.setdefault(f"{key} {own.examples is None}", (experiment, [rows[i] for i in members[:2]]))
    return found


@pytest.mark.parametrize("slug", slugs())
def test_recorded_updates_do_what_updates_launched_one_by_one_do(slug, monkeypatch):
    as_on_a_gpu(monkeypatch)
    for kind, (training, rows) in kinds(slug).items():
        ours, theirs = training.open(rows, CPU), training.open(rows, CPU)
        ours.capture(again)
        assert not ours.said, kind
        for _ in range(3):
            ours.update()
            theirs.update()
        assert torch.equal(ours.population.flat, theirs.population.flat), kind
