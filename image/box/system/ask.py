"""Parameters of a request, read with their type and bounds."""

from __future__ import annotations

from typing import Any

from image.box.problem import Problem

Params = dict[str, Any]


def _bad(name: str, wanted: str) -> Problem:
    return Problem("bad_request", f"{name} must be {wanted}", name)


def text(params: Params, name: str, longest: int = 200, default: str | None = None) -> str:
    """A text. Raises Problem."""
    found = params.get(name, default)
    if not isinstance(found, str) or len(found) > longest or "\0" in found:
        raise _bad(name, f"a text of at most {longest} characters")
    return found


def flag(params: Params, name: str, default: bool = False) -> bool:
    """Yes or no. Raises Problem."""
    found = params.get(name, default)
    if not isinstance(found, bool):
        raise _bad(name, "true or false")
    return found


def number(params: Params, name: str, low: float, high: float, default: float | None = None) -> float:
    """A number within bounds. Raises Problem."""
    found = params.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int | float) or not low <= found <= high:
        raise _bad(name, f"a number from {low:g} to {high:g}")
    return float(found)


def choice(params: Params, name: str, choices: tuple[str, ...]) -> str:
    """One of these words. Raises Problem."""
    found = params.get(name)
    if found not in choices:
        raise _bad(name, f"one of {', '.join(choices)}")
    return str(found)
