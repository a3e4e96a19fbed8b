"""Sources: the code that a value's numbers rest on, file by file, and in a study's file statement by statement."""

import ast
import functools
import hashlib
import os
import sys
import time
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ontogeny.addresses.imports import PACKAGE, Unaddressable, is_installed, needs, parents, spec_of, version_of
from ontogeny.addresses.statements import Statement, statements_of
from ontogeny.locate import loaded
from ontogeny.study import Study

BY_NAME = {"__import__", "import_module", "exec_module"}  # ways to code that no import names


class Sources:
    """Code, collected from the values that use it. Looks at every file once: make a new one for every run.

    A module counts with all that it imports, in turn: those of this package and of the user's own by their syntax trees
    without docstrings, installed ones by their version. Of a study's file only those statements count that the values
    reach by name, and those that act when the file is loaded.
    """

    def __init__(self) -> None:
        self._modules: dict[str, _Module] = {}
        self._digests: dict[frozenset[tuple[str, str]], str] = {}

    def digest(self, things: Iterable[type | types.FunctionType]) -> str:
        """What changes with any code that these classes and functions could run.

        Raises: `Unaddressable` for code that no file holds, that was changed after it was loaded, or that loads other
        code by name.
        """
        roots = frozenset(root for thing in things for root in self._root(thing))
        if roots not in self._digests:
            text = "\n".join(f"{name} {digest}" for name, digest in sorted(self.files(roots).items()))
            self._digests[roots] = hashlib.sha256(text.encode()).hexdigest()
        return self._digests[roots]

    def files(self, roots: Iterable[tuple[str, str]]) -> dict[str, str]:
        """A digest, or a version, for every module that is reached from names of modules."""
        found: dict[str, str] = {}
        pieces: dict[str, set[str]] = {}
        todo = {PACKAGE}
        for module, name in roots:
            if _is_study(module):
                pieces.setdefault(module, set()).add(name)
                todo |= set(parents(module))
            else:
                todo.add(module)
        for module, names in pieces.items():
            found[f"{module}:"], rest = self._module(module).piece(names)
            todo |= rest
        while todo:
            name = todo.pop()
            if name in found or name.partition(".")[0] in sys.stdlib_module_names:
                continue
            module = self._module(name)
            found[name] = module.digest
            todo |= module.needs - found.keys()
        return found

    def _module(self, name: str) -> "_Module":
        if name not in self._modules:
            self._modules[name] = _module(name)
        return self._modules[name]

    def _root(self, thing: type | types.FunctionType) -> Iterator[tuple[str, str]]:
        """Where a class or function is defined: its module, and the name of the top-level statement that made it."""
        name, qualified = thing.__module__, thing.__qualname__
        if name == "builtins" or name.partition(".")[0] in sys.stdlib_module_names:
            return
        module = sys.modules.get(name)
        if module is None:
            raise Unaddressable(f"{qualified} is in no module that is loaded")
        outer = qualified.partition(".")[0]
        if isinstance(thing, types.FunctionType) and ("<locals>" in qualified or outer == "<lambda>"):
            if thing.__globals__ is not vars(module):
                raise Unaddressable(f"{qualified} is not in the {name} that is loaded")
            line = thing.__code__.co_firstlineno
            names = self._module(name).names_at(line) if outer == "<lambda>" and _is_study(name) else {outer}
            yield from ((name, one) for one in names)
            return
        found: object = module
        for part in qualified.split("."):
            found = getattr(found, part, None)
        if found is not thing:
            raise Unaddressable(f"{qualified} is not what the file of {name} calls so")
        yield name, outer


@dataclass(frozen=True)
class _Module:
    """One module: what it is, and the modules that it needs."""

    name: str
    digest: str
    needs: frozenset[str]
    statements: "tuple[Statement, ...]" = ()

    def piece(self, names: set[str]) -> tuple[str, set[str]]:
        """Digest of the statements that names rest on, and the modules that those need."""
        binders: dict[str, list[Statement]] = {}
        for statement in self.statements:
            for name in statement.binds:
                binders.setdefault(name, []).append(statement)
        for name in names:
            if name not in binders:
                raise Unaddressable(f"{name} is bound by no statement of {self.name}")
        reached = {s for s in self.statements if s.acts or "*" in s.binds}
        todo = {s for name in names for s in binders[name]} | reached
        reached = set()
        while todo:
            statement = todo.pop()
            reached.add(statement)
            todo |= {s for name in statement.uses for s in binders.get(name, ())} - reached
        text = "\n".join(s.tree for s in self.statements if s in reached)
        return hashlib.sha256(text.encode()).hexdigest(), {need for s in reached for need in s.needs}

    def names_at(self, line: int) -> set[str]:
        """Names that the statements on a line bind."""
        names = {name for s in self.statements if s.first <= line <= s.last for name in s.binds}
        if not names:
            raise Unaddressable(f"line {line} of {self.name} binds no name")
        return names


def _module(name: str) -> _Module:
    """What a module is, and what it needs.

    Raises: `Unaddressable` as `Sources.digest`.
    """
    spec = spec_of(name)
    if spec is None:
        return _Module(name, "absent", frozenset())
    place = Path(spec.origin) if spec.has_location and spec.origin else None
    if place is None:  # built in, or a folder of modules without a file of its own
        return _Module(name, "no file", frozenset(parents(name)))
    if is_installed(name, spec):
        return _Module(name, version_of(name.partition(".")[0]), frozenset())
    text = _read(name, place)
    if place.suffix != ".py":
        return _Module(name, hashlib.sha256(text).hexdigest(), frozenset(parents(name)))
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    return _parsed(name, str(place), text, package, _is_study(name))


@functools.lru_cache(maxsize=2_000)
def _parsed(name: str, place: str, text: bytes, package: str, is_study: bool) -> _Module:
    try:
        tree = ast.parse(text)
        code = compile(text, place, "exec", dont_inherit=True, optimize=2)  # without docstrings
    except (SyntaxError, ValueError) as error:
        raise Unaddressable(f"{place} is not Python ({error})") from None
    if name.partition(".")[0] != PACKAGE and (way := next(filter(_loads_by_name, ast.walk(tree)), None)):
        raise Unaddressable(f"{place} loads code by name ({ast.unparse(way)})")
    rest = frozenset({*parents(name), *needs(tree, package)} - {name})
    statements = statements_of(tree, package) if is_study else ()
    return _Module(name, hashlib.sha256(repr(bytecode(code)).encode()).hexdigest(), rest, statements)


def _read(name: str, place: Path) -> bytes:
    """A file, as it was loaded."""
    module = sys.modules.get(name)
    try:
        text, changed = place.read_bytes(), place.stat().st_ctime
    except OSError as error:
        raise Unaddressable(f"{place} cannot be read ({error.strerror})") from None
    if module is not None and changed > loaded(module, _begun()):
        raise Unaddressable(f"{place} was changed while this process ran")
    return text


def _is_study(name: str) -> bool:
    return isinstance(getattr(sys.modules.get(name), "study", None), Study)


@functools.cache
def _begun() -> float:
    """When this process began, at the latest: nothing was loaded before."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        lines = Path("/proc/stat").read_text().splitlines()
        booted = next(int(line.split()[1]) for line in lines if line.startswith("btime"))
        return min(_IMPORTED, booted + ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, StopIteration):
        return _IMPORTED


_IMPORTED = time.time()


def bytecode(code: types.CodeType) -> list[object]:
    """What a code object does, without where it stands: equal ones do the same."""
    constants = [bytecode(c) if isinstance(c, types.CodeType) else _constant(c) for c in code.co_consts]
    shape = [code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount]
    names = [code.co_name, *code.co_names, 0, *code.co_varnames, 0, *code.co_freevars, 0, *code.co_cellvars]
    return [code.co_code.hex(), code.co_exceptiontable.hex(), shape, constants, names]


def _constant(value: object) -> object:
    match value:
        case tuple():
            return ["tuple", *map(_constant, value)]
        case frozenset():  # has no order, and another one in another process
            return ["frozenset", *sorted(repr(_constant(v)) for v in value)]
    return [type(value).__name__, repr(value)]


def _loads_by_name(node: ast.AST) -> bool:
    match node:
        case ast.Name(id=name):
            return name in BY_NAME | {"eval", "exec", "globals"}
        case ast.Attribute(attr=name):  # not eval, which models have too
            return name in BY_NAME
    return False
