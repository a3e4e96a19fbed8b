"""Imports: which modules a piece of code needs, and what they are."""

import ast
import functools
import importlib.util
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path

import ontogeny
from ontogeny.errors import UserError

PACKAGE = "ontogeny"


class Unaddressable(UserError):
    """Something whose code or content cannot be told for sure: what rests on it is not cached."""


def needs(tree: ast.AST, package: str) -> set[str]:
    """The modules that the imports of a tree name, wherever they stand. Those for types only do not count."""
    found: set[str] = set()
    todo = [tree]
    while todo:
        node = todo.pop()
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                todo += node.orelse
                continue
            case ast.Import():
                for alias in node.names:
                    found |= {alias.name, *parents(alias.name)}
                    if alias.name == PACKAGE:  # its public names are loaded when they are first used
                        found |= {f"{PACKAGE}.{home}" for home in ontogeny._HOME.values()}
            case ast.ImportFrom():
                base = _absolute(node, package)
                found |= {base, *parents(base)}
                for alias in node.names:
                    if base == PACKAGE and alias.name in ontogeny._HOME:
                        found.add(f"{PACKAGE}.{ontogeny._HOME[alias.name]}")
                    elif _is_package(base) and spec_of(f"{base}.{alias.name}") is not None:
                        found.add(f"{base}.{alias.name}")
        todo += (child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr))
    return found


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    return importlib.util.resolve_name("." * node.level + (node.module or ""), package)


def _is_package(name: str) -> bool:
    """Whether a module of this package, or of the user's own, holds others. Installed ones count as a whole."""
    spec = spec_of(name)
    return spec is not None and spec.submodule_search_locations is not None and not is_installed(name, spec)


def is_installed(name: str, spec: ModuleSpec) -> bool:
    """Whether a module is one that a version names: not of this package, and not a file of the user's own."""
    root = name.partition(".")[0]
    if root in sys.stdlib_module_names:
        return True
    places = [spec.origin or "", *(spec.submodule_search_locations or ())]
    return root != PACKAGE and any({"site-packages", "dist-packages"} & set(Path(place).parts) for place in places)


def is_users_own(name: str) -> bool:
    """Whether a module is there, but neither of this package nor installed."""
    root = name.partition(".")[0]
    spec = None if root == PACKAGE else spec_of(root)
    return spec is not None and not is_installed(root, spec)


def parents(name: str) -> Iterator[str]:
    """The packages that a module stands in, which are loaded with it."""
    parts = name.split(".")
    return (".".join(parts[:i]) for i in range(1, len(parts)))


def spec_of(name: str) -> ModuleSpec | None:
    """Where a module comes from; None when there is none of that name.

    Raises: `Unaddressable` for one that is loaded from nowhere.
    """
    module = sys.modules.get(name)
    if module is not None:
        if module.__spec__ is None:
            raise Unaddressable(f"the module {name} comes from no file that an import would find")
        return module.__spec__
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


@functools.cache
def version_of(root: str) -> str:
    """The version of what is installed as `root`.

    Raises: `Unaddressable` when it has none.
    """
    try:
        return metadata.version(root)
    except metadata.PackageNotFoundError:
        names = sorted(set(_distributions().get(root, ())))
        if not names:
            raise Unaddressable(f"the version of the package {root} is not known") from None
        return " ".join(f"{name} {metadata.version(name)}" for name in names)


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())
