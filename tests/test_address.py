"""Addresses: whatever could change a number changes them, and what cannot does not."""

import ast
import copy
import functools
import json
import random
import subprocess
import sys
import textwrap
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ontogeny import Trial, every, factor, seeds, vary
from ontogeny.addresses import sources
from ontogeny.addresses.address import Addresses, canonical
from ontogeny.addresses.imports import Unaddressable
from ontogeny.catalog import HOME, slugs
from ontogeny.experiment import Experiment
from ontogeny.factors import EMPTY
from ontogeny.labelled import Labelled
from ontogeny.locate import find
from ontogeny.parts import Part
from ontogeny.tasks.token_file import TokenFile
from ontogeny.training.steps import At

STUDY = str(Path(__file__).parent / "small_study.py")
CPU = torch.device("cpu")


def address(experiment, row, mode="eager") -> str:
    return Addresses(CPU).of(experiment, row, mode)


def experiments(study):
    return find(study).study.experiments("smoke")


def leaves(value, path=()):
    """Paths to everything in a value that is no container."""
    if isinstance(value, Part) or (is_dataclass(value) and not isinstance(value, type)):
        inner = {f.name: getattr(value, f.name) for f in fields(value)}
    elif isinstance(value, tuple | list):
        inner = dict(enumerate(value))
    elif isinstance(value, dict):
        inner = value
    elif isinstance(value, functools.partial):
        inner = value.keywords
    else:
        yield path, value
        return
    for key, part in inner.items():
        yield from leaves(part, (*path, key))


def changed(value, path, new):
    """A copy of a value with something else at a path, whether or not it could work."""
    if not path:
        return new
    key, *rest = path
    if isinstance(value, tuple):
        return tuple(changed(v, rest, new) if i == key else v for i, v in enumerate(value))
    if isinstance(value, dict):
        return {**value, key: changed(value[key], rest, new)}
    if isinstance(value, functools.partial):
        return functools.partial(value.func, **{**value.keywords, key: changed(value.keywords[key], rest, new)})
    other = copy.copy(value)
    object.__setattr__(other, key, changed(getattr(value, key), rest, new))
    return other


def others(leaf):
    """Values that are almost the same."""
    match leaf:
        case bool():
            return [not leaf, int(leaf)]
        case int():
            return [leaf + 1, -leaf - 1, float(leaf)]
        case float():
            return [float(np.nextafter(leaf, np.inf)), -leaf, np.float32(leaf)]
        case str():
            return [leaf + " ", leaf.upper() + "x", None]
        case None:
            return [0, "", False]
    return [None, 1]


class Fixed(Experiment):
    """An experiment whose member is given: to ask for the address of what `check` would refuse."""

    given: Any

    def member(self, row):
        return self.given


@pytest.mark.parametrize("study", [*slugs(), STUDY])
def test_every_field_of_every_part_is_in_the_address(study):
    for experiment in experiments(study).values():
        row = experiment.factors.rows()[0]
        member = experiment.member(row)
        one = functools.partial(Addresses(CPU).of, mode="eager")
        before = one(Fixed(factors=EMPTY, given=member), row)
        assert before == one(experiment, row)
        seen = {before}
        for path, leaf in leaves(member):
            for new in others(leaf):
                try:
                    after = one(Fixed(factors=EMPTY, given=changed(member, path, new)), row)
                except Unaddressable:
                    continue  # not cached at all
                assert after not in seen, (path, leaf, new)
                seen.add(after)
        assert len(seen) > 20 or len(list(leaves(member))) < 20


def test_the_row_the_mode_and_the_seed_are_in_the_address():
    experiment = experiments(STUDY)["drawn"]
    row = {"lr": 0.0, "seed": 1000}
    rows = [
        row,
        {"lr": 1.0, "seed": 1000},
        {"lr": 0.0, "seed": 1001},
        {"lr": 0, "seed": 1000},
        {"lr": -0.0, "seed": 1000},
    ]
    found = [address(experiment, r) for r in rows] + [address(experiment, row, "compiled")]
    assert len(set(found)) == len(found)
    assert address(experiment, row) == address(experiment, {"seed": 1000, "lr": 0.0})


def test_versions_and_surroundings_are_in_the_address(monkeypatch):
    experiment, row = experiments(STUDY)["main"], {"lr": 0.0, "seed": 1000}
    found = [address(experiment, row)]
    for name in ("torch", "numpy", "scipy", "python"):
        with monkeypatch.context() as patch:
            patch.setattr("ontogeny.addresses.address.versions", lambda name=name: {name: "0.1"})
            found.append(address(experiment, row))
    for name, new in (("MKL_CBWR", "COMPATIBLE"), ("ATEN_CPU_CAPABILITY", "default")):
        with monkeypatch.context() as patch:
            patch.setenv(name, new)
            found.append(address(experiment, row))
    with monkeypatch.context() as patch:
        patch.setattr("ontogeny.addresses.address.hardware", lambda device: {"processor": "another"})
        found.append(address(experiment, row))
    torch.set_default_dtype(torch.float64)
    try:
        found.append(address(experiment, row))
    finally:
        torch.set_default_dtype(torch.float32)
    assert len(set(found)) == len(found) == 9
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "elsewhere")
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    assert address(experiment, row) == found[0]


def test_the_compiler_is_in_the_address_of_what_it_compiled(monkeypatch):
    experiment, row = experiments(STUDY)["main"], {"lr": 0.0, "seed": 1000}
    before = [address(experiment, row, mode) for mode in ("eager", "compiled")]
    monkeypatch.setattr("ontogeny.addresses.address._compiler", lambda: ["g++ 1.0"])
    after = [address(experiment, row, mode) for mode in ("eager", "compiled")]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False]


def test_what_cannot_change_a_number_does_not_change_the_address():
    """Other members, the number of seeds, the order of the rows, the scale."""
    study = find(STUDY).study
    experiment, row = study.scales["smoke"]["main"], {"lr": 0.01, "seed": 1000}
    same = [
        experiment.replace(factors=vary(lr=(0.01,)) * seeds(1)),
        experiment.replace(factors=seeds(9, first=1000) * vary(lr=(7.0, 0.01))),
        study.scales["desk"]["main"].replace(steps=20),
    ]
    assert {address(e, row) for e in same} == {address(experiment, row)}
    # A factor written into its field is another experiment in print, and the same one for its members.
    assert address(experiment.replace(optimizer=experiment.optimizer.replace(lr=0.01)), row) == address(experiment, row)


# Code: every file of the package


def with_edited(monkeypatch, edits):
    """Makes the files of some modules read otherwise than they are."""
    real = sources._read
    monkeypatch.setattr(sources, "_read", lambda name, place: edits.get(name, lambda text: text)(real(name, place)))


def parts_of(experiment):
    used = []
    canonical([experiment.member(experiment.factors.rows()[0])], used.append)
    return used


@pytest.fixture(scope="module")
def another_process() -> dict[str, Any]:
    """What a fresh process says: which modules are loaded by importing those of the parts, and addresses."""
    modules = {
        study: sorted({name for e in experiments(study).values() for name, _ in roots_of(e) if "studies" not in name})
        for study in ("faithful-cot", "loo-map")
    }
    code = f"""
import importlib, json, sys
loaded = {{}}
for study, names in {modules}.items():
    for name in [n for n in sys.modules if n.partition(".")[0] == "ontogeny"]:
        del sys.modules[name]
    for name in names:
        importlib.import_module(name)
    loaded[study] = [n for n in sys.modules if n.partition(".")[0] == "ontogeny"]
import torch
from ontogeny.addresses.address import Addresses
from ontogeny.locate import find
one = Addresses(torch.device("cpu"))
main = find({STUDY!r}).study.experiments("smoke").values()
addresses = [one.of(e, row, "eager") for e in main for row in e.factors.rows()]
print(json.dumps(dict(loaded=loaded, addresses=addresses)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def roots_of(experiment):
    one = sources.Sources()
    return {root for thing in parts_of(experiment) for root in one._root(thing)}


@pytest.mark.parametrize("study", ["loo-map", "faithful-cot"])
def test_everything_that_is_loaded_for_the_parts_is_in_the_address(study, another_process):
    one = sources.Sources()
    found = {name for e in experiments(study).values() for name in one.files(roots_of(e))}
    loaded = set(another_process["loaded"][study])
    assert len(loaded) > 5
    assert loaded <= found
    assert not {name for name in found if name.startswith(("ontogeny.report", "ontogeny.claims", "ontogeny.run"))}


def test_an_edit_of_any_file_that_is_used_changes_the_address_and_of_no_other(monkeypatch, seed):
    experiment = experiments("faithful-cot")["main"]
    row = experiment.factors.rows()[0]
    before = address(experiment, row)
    used = set(sources.Sources().files(roots_of(experiment)))
    home = HOME.parent
    names = [".".join(p.relative_to(home.parent).with_suffix("").parts) for p in home.rglob("*.py")]
    names = [name.removesuffix(".__init__") for name in names]
    must = {"ontogeny", "ontogeny.streams", "ontogeny.labelled", "ontogeny.experiment", "ontogeny.parts"}
    must |= {"ontogeny.training.cohort", "ontogeny.models.stacked", "ontogeny.models.population"}
    assert must <= used
    for name in {*must, *random.Random(seed).sample(sorted(names), 12)}:
        with monkeypatch.context() as patch:
            with_edited(patch, {name: lambda text: text + b"\nADDED = 1\n"})
            assert (address(experiment, row) != before) == (name in used), name
        with monkeypatch.context() as patch:
            with_edited(patch, {name: lambda text: b"# a comment\n" + text + b"\n# another\n"})
            assert address(experiment, row) == before, name


def test_a_constant_deep_in_the_engine_is_seen(monkeypatch):
    experiment, row = experiments(STUDY)["main"], {"lr": 0.0, "seed": 1000}
    before = address(experiment, row)
    edits = {
        "ontogeny.streams": (b"range(10)", b"range(11)"),
        "ontogeny.training.cohort": (b"AHEAD = 16", b"AHEAD = 17"),
        "ontogeny.training.optimizers": (b"+ 1e-6)", b"+ 1e-7)"),
    }
    for name, (old, new) in edits.items():
        with monkeypatch.context() as patch:
            with_edited(patch, {name: lambda text, old=old, new=new: text.replace(old, new)})
            assert address(experiment, row) != before, name


# Code: the statements of a study's file

HEAD = """
    '''A study.'''
    import math
    import numpy as np
    import torch
    from ontogeny import Claim, Paper, Study, Trial, seeds, vary
    from ontogeny.labelled import Labelled
"""
TAIL = """
    trial = Trial(factors=vary(x=(1,)) * seeds(2), function=draw)
    study = Study(paper=Paper("A", "B", 2020), scales=dict(smoke=trial), claims=[Claim("c", "s", stat, above=1)])
"""
BODY = """
    SCALE = 2
    TABLE = {"a": 1}
    OTHER = 3

    def helper(x):
        return x * SCALE + TABLE["a"]

    class Shape:
        def area(self, x):
            return helper(x)

    def draw(streams, x):
        value = Shape().area(x) + (lambda y: math.cos(y))(x)
        return {"y": Labelled(torch.tensor([float(value)]), ("member",))}

    def stat(ds):
        return ds.y + OTHER
"""


def study_at(folder: Path, body: str, name="one.py"):
    path = folder / name
    path.write_text(textwrap.dedent(HEAD) + textwrap.dedent(body) + textwrap.dedent(TAIL))
    return find(str(path)).study


def number(study):
    from ontogeny.streams import Streams

    return float(study.scales["smoke"].function(Streams((1,)), x=1)["y"].values)


def of(study):
    return address(study.scales["smoke"], {"x": 1, "seed": 1})


@pytest.mark.parametrize(
    ("old", "new", "matters"),
    [
        ("SCALE = 2", "SCALE = 3", True),
        ("SCALE = 2", "SCALE = 2  # a comment", False),
        ('{"a": 1}', '{"a": 2}', True),
        ("OTHER = 3", "OTHER = 4", False),
        ("OTHER = 3", "OTHER = 3\nTABLE['a'] = 9", True),  # acts on what is used
        ("OTHER = 3", "OTHER = 3\nTABLE.update(a=9)", True),
        ("OTHER = 3", "OTHER = 3\nSCALE += 1", True),
        ("OTHER = 3", "OTHER = 3\nfor k in TABLE: TABLE[k] = 9", True),
        ("OTHER = 3", "def set_up():\n    TABLE['a'] = 9\nset_up()", True),
        ("OTHER = 3", "def up():\n    TABLE.update(a=9)\n    return 1\nOTHER = up()", True),
        ("OTHER = 3", "OTHER = max(3, 4)", False),
        ("return ds.y + OTHER", "return ds.y - OTHER", False),
        ("x * SCALE", "x + SCALE", True),
        ("math.cos", "math.sin", True),
        ("import math\n", "import cmath as math\n", True),
        ("return helper(x)", "'''What it is.'''\n        return helper(x)", False),
        ("class Shape:", "class Shape(dict):", True),
        ('"s", stat, above=1', '"other", stat, above=2', False),
        ('Paper("A"', 'Paper("Another"', False),
        ("seeds(2)", "seeds(5)", False),
        ("A study.", "A study, described otherwise.", False),
        ("def draw", "@torch.no_grad()\ndef draw", True),
    ],
)
def test_edits_of_a_study_file(tmp_path, old, new, matters):
    text = textwrap.dedent(HEAD) + textwrap.dedent(BODY) + textwrap.dedent(TAIL)
    assert old in text
    (tmp_path / "one.py").write_text(text)
    before = of(find(str(tmp_path / "one.py")).study)
    (tmp_path / "one.py").write_text(text.replace(old, new))
    after = find(str(tmp_path / "one.py")).study
    assert (of(after) != before) == matters


def a_program(pick: random.Random) -> list[str]:
    """Random statements that `draw` may rest on: constants, functions, classes, closures, tables that are filled."""
    known: list[str] = ["float"]
    lines = []
    for i in range(14):
        use, constant = pick.choice(known), pick.randint(1, 99)
        kind = pick.choice(["constant", "function", "class", "closure", "table", "default", "alias", "filled"])
        name = f"n{i}"
        call = f"{use}(x)"
        lines.append(
            {
                "constant": f"c{i} = {constant}\ndef {name}(x): return {call} + c{i}",
                "function": f"def {name}(x):\n    return {call} * {constant}",
                "class": f"class K{i}:\n    by = {constant}\n    def go(self, x): return {call} + self.by\n"
                f"def {name}(x): return K{i}().go(x)",
                "closure": f"def make{i}(k):\n    def inner(x): return {call} + k\n    return inner\n"
                f"{name} = make{i}({constant})",
                "table": f"t{i} = dict(a={constant})\n{name} = lambda x: {call} + t{i}['a']",
                "default": f"def {name}(x, k={constant}): return {call} - k",
                "alias": f"{name} = {use}\nunused{i} = {constant}",
                "filled": f"t{i} = []\nt{i}.append({constant})\ndef {name}(x): return {call} + t{i}[0]",
            }[kind]
        )
        known.append(name)
    result = f'{{"y": Labelled(torch.tensor([{known[-1]}(x) % 1e6], dtype=torch.float64), ("member",))}}'
    lines.append(f"def draw(streams, x):\n    return {result}\ndef stat(ds): return ds.y")
    return lines


def test_what_changes_a_number_changes_the_address(tmp_path, seed):
    """Oracle: random programs are run before and after one constant in them is changed."""
    pick = random.Random(seed)
    differing = same = 0
    for trial in range(12):
        lines = a_program(pick)
        before = study_at(tmp_path, "\n".join(lines), f"p{trial}.py")
        was, is_ = number(before), of(before)
        for _ in range(4):
            edited = list(lines)
            place = pick.randrange(len(lines) - 1)
            digits = [word for word in edited[place].replace("(", " ").replace(")", " ").split() if word.isdigit()]
            if not digits:
                continue
            edited[place] = edited[place].replace(digits[-1], str(int(digits[-1]) + 100))
            after = study_at(tmp_path, "\n".join(edited), f"p{trial}.py")
            if number(after) != was:
                differing += 1
                assert of(after) != is_
            same += of(after) == is_
    assert differing >= 5
    assert same >= 3, "an address that always changes would be right, too, and of no use"


def test_functions_that_are_made_or_have_no_name_count_with_what_they_were_made_with(tmp_path):
    body = """
        def make(k, j=0):
            def made(streams, x, d=k):
                return k + j
            return made
        draw, other = make(1), make(2)
        third = make(1, j=2)
        sine, cosine = (lambda streams, x: math.sin(x)), (lambda streams, x: math.cos(x))
        both = [lambda streams, x: x + 1, lambda streams, x: x + 2]
        class Maker:
            @classmethod
            def one(cls, streams, x): return 1
            @classmethod
            def two(cls, streams, x): return 2
        both += [Maker.one, Maker.two]
        def stat(ds): return ds.y
    """
    study = study_at(tmp_path, body)
    made = study.scales["smoke"].function.__globals__
    functions = [made[name] for name in ("draw", "other", "third", "sine", "cosine")] + made["both"]
    found = [address(study.scales["smoke"].replace(function=f), {"x": 1, "seed": 1}) for f in functions]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("class Call:\n    def __call__(self, streams, x): return 1\ndraw = Call()", "whose content cannot be told"),
        ("draw = eval('lambda streams, x: 1')", "loads code by name"),
        ("import importlib\nlater = importlib.import_module('json')\ndef draw(streams, x): return later", "by name"),
        ("box = []\ndef make():\n    def made(streams, x): return box_, made\n    box_ = [made]\n    return made\n"
         "draw = make()", "holds itself"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_has_no_address(tmp_path, body, why):
    study = study_at(tmp_path, body + "\ndef stat(ds): return ds.y")
    with pytest.raises(Unaddressable, match=why):
        of(study)


def test_a_name_that_means_another_function_by_now_has_no_address(tmp_path):
    body = "def draw(streams, x): return 1\nfirst = draw\ndef draw(streams, x): return 2\ndef stat(ds): return ds.y"
    study = study_at(tmp_path, body)
    first = study.scales["smoke"].function.__globals__["first"]
    with pytest.raises(Unaddressable, match="draw is not what the file of .* calls so"):
        address(study.scales["smoke"].replace(function=first), {"x": 1, "seed": 1})


@pytest.mark.parametrize("folder", ["tasks", "models", "measures", "training", "interventions"])
def test_no_part_of_ours_loads_code_by_name(folder):
    """That rule is for the users' own code; ours is looked through here."""
    files = list((HOME.parent / folder).glob("*.py"))
    assert len(files) > 1
    for path in files:
        assert not [n for n in ast.walk(ast.parse(path.read_text())) if sources._loads_by_name(n)], path


def test_a_file_that_was_edited_after_it_was_loaded_has_no_address(tmp_path):
    study = study_at(tmp_path, BODY)
    of(study)
    (tmp_path / "one.py").write_text((tmp_path / "one.py").read_text().replace("SCALE = 2", "SCALE = 3"))
    with pytest.raises(Unaddressable, match=r"one.py was changed while this process ran"):
        of(study)


@pytest.mark.parametrize("how", ["from ontogeny import every", "import ontogeny\nevery = ontogeny.every"])
def test_public_names_lead_to_the_modules_that_they_come_from(tmp_path, monkeypatch, how):
    study = study_at(tmp_path, f"{how}\ndef draw(streams, x): return every(3)\ndef stat(ds): return ds.y")
    before = of(study)
    with_edited(monkeypatch, {"ontogeny.training.steps": lambda text: text + b"\nADDED = 1\n"})
    assert of(study) != before


def test_modules_of_the_users_own_count_whole(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    body = "from lib_of_mine.inner import value\ndef draw(streams, x): return value()\ndef stat(ds): return ds.y"
    (tmp_path / "lib_of_mine").mkdir()
    (tmp_path / "lib_of_mine" / "__init__.py").write_text("")
    (tmp_path / "lib_of_mine" / "constant.py").write_text("ONE = 1\n")

    def fresh(text):
        (tmp_path / "lib_of_mine" / "inner.py").write_text(text)
        for name in [n for n in sys.modules if n.startswith("lib_of_mine")]:
            del sys.modules[name]
        study = study_at(tmp_path, body)
        monkeypatch.setattr(sources, "loaded", lambda module, otherwise: np.inf)  # they were loaded just now
        return of(study)

    first = fresh("from .constant import ONE\ndef value(): return ONE\n")
    assert fresh("from .constant import ONE\ndef value(): return ONE  # as before\n") == first
    assert fresh("from .constant import ONE\ndef value(): return ONE + 1\n") != first
    (tmp_path / "lib_of_mine" / "constant.py").write_text("ONE = 2\n")
    assert fresh("from .constant import ONE\ndef value(): return ONE\n") != first


def test_the_source_of_another_study_does_not_matter(tmp_path):
    one = study_at(tmp_path, BODY)
    before = of(one)
    two = study_at(tmp_path, BODY.replace("SCALE = 2", "SCALE = 5"), "two.py")
    assert of(two) != before
    assert of(one) == before


def test_a_file_counts_with_its_content(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("to be or not to be " * 9)
    before = canonical(str(path), print)
    assert canonical(path, print) != before  # a path is not a text
    path.write_text("to be or not to me " * 9)
    assert canonical(str(path), print) != before
    with pytest.raises(Unaddressable, match="the name of a folder"):
        canonical(str(tmp_path), print)
    task = TokenFile(path=path, length=4)
    assert json.dumps(canonical(task, lambda thing: None))


@dataclass
class Plain:
    x: int


@dataclass
class Alike:
    x: int


def test_values_that_look_alike_are_told_apart():
    nothing = lambda thing: None  # noqa: E731
    values = [
        1, 1.0, True, "1", None, "None", (1,), [1], {1: 1}, {"1": 1}, frozenset({1}), b"1", 1j,
        np.float32(1), np.float64(1), np.int64(1), np.ones(1), np.ones(1, "f4"), np.ones((1, 1)), np.array(["1"]),
        torch.ones(1), torch.ones(1, 1), torch.ones(1, dtype=torch.float64), torch.float32, torch.device("cpu"),
        torch.zeros(2000), torch.zeros(2000).index_fill(0, torch.tensor(1000), 1e-9), Plain(1), Alike(1), int, float,
        -0.0, 0.0, float("nan"), {"a": 1, "b": 2}, {"b": 2, "a": 1}, every(1), At(steps=(1,)), factor("x"),
    ]  # fmt: skip
    seen = [json.dumps(canonical(value, nothing)) for value in values]
    assert len(set(seen)) == len(seen)
    # Sets have no order, and differ between processes.
    assert canonical({"a", "b", "c"}, nothing) == canonical({"c", "b", "a"}, nothing)
    with pytest.raises(Unaddressable, match="content cannot be told"):
        canonical(object(), nothing)


def test_the_address_is_the_same_in_another_process(another_process):
    here = [address(e, row) for e in experiments(STUDY).values() for row in e.factors.rows()]
    assert another_process["addresses"] == here
    assert len(set(here)) == 10


def draw(streams, x):
    return {"y": Labelled(torch.ones(1), ("member",))}


def test_a_function_of_any_module_has_an_address():
    assert address(Trial(factors=vary(x=(1,)) * seeds(1), function=draw), {"x": 1, "seed": 1})
