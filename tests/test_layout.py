"""What the package looks like: imports point one way, public things are documented, documented names exist."""

import ast
import builtins
import functools
import importlib
import inspect
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOME = ROOT / "src" / "ontogeny"
FILES = sorted(HOME.rglob("*.py"))
EXTRAS = {"openTSNE", "umap", "transformers", "ray"}

# Left of an arrow may import what stands right of it, and what that may import.
LAYERS = {
    "studies": {"training", "measures", "interventions", "models", "tasks", "report", "trial", "study"},
    "training": {"measures", "models", "tasks", "experiment"},
    "measures": {"interventions", "models", "tasks", "labelled"},
    "interventions": {"models", "tasks", "labelled"},
    "models": {"tasks", "parts", "streams"},
    "tasks": {"parts", "streams"},
}
WITHOUT_TRAINING = ["claims", "judging", "intervals", "verdicts", "store", "report", "study", "experiment", "trial"]


def dotted(path: Path) -> str:
    parts = path.relative_to(HOME.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part(path: Path) -> str:
    """The top-level package or module that a file belongs to."""
    return path.relative_to(HOME).with_suffix("").parts[0]


def is_typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports(tree: ast.AST, *, inside: bool = False):
    """Every import of a tree: its module, and whether it stands in a function. Those for types only do not count."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((name.name, inside) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name their module in full"
            whole = node.module == "ontogeny"
            yield from ((f"ontogeny.{name.name}" if whole else node.module, inside) for name in node.names)
        elif not is_typing_only(node):
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(node, inside=inside or function)


@functools.cache
def graph() -> dict[str, set[str]]:
    """Which top-level part needs which others when it is loaded."""
    arrows: dict[str, set[str]] = {}
    for path in FILES:
        here = arrows.setdefault(part(path), set())
        for module, inside in imports(ast.parse(path.read_text())):
            names = module.split(".")
            if not inside and names[0] == "ontogeny" and len(names) > 1 and not names[1].startswith("_"):
                here.add(names[1])
        here.discard(part(path))
    return arrows


def reachable(arrows: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = {start}
    while todo:
        todo |= arrows.get(name := todo.pop(), set()) - seen
        seen.add(name)
    return seen - {start}


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Parts that import each other in turn, or none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_part_imports_itself_on_a_detour():
    assert circle(graph()) == []


def test_the_layers_point_one_way():
    arrows = graph()
    allowed = {name: reachable(LAYERS, name) for name in LAYERS}
    wrong = [
        f"{upper} -> {lower}"
        for upper in LAYERS
        for lower in sorted(arrows.get(upper, set()) & LAYERS.keys())
        if lower not in allowed[upper]
    ]
    assert not wrong


@pytest.mark.parametrize("name", WITHOUT_TRAINING)
def test_what_judges_and_keeps_knows_nothing_of_training(name):
    assert not reachable(graph(), name) & {"training", "studies", "tasks", "models", "measures"}


def test_a_plant_would_be_seen():
    """The graph holds arrows that are surely there, and a circle would be reported."""
    assert {"streams", "parts"} <= reachable(graph(), "training")
    assert {"errors", "training"} <= set(circle(graph() | {"errors": {"training"}}))


def test_imports_stand_on_top_but_for_extras_and_the_compiler():
    hidden = [
        f"{path.relative_to(HOME)}: {module}"
        for path in FILES
        if path.name != "cli.py"
        for module, inside in imports(ast.parse(path.read_text()))
        if inside and module.split(".")[0] not in EXTRAS and not module.startswith("torch._inductor")
    ]
    assert not hidden


def members_of(module):
    """Public classes and functions of a module, and the public methods of its classes, with their names."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(thing) or inspect.isfunction(thing):
            yield name, thing
        if inspect.isclass(thing):
            for attribute, value in vars(thing).items():
                if not attribute.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                    yield f"{name}.{attribute}", getattr(thing, attribute)


@pytest.mark.parametrize("path", FILES, ids=dotted)
def test_every_public_thing_has_a_docstring(path):
    module = importlib.import_module(dotted(path))
    bare = [name for name, thing in members_of(module) if not inspect.getdoc(thing)]
    if path.read_text().strip():
        assert module.__doc__, "the file says what it holds"
    assert not bare


def identifiers() -> set[str]:
    """Every name that the source uses, and every word of its texts (names of variables, sites and commands)."""
    names = {*dir(builtins), "null", "nan", "inf"}
    for path in FILES:
        names |= {path.stem, *path.relative_to(HOME).parts}
        names |= set(re.findall(r"\w+", re.sub(r'"""[\s\S]*?"""', "", path.read_text())))
    return names


KNOWN = identifiers()


@pytest.mark.parametrize("path", FILES, ids=dotted)
def test_documented_names_exist(path):
    """What a docstring sets as code, `name` or `name.other`, occurs in the source."""
    tree = ast.parse(path.read_text())
    documented = [n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)]
    missing = {
        name
        for node in documented
        for name in re.findall(r"`([A-Za-z][\w.]*)`", ast.get_docstring(node) or "")
        if not set(name.split(".")) <= KNOWN and not resolves(name)
    }
    assert not missing


def resolves(name: str) -> bool:
    """Whether a dotted name can be imported: `torch.optim.SGD`."""
    module, _, rest = name.partition(".")
    try:
        thing = importlib.import_module(module)
        for attribute in filter(None, rest.split(".")):
            thing = getattr(thing, attribute)
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize(
    "page", sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]), ids=str
)
def test_what_the_pages_name_is_there(page):
    """Dotted names of the package, and files under src, tests and docs."""
    text = page.read_text()
    names = set(re.findall(r"\bontogeny(?:\.\w+)+", text)) - {"ontogeny.readthedocs.io"}
    files = {f for f in re.findall(r"\b(?:src|tests|docs|benchmarks)/[\w./-]+\.\w+", text)}
    assert not [name for name in names if not resolves_module(name)]
    assert not [f for f in files if not (ROOT / f).exists()]


def resolves_module(name: str) -> bool:
    """Whether a dotted name of the package leads to a module, or to something in one."""
    names = name.split(".")
    for cut in range(len(names), 0, -1):
        try:
            thing = importlib.import_module(".".join(names[:cut]))
            break
        except ImportError:
            continue
    for attribute in names[cut:]:
        thing = getattr(thing, attribute, None)
    return thing is not None
