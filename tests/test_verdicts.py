"""Oracles: the schema of `docs/json.md`, frozen; files that come back as they went; files that are broken."""

import json
import math
import os
from pathlib import Path

import pytest

from ontogeny.claims import Bound
from ontogeny.errors import RunFailed, UserError
from ontogeny.verdicts import ControlReading, Verdict, is_stale, read_verdicts, verdicts_path, write_verdicts

CLAIM = [
    "id", "says", "verdict", "statistic", "low", "high", "direction", "threshold", "n", "control", "decides",
    "interval", "unit", "why",
]  # fmt: skip
FILE = ["study", "scale", "definition", "versions", "seeds", "when", "machine", "claims"]
CONTROL = ["says", "statistic", "direction", "threshold", "n", "held"]


def verdict(**fields):
    usual = dict(
        id="stages",
        says="one after the other – α > β",
        verdict="reproduced",
        statistic=6.17,
        low=5.93,
        high=6.41,
        bound=Bound("above", 3.0),
        n=8,
        control=ControlReading("together", 1.0, Bound("below", 1.2), 8, True),
        decides="interval",
        interval="t",
        unit="seeds",
        why="it lies there",
    )
    return Verdict(**usual | fields)


def keep(folder, *verdicts):
    return write_verdicts(
        folder,
        verdicts,
        study="linear-stages",
        scale="desk",
        definition="00ff",
        versions={"ontogeny": "0.1.0"},
        seeds=range(1000, 1008),
        when="2026-01-01T00:00:00+0000",
    )


def test_schema_is_frozen(tmp_path):
    kept = read_verdicts(keep(tmp_path, verdict()))
    assert list(kept) == FILE
    assert list(kept["claims"][0]) == CLAIM
    assert list(kept["claims"][0]["control"]) == CONTROL


def test_schema_is_documented():
    page = (Path(__file__).parents[1] / "docs" / "json.md").read_text()
    for key in CLAIM + FILE + CONTROL:
        assert f"`{key}`" in page


def test_values_in_full():
    assert verdict().as_json() == {
        "id": "stages",
        "says": "one after the other – α > β",
        "verdict": "reproduced",
        "statistic": 6.17,
        "low": 5.93,
        "high": 6.41,
        "direction": "above",
        "threshold": 3.0,
        "n": 8,
        "control": {
            "says": "together", "statistic": 1.0, "direction": "below", "threshold": 1.2, "n": 8, "held": True
        },
        "decides": "interval",
        "interval": "t",
        "unit": "seeds",
        "why": "it lies there",
    }  # fmt: skip


def test_what_does_not_exist_is_null():
    control = ControlReading("together", math.nan, Bound("below", 1.2), 0, None)
    found = verdict(statistic=math.nan, low=math.nan, high=math.inf, control=control).as_json()
    assert (found["statistic"], found["low"], found["high"]) == (None, None, None)
    assert (found["control"]["statistic"], found["control"]["held"]) == (None, None)
    assert verdict(control=None).as_json()["control"] is None
    assert verdict(bound=Bound("between", (0.5, 1.5))).as_json()["threshold"] == [0.5, 1.5]


def test_a_file_comes_back_as_it_went(tmp_path):
    verdicts = [verdict(), verdict(id="other", low=math.nan, bound=Bound("between", (0.1, 0.3)))]
    path = keep(tmp_path, *verdicts)
    assert path == verdicts_path(tmp_path, "linear-stages", "desk") == tmp_path / "desk" / "linear-stages.json"
    kept = read_verdicts(path)
    assert kept["claims"] == [v.as_json() for v in verdicts]
    assert kept["seeds"] == list(range(1000, 1008))
    assert (kept["study"], kept["versions"], kept["machine"]) == ("linear-stages", {"ontogeny": "0.1.0"}, None)
    assert os.listdir(path.parent) == ["linear-stages.json"]
    assert "α" in path.read_text(encoding="utf-8")


def test_stale_when_the_definition_is_another(tmp_path):
    kept = read_verdicts(keep(tmp_path, verdict()))
    assert not is_stale(kept, "00ff")
    assert is_stale(kept, "00fe")


def test_a_write_that_breaks_leaves_the_old_file(tmp_path, monkeypatch):
    path = keep(tmp_path, verdict())
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFailed, match="no space left for"):
        keep(tmp_path, verdict(id="new"))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["linear-stages.json"]


def test_a_place_that_is_no_folder(tmp_path):
    (tmp_path / "desk").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        keep(tmp_path, verdict())


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is corrupt"),
        (b'{"study": "x"', "is corrupt"),
        (b"\xff\xfe", "is corrupt"),
        (b"[1]", "not an object"),
        (b'{"study": "x"}', "no 'scale'"),
        (None, "there is no .*: write it with `ontogeny verify`"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, content, match):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=match) as caught:
        read_verdicts(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_claim_that_lacks_something(tmp_path):
    path = keep(tmp_path, verdict())
    kept = json.loads(path.read_text())
    del kept["claims"][0]["n"]
    path.write_text(json.dumps(kept))
    with pytest.raises(UserError, match="a claim without 'n'"):
        read_verdicts(path)
    path.write_text(json.dumps(kept | {"claims": [3]}))
    with pytest.raises(UserError, match="'claims' is not a list of objects"):
        read_verdicts(path)
