"""What holds for every study that is there: its smoke run, its report, and a member alone as in company."""

import random

import pytest

from ontogeny.catalog import findings, slugs
from ontogeny.locate import find
from ontogeny.prepared import prepare
from ontogeny.prove import prove
from ontogeny.review import judge_run, write_report
from ontogeny.run import run
from ontogeny.store import read_about


class Quiet:
    def say(self, text):
        pass

    def begin(self, experiment, cohorts):
        pass

    def look(self, index, cohort):
        pass

    def end(self, experiment, diverged):
        pass


@pytest.mark.parametrize("slug", slugs())
def test_smoke(slug, tmp_path):
    prepared = prepare(find(slug), "smoke", {}, None, "cpu")
    run(prepared, tmp_path / "run", Quiet())
    verdicts = judge_run(prepared, tmp_path / "run")
    assert [v.id for v in verdicts] == [claim.id for claim in prepared.found.study.claims]
    assert {v.verdict for v in verdicts} <= {"inconclusive"}, "smoke is too small to judge by"
    write_report(prepared, tmp_path / "run", verdicts)
    page = (tmp_path / "run" / "report.html").read_text()
    assert prepared.found.study.paper.arxiv in page
    first = 0
    for name, plan in read_about(tmp_path / "run")["experiments"].items():
        member = random.Random(name).randrange(len(plan["rows"]))
        proof = list(prove(tmp_path / "run", first + member))[-1]
        assert proof.experiment == name
        assert proof.holds, f"{name}, {proof.row}: {proof.where}"
        first += len(plan["rows"])


def test_every_study_says_what_was_found_in_a_sentence():
    for slug, finding in findings():
        assert 40 < len(finding) < 220, slug
        assert finding.endswith("."), slug


@pytest.mark.parametrize("slug", slugs())
def test_a_study_is_complete(slug):
    study = find(slug).study
    assert set(study.scales) == {"smoke", "desk", "gpu"}
    assert study.claims
    assert study.figures
    assert study.differs
    assert any(claim.control for claim in study.claims), "a study needs a control that can fail"
