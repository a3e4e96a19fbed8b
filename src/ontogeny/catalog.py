"""The studies that come with the package, by name, with their findings: read without running any of them."""

import ast
from collections.abc import Iterator
from pathlib import Path

HOME = Path(__file__).parent / "studies"


def slugs() -> list[str]:
    """Names of the studies that come with the package."""
    return sorted(path.stem.replace("_", "-") for path in HOME.glob("[a-z]*.py"))


def findings() -> Iterator[tuple[str, str]]:
    """Every slug with its finding, read from the files without running them."""
    for slug in slugs():
        tree = ast.parse(file_of(slug).read_text())
        yield slug, first_sentence(ast.get_docstring(tree) or "")


def first_sentence(docstring: str) -> str:
    """The first paragraph of a docstring up to its first full stop, in one line."""
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    sentence, stop, _ = paragraph.partition(". ")
    return sentence + "." if stop else paragraph


def file_of(slug: str) -> Path:
    """Where a study that comes with the package is defined."""
    return HOME / f"{slug.replace('-', '_')}.py"
