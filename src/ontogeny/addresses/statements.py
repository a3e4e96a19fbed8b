"""Statements: the pieces of a file, what each binds and uses, and whether loading it could do more than that."""

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass

from ontogeny.addresses.imports import PACKAGE, is_users_own, needs

HARMLESS = {"collections", "dataclasses", "enum", "fractions", "functools", "itertools", "math", "operator", "typing"}
ACTING = {"__import__", "breakpoint", "compile", "delattr", "eval", "exec", "globals", "input", "open", "print"}
ACTING |= {"setattr", "vars"}
SETTINGS = {"backends", "environ", "manual_seed", "putenv", "seterr"}  # beside torch.set_... and torch.use_...


@dataclass(frozen=True)
class Statement:
    """One statement of a file."""

    first: int
    last: int
    tree: str
    binds: frozenset[str]
    uses: frozenset[str]
    needs: frozenset[str]
    acts: bool  # may do more than bind its names, when the file is loaded


def statements_of(tree: ast.Module, package: str) -> tuple[Statement, ...]:
    """The statements of a file that belongs to a package. Its docstrings are taken out."""
    _strip(tree)
    binders: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        for name in _binds(node) or ():
            binders.setdefault(name, []).append(node)
    return tuple(
        Statement(
            first=min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]),
            last=node.end_lineno or node.lineno,
            tree=ast.dump(node),
            binds=frozenset(_binds(node) or {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}),
            uses=frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name)),
            needs=frozenset(needs(node, package)),
            acts=_acts(node, binders),
        )
        for node in tree.body
    )


def _strip(tree: ast.AST) -> None:
    """Takes the docstrings out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                    node.body = rest or ([] if isinstance(node, ast.Module) else [ast.Pass()])


def _binds(node: ast.stmt) -> set[str] | None:
    """The names that a statement binds; None when it is not of the kind that does no more than that."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Import():
            return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        case ast.ImportFrom():
            return {alias.asname or alias.name for alias in node.names}
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            flat = [t for target in targets for t in (target.elts if isinstance(target, ast.Tuple) else [target])]
            return (
                {t.id for t in flat if isinstance(t, ast.Name)} if all(isinstance(t, ast.Name) for t in flat) else None
            )
    return None


def _acts(node: ast.stmt, binders: dict[str, list[ast.stmt]]) -> bool:
    """Whether loading a file could do more by this statement than bind its names."""
    match node:
        case ast.Import():
            return any(is_users_own(alias.name) for alias in node.names)
        case ast.ImportFrom():
            return node.level > 0 or node.module == "__future__" or is_users_own(node.module or "")
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=[]) | ast.Pass() | ast.Expr(value=ast.Constant()):
            return False
    if _binds(node) is None or any(map(_sets, ast.walk(node))):
        return True
    match node:
        case ast.Assign(targets=[ast.Name(id="study")], value=ast.Call(func=ast.Name(id="Study"))):
            if all(isinstance(b, ast.ImportFrom) for b in binders.get("Study", ())):
                return False  # what it holds is in the experiments, or in claims and figures
    return any(_call_acts(n, binders, set()) for n in _executed(node))


def _sets(node: ast.AST) -> bool:
    """Whether a node names something that changes how others compute, or a global variable."""
    match node:
        case ast.Name(id=name):
            return name in SETTINGS or name.startswith("set_")
        case ast.Attribute(attr=name):
            return name in SETTINGS or name.startswith(("set_", "use_"))
    return isinstance(node, ast.Global)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement that are executed when it is: all but the bodies of functions."""
    yield node
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            inner: list[ast.AST] = [*node.decorator_list, node.args]
        case ast.Lambda():
            inner = [node.args]
        case _:
            inner = list(ast.iter_child_nodes(node))
    for child in inner:
        yield from _executed(child)


def _call_acts(node: ast.AST, binders: dict[str, list[ast.stmt]], seen: set[str]) -> bool:
    """Whether a node is a call that could do more than give a value."""
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    while isinstance(called, ast.Attribute):
        called = called.value
    if not isinstance(called, ast.Name):
        return True
    name, is_method = called.id, isinstance(node.func, ast.Attribute)
    if name not in binders:
        return is_method or name in ACTING or not hasattr(builtins, name)
    if name in seen:
        return False
    seen.add(name)
    return any(_callee_acts(binder, is_method, binders, seen) for binder in binders[name])


def _callee_acts(binder: ast.stmt, is_method: bool, binders: dict[str, list[ast.stmt]], seen: set[str]) -> bool:
    match binder:
        case ast.ImportFrom(level=0):
            return (binder.module or "").partition(".")[0] not in HARMLESS | {PACKAGE}
        case ast.Import():
            return any(alias.name.partition(".")[0] not in HARMLESS | {PACKAGE} for alias in binder.names)
        case ast.FunctionDef() | ast.ClassDef() if not is_method:
            return any(_call_acts(inner, binders, seen) for inner in ast.walk(binder))
    return True
