"""A laboratory for the science of how neural networks learn."""

from importlib import import_module
from typing import Any

from ontogeny.mkl import keep_to_members

keep_to_members()

__version__ = "0.1.0"

_HOME = {
    "Claim": "claims",
    "Control": "claims",
    "Gate": "claims",
    "factor": "parts",
    "seeds": "factors",
    "vary": "factors",
    "zipped": "factors",
    "Paper": "study",
    "Study": "study",
    "Training": "training.experiment",
    "Trial": "trial",
    "at": "training.steps",
    "every": "training.steps",
    "log_spaced": "training.steps",
    "load": "store",
}

__all__ = list(_HOME)  # pyright: ignore[reportUnsupportedDunderAll] - they are loaded when first used


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used, so that `ontogeny --help` does not wait for torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'ontogeny' has no attribute {name!r}")
    return getattr(import_module(f"ontogeny.{_HOME[name]}"), name)
