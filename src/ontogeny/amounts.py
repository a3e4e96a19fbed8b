"""Amounts as people write them: 5GB of bytes, 30d of time."""

import re

from ontogeny.errors import UserError

BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def parse_bytes(text: str) -> int:
    """`5GB` as a number of bytes; units are powers of 1,000, and a number alone is bytes.

    Raises: `UserError` for anything else.
    """
    return round(_parse(text, {**BYTES, "": 1}, "a size: write it like 500MB or 5GB"))


def parse_seconds(text: str) -> float:
    """`30d` as seconds: s, min, h, d or w.

    Raises: `UserError` for anything else.
    """
    return _parse(text, SECONDS, "a time: write it like 12h or 30d")


def show_bytes(count: int) -> str:
    """1,234,567 bytes as `1.2 MB`."""
    unit = next((unit for unit in reversed(BYTES) if count >= BYTES[unit]), "B")
    return f"{count / BYTES[unit]:.3g} {unit}" if unit != "B" else f"{count} B"


def show_seconds(seconds: float) -> str:
    """100,000 seconds as `1 d`: the largest whole unit, below a minute in seconds."""
    unit = next((unit for unit in reversed(SECONDS) if seconds >= SECONDS[unit]), "s")
    return f"{max(seconds, 0.0) // SECONDS[unit]:.0f} {unit}"


def _parse(text: str, units: dict[str, int], kind: str) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zA-Z]*)\s*", text)
    known = {unit.lower(): size for unit, size in units.items()}
    if found is None or found[2].lower() not in known:
        raise UserError(f"{text!r} is not {kind}")
    return float(found[1]) * known[found[2].lower()]
