"""Every code block of the README and the docs runs, in order, each page in a folder of its own.

A block that takes too long stands under a comment `<!-- not run: why -->`; the test below counts them. Python blocks
with a `title` are pieces of that file: together they must be the example in docs/examples.
"""

import importlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ontogeny.catalog import slugs
from ontogeny.locate import find

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"
PAGES = {p.relative_to(ROOT).as_posix(): p for p in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
RUN = {"python", "bash"}

# Blocks that do not run here, by page: how many, so that a new one has to be put into this table.
NOT_RUN = {"README.md": 2, "docs/tutorial.md": 3, "docs/scale.md": 4}


@dataclass(frozen=True)
class Block:
    kind: str
    title: str
    text: str
    reason: str  # why it is not run; empty when it is


def blocks(page: Path) -> list[Block]:
    pattern = r'(?:<!-- not run: ([^>]*?) -->\n)?^```(\w+)(?: title="([^"]*)")?\n(.*?)^```$'
    found = re.findall(pattern, page.read_text(), re.MULTILINE | re.DOTALL)
    return [Block(kind, title, text, reason) for reason, kind, title, text in found]


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """A folder with `ontogeny` on its path, and a way to run bash in it."""
    command = tmp_path / ".bin" / "ontogeny"
    command.parent.mkdir()
    start = "import sys; sys.argv[0] = 'ontogeny'; from ontogeny.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{start}" "$@"\n')
    command.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")

    def run(text: str) -> None:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], capture_output=True, text=True)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"

    return run


@pytest.mark.parametrize("name", PAGES)
def test_blocks_run(name, shell, tmp_path):
    for block in blocks(PAGES[name]):
        if block.title:
            with open(tmp_path / block.title, "a") as file:
                file.write(block.text)
        elif block.reason or block.kind not in RUN:
            continue
        elif block.kind == "bash":
            shell(block.text)
        else:
            code = compile(block.text, f"{name}: {block.text.splitlines()[0]}", "exec")
            exec(code, {"__name__": "page"})


@pytest.mark.parametrize("name", PAGES)
def test_blocks_that_do_not_run_are_counted(name):
    assert len([b for b in blocks(PAGES[name]) if b.reason]) == NOT_RUN.get(name, 0)


def test_the_tutorial_writes_the_example():
    """Its pieces are the file, but for blank lines between them."""
    pieces = "".join(b.text for b in blocks(PAGES["docs/tutorial.md"]) if b.title == "critical_batch.py")
    assert lines(pieces) == lines((EXAMPLES / "critical_batch.py").read_text())


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def test_the_readme_shows_the_tree_that_is_there(monkeypatch):
    """Mended by `make docs`, which writes it."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    tree = importlib.import_module("generate").tree()
    shown = [b.text.rstrip("\n") for b in blocks(PAGES["README.md"]) if b.text.startswith("src/ontogeny/")]
    assert shown == [tree]


def test_the_readme_shows_the_findings_as_they_are_registered(monkeypatch):
    """Mended by `make docs`, which writes them."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    generate = importlib.import_module("generate")
    readme = PAGES["README.md"].read_text()
    table = generate.findings([find(slug) for slug in slugs()])
    assert table.count("\n") > 2
    assert table in readme
