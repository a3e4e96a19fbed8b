"""Sources: what the user wrote of a function or class and of what it uses, as text that changes when the code does."""

import ast
import functools
import inspect
import sys
import sysconfig
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Code = types.FunctionType | type
INSTALLED = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]


def is_code(value: Any) -> bool:
    """Whether a value is a function, a class, a class's method, or `functools.partial` of one of them."""
    if isinstance(value, functools.partial):
        return is_code(value.func)
    if isinstance(value, types.MethodType):
        return isinstance(value.__self__, type)
    return isinstance(value, Code)


def collect_sources(code: Code, plain: tuple[type, ...]) -> tuple[dict[str, str], dict[str, Any]]:
    """Syntax trees by name, and constants by name: of `code`, and of all that it refers to, however far.

    Followed are functions and classes of the same module, and of other modules that the user wrote. A constant is a
    value of a `plain` type, a global of the module or one that a closure holds.
    """
    sources: dict[str, str] = {}
    constants: dict[str, Any] = {}
    todo = [code]
    while todo:
        here = todo.pop()
        place = "" if here.__module__ == code.__module__ else f"{here.__module__}."
        name = f"{place}{here.__qualname__}"
        if name in sources:
            continue
        sources[name] = _syntax(here)
        for used_name, used in _references(here):
            if isinstance(used, Code):
                if used.__module__ == code.__module__ or _is_users(used.__module__):
                    todo.append(used)
            elif isinstance(used, plain):
                constants[f"{place}{used_name}"] = used
    return sources, constants


def _references(code: Code) -> Iterator[tuple[str, Any]]:
    """What a function or class refers to, by name."""
    if isinstance(code, type):
        yield from ((base.__qualname__, base) for base in code.__mro__[1:])
        for name, value in vars(code).items():
            if not name.startswith("__") and not callable(value):
                yield f"{code.__qualname__}.{name}", value
        for function in _functions(code):
            yield from _references(function)
            yield from ((f"{function.__qualname__}.default{i}", v) for i, v in enumerate(function.__defaults__ or ()))
            yield from ((f"{function.__qualname__}.{k}", v) for k, v in (function.__kwdefaults__ or {}).items())
        return
    names = _names(code.__code__)
    for name in names:
        used = code.__globals__.get(name)
        if isinstance(used, types.ModuleType) and _is_users(used.__name__):
            yield from ((f"{used.__name__}.{n}", vars(used)[n]) for n in names if n in vars(used))
        else:
            yield name, used
    for name, cell in zip(code.__code__.co_freevars, code.__closure__ or (), strict=True):
        try:
            yield f"{code.__qualname__}.{name}", cell.cell_contents
        except ValueError:  # not yet filled
            continue


def _functions(kind: type) -> Iterator[types.FunctionType]:
    """The functions in a class's body, bare or wrapped."""
    for value in vars(kind).values():
        for function in (value, *(getattr(value, name, None) for name in ("__func__", "fget", "fset", "__wrapped__"))):
            if isinstance(function, types.FunctionType):
                yield function


def _names(code: types.CodeType) -> set[str]:
    return set(code.co_names).union(*map(_names, _inner(code)))


def _inner(code: types.CodeType) -> list[types.CodeType]:
    return [c for c in code.co_consts if isinstance(c, types.CodeType)]


def _is_users(module: str) -> bool:
    """Whether the user wrote a module: it has a file, and belongs to no installed package."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or module.split(".")[0] == "ontogeny":
        return False
    return not any(home in Path(file).resolve().parents for home in INSTALLED)


@functools.cache  # every member of a study is described, and the source of a module stays as it was loaded
def _syntax(code: Code) -> str:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (SyntaxError, OSError, TypeError):  # a lambda's source is a piece of an expression, or there is no file
        functions = [code] if isinstance(code, types.FunctionType) else _functions(code)
        return " ".join(_bytes(function.__code__) for function in functions)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def _bytes(code: types.CodeType) -> str:
    """A function as it was compiled, with the names and constants that the bytes only count."""
    told = [c for c in code.co_consts if not isinstance(c, types.CodeType)]
    return " ".join([code.co_code.hex(), f"{told!r}", f"{code.co_names!r}", *map(_bytes, _inner(code))])
