"""What a user may hand in: each thing that cannot work is one clear line, and what can comes out scored."""

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from ontogeny.embed_check import embed_check, save_check
from ontogeny.errors import UserError
from ontogeny.tables import numbers, read_frame


@pytest.fixture(scope="module")
def digits():
    return load_digits().data[:90]


def write(folder, frame, kind="csv"):
    path = folder / f"table.{kind}"
    {"csv": lambda: frame.to_csv(path, index=False), "parquet": lambda: frame.to_parquet(path)}[kind]()
    return path


@pytest.mark.parametrize("kind", ["npy", "csv", "tsv", "parquet"])
def test_every_kind_of_table_is_read_alike(tmp_path, kind, digits):
    frame = pd.DataFrame(digits, columns=[f"p{i}" for i in range(64)])
    path = tmp_path / f"t.{kind}"
    if kind == "npy":
        np.save(path, digits)
    elif kind == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
    found = numbers(read_frame(path))
    changing = digits[:, (digits != digits[0]).any(0)]
    np.testing.assert_array_equal(found.values, changing)
    assert "never change" in found.notes[0]


def test_digits_are_scored_and_written(tmp_path, digits):
    path = tmp_path / "digits.npy"
    np.save(path, digits)
    seen = []
    checked = embed_check(path, perplexity=10, progress=lambda *step: seen.append(step))
    assert list(checked.scores) == ["row", "x", "y", "perturbation", "singularity", "warned"]
    assert len(checked.scores) == 90
    assert checked.scores.perturbation.notna().all()
    assert (checked.scores.singularity.dropna() > 0).all()
    assert {what for what, _, _ in seen} == {"drawing the map", "settling it at its minimum", "placing moved points"}
    assert all(0 < done <= total for _, done, total in seen)
    table, page = save_check(checked, path, tmp_path / "out")
    pd.testing.assert_frame_equal(pd.read_csv(table), checked.scores, check_exact=False)
    words = page.read_text()
    assert "<svg" in words
    assert "http" not in words.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    ).replace("https://matplotlib.org", "")
    assert "of 90 points" in words


def test_a_picture_given_in_the_table_or_in_a_file(tmp_path, digits):
    places = np.random.default_rng(0).normal(size=(90, 2))
    frame = pd.DataFrame(digits).assign(u=places[:, 0], v=places[:, 1])
    frame.columns = frame.columns.astype(str)
    inside = embed_check(write(tmp_path, frame), perplexity=10, embedding=("u", "v"))
    np.save(tmp_path / "x.npy", digits)
    np.save(tmp_path / "y.npy", places)
    beside = embed_check(tmp_path / "x.npy", perplexity=10, embedding=tmp_path / "y.npy")
    pd.testing.assert_frame_equal(inside.scores, beside.scores)
    np.testing.assert_allclose(inside.scores[["x", "y"]], places)
    assert any("not at a minimum" in note for note in inside.notes)


def test_rows_with_gaps_and_many_rows_are_left_out_and_said_so(tmp_path, digits):
    frame = pd.DataFrame(digits, columns=[f"p{i}" for i in range(64)])
    frame.loc[3, "p5"] = np.nan
    frame.loc[7, "p6"] = np.inf
    checked = embed_check(write(tmp_path, frame), perplexity=5, rows=40)
    assert len(checked.scores) == 40
    assert not checked.scores.row.isin([3, 7]).any()
    assert any("2 of 90 rows have a gap" in note for note in checked.notes)
    assert any("40 of 88 rows were drawn at random (seed 0)" in note for note in checked.notes)


def bad_tables(folder):
    good = np.random.default_rng(0).normal(size=(30, 4))
    frame = pd.DataFrame(good, columns=list("abcd"))
    np.save(folder / "good.npy", good)
    np.save(folder / "flat.npy", np.ones((30, 3)))
    np.save(folder / "cube.npy", np.ones((3, 3, 3)))
    np.save(folder / "gaps.npy", np.full((30, 3), np.nan))
    np.save(folder / "objects.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    np.save(folder / "pair.npy", good[:20, :2])
    np.save(folder / "holes.npy", np.full((30, 2), np.nan))
    frame.assign(name="x", day="y").to_csv(folder / "words.csv", index=False)
    (folder / "empty.csv").write_text("")
    (folder / "table.xlsx").write_text("x")
    (folder / "broken.parquet").write_text("no")
    frame.to_csv(folder / "good.csv", index=False)


@pytest.mark.parametrize(
    ("file", "options", "line"),
    [
        ("absent.npy", {}, "there is no file"),
        ("table.xlsx", {}, "not a table that can be read"),
        ("empty.csv", {}, "empty.csv cannot be read"),
        ("broken.parquet", {}, "broken.parquet cannot be read"),
        ("objects.npy", {}, "objects.npy cannot be read: Object arrays cannot be loaded"),
        ("cube.npy", {}, r"shape \(3, 3, 3\)"),
        ("gaps.npy", {}, "no row without gaps"),
        ("flat.npy", {}, "same numbers in every row"),
        ("words.csv", {}, "not numeric: 'name', 'day'"),
        ("good.csv", dict(columns=["a", "bb"]), "no column 'bb'"),
        ("good.npy", {}, "perplexity 30 needs more than 31 rows"),
        ("good.npy", dict(perplexity=1.0), "more than 1"),
        ("good.npy", dict(perplexity=5, method="tsne3"), "no method 'tsne3'"),
        ("good.npy", dict(perplexity=5, rows=10_000), "from 1 to 5,000 rows"),
        ("good.npy", dict(perplexity=5, embedding="pair.npy"), "30 rows, and 20 in pair.npy"),
        ("good.npy", dict(perplexity=5, embedding="good.npy"), "two columns, good.npy gives 4"),
        ("good.npy", dict(perplexity=5, embedding="holes.npy"), "gaps or infinite places"),
        ("good.csv", dict(perplexity=5, embedding=("a", "z")), "no column 'z'"),
        ("words.csv", dict(perplexity=5, embedding=("a", "name")), "places of a picture are numbers"),
    ],
)
def test_what_cannot_work_is_one_line(tmp_path, monkeypatch, file, options, line):
    bad_tables(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=line) as caught:
        embed_check(file, **options)
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_written_to(tmp_path, digits):
    np.save(tmp_path / "d.npy", digits[:30])
    checked = embed_check(tmp_path / "d.npy", perplexity=5)
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="cannot be written to"):
        save_check(checked, tmp_path / "d.npy", tmp_path / "taken")


@pytest.mark.parametrize(("method", "package"), [("umap", "umap"), ("opentsne", "openTSNE.sklearn")])
def test_a_method_whose_package_is_absent_says_how_to_get_it(tmp_path, monkeypatch, method, package):
    np.save(tmp_path / "d.npy", np.random.default_rng(0).normal(size=(30, 4)))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"pip install 'ontogeny\[embed\]'"):
        embed_check(tmp_path / "d.npy", perplexity=5, method=method)
