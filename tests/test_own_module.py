"""A study file from outside the package, with a module of its own: run, interrupted, resumed, proved."""

from pathlib import Path

import pytest
import xarray as xr

import ontogeny.advance
from ontogeny.locate import find
from ontogeny.prepared import Prepared, prepare
from ontogeny.prove import prove
from ontogeny.run import run
from ontogeny.store import load

STUDY = str(Path(__file__).parent / "own_module_study.py")


class Watcher:
    """Interrupts at the `at`-th look."""

    def __init__(self, at: int | None = None) -> None:
        self.left = at

    def say(self, text):
        pass

    def begin(self, experiment, cohorts):
        assert sum(map(len, cohorts)) == 8

    def look(self, index, cohort):
        if self.left is not None:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    def end(self, experiment, diverged):
        assert not diverged


def prepared(**levels) -> Prepared:
    return prepare(find(STUDY), "smoke", levels, None, "cpu", mode="eager")


def test_it_runs_resumes_and_proves(tmp_path, monkeypatch):
    run(prepared(), tmp_path / "whole", Watcher())
    monkeypatch.setattr(ontogeny.advance, "COMMIT_SECONDS", 0.0)
    monkeypatch.setattr(ontogeny.advance, "COMMIT_SHARE", 1e9)
    with pytest.raises(KeyboardInterrupt):
        run(prepared(), tmp_path / "parts", Watcher(at=17))
    assert len(list((tmp_path / "parts").rglob("segment-*"))) > 10
    monkeypatch.undo()
    run(prepared(), tmp_path / "parts", Watcher())
    whole, parts = load(tmp_path / "whole"), load(tmp_path / "parts")
    xr.testing.assert_identical(whole, parts)
    assert float(whole.train_loss.sel(member=whole.lr > 0).isel(update=-1).mean()) < 0.72
    *_, proof = prove(tmp_path / "whole", 5)
    assert proof.holds
    assert proof.compared > 40
