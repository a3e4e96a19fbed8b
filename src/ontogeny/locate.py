"""Finding a study: one that comes with the package, or one in a file of the user's own."""

import importlib.util
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ontogeny.catalog import HOME, file_of, first_sentence, slugs
from ontogeny.errors import UserError, nearest
from ontogeny.study import Study

_TEXTS: dict[str, str] = {}  # of the users' own studies that are loaded, by the name of their module
_LOADED: dict[str, float] = {}  # when the files of studies were, by the name of the module


@dataclass(frozen=True)
class Found:
    """A study and where it was found."""

    slug: str
    source: str  # what to give to find it again: the slug, or a file
    file: Path
    study: Study
    docstring: str

    @property
    def finding(self) -> str:
        """The finding in a sentence."""
        return first_sentence(self.docstring)


def find(name: str) -> Found:
    """The study of that slug, or in that file.

    Raises: `UserError` for an unknown slug (with the nearest), a file that is not there, one that fails (with the
    line), or one without a `study`.
    """
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise UserError(f"there is no file {name}")
        slug, source = path.stem.replace("_", "-"), str(path.resolve())
    elif name in (known := slugs()):
        path, slug, source = file_of(name), name, name
    else:
        raise UserError(f"no study {name!r}: {nearest(name, known)}; or give a file that ends in .py")
    module = _load(path)
    study = getattr(module, "study", None)
    if not isinstance(study, Study):
        raise UserError(f"{source} defines no study: end it with study = Study(...)")
    return Found(slug, source, path, study, module.__doc__ or slug)


def _load(path: Path) -> ModuleType:
    inside = path.parent == HOME
    name = f"ontogeny.studies.{path.stem}" if inside else f"ontogeny_user_study_{path.stem}"
    if inside and name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if not inside:
        _TEXTS[name] = path.read_text(encoding="utf-8", errors="replace")
    _LOADED[name] = time.time()
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: {error.msg}") from error
    except Exception as error:
        sys.modules.pop(name, None)
        raise UserError(f"{path}, line {line_in(path, error)}: {error}") from error
    return module


def own_studies() -> dict[str, str]:
    """The users' own studies that are loaded here: the text of each, by the name of its module."""
    return dict(_TEXTS)


def adopt(studies: Mapping[str, str]) -> None:
    """Loads users' own studies of another process, which has the files, so that what it sends can be understood.

    Texts run as they are: only those of the user's own command come here, by way of the cluster that it chose.
    """
    for name, text in studies.items():
        if _TEXTS.get(name) != text:
            sys.modules[name] = module = ModuleType(name)
            exec(compile(text, f"{name}.py", "exec"), module.__dict__)
            _TEXTS[name] = text


def loaded(module: ModuleType, otherwise: float) -> float:
    """When a study's file was loaded, in seconds since 1970; `otherwise` for any other module."""
    return _LOADED.get(module.__name__, otherwise)


def line_in(path: Path, error: BaseException) -> int | None:
    """The last line of a file that an error passed through."""
    own = path.resolve()
    frames = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == own]
    return frames[-1] if frames else None
