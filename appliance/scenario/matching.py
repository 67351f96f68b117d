"""What a story writes where a value is expected: `5..30`, `>= 3`, `139*`, `/regex/`, `none`, a value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.scenario.text import Item, read_quantity

_RANGE = re.compile(r"\s*(-?\d+(?:\.\d+)?)?\s*(?:\.\.|…|–)\s*(-?\d+(?:\.\d+)?)?\s*([^\d\s.]*)\s*")
_COMPARE = re.compile(r"\s*(>=|<=|>|<|≥|≤)\s*(-?\d+(?:\.\d+)?)\s*([^\d\s]*)\s*")


@dataclass(frozen=True)
class Match:
    """One expected value. `line` is where it is written, `shown` how it is written."""

    line: int
    shown: str
    one_of: tuple[Match, ...] = ()
    literal: str | None = None
    low: float | None = None
    high: float | None = None
    open_ends: bool = False
    """The bounds themselves do not count (`>`, `<`)."""
    pattern: re.Pattern[str] | None = None
    empty: bool = False
    anything: bool = False

    def fits(self, value: Any) -> bool:
        """Whether a value (text, number, yes/no, list or nothing) is what was expected."""
        if self.one_of:
            if isinstance(value, (list, tuple)):
                left = list(value)
                return len(left) == len(self.one_of) and all(
                    m.fits(v) for m, v in zip(self.one_of, left, strict=True)
                )
            return any(m.fits(value) for m in self.one_of)
        nothing = value is None or value == "" or value == [] or value == ()
        if self.empty:
            return nothing
        if self.anything:
            return not nothing and value is not False
        if isinstance(value, (list, tuple)):
            return len(value) == 1 and self.fits(value[0])
        if self.pattern is not None:
            return not nothing and self.pattern.search(str(value)) is not None
        if self.low is not None or self.high is not None:
            return self._in_range(value)
        return self._equal(value)

    def _in_range(self, value: Any) -> bool:
        if isinstance(value, bool) or value is None or value == "":
            return False
        try:
            number = float(value)
        except (TypeError, ValueError):
            return False
        if self.low is not None and (number < self.low or (self.open_ends and number == self.low)):
            return False
        return self.high is None or not (number > self.high or (self.open_ends and number == self.high))

    def _equal(self, value: Any) -> bool:
        assert self.literal is not None
        if isinstance(value, bool):
            return self.literal.lower() in (("yes", "true") if value else ("no", "false"))
        if isinstance(value, (int, float)):
            number = read_quantity(self.literal)
            if number is None:
                return False
            fraction = re.search(r"\.(\d+)", self.literal)
            decimals = len(fraction[1]) if fraction is not None else 0
            return abs(float(value) - number) <= 0.5 * 10.0**-decimals
        return str(value) == self.literal


def read_match(item: Item, what: str, globs: bool = True) -> Match:
    """The expectation written at `item`. `globs=False`: `*` is a key, not a wildcard. Raises StoryError."""
    if item.pairs is not None:
        raise item.fail(f"{what} takes one value, a range such as `5..30` or a [list] of allowed values.")
    if item.parts is not None:
        if not item.parts:
            return Match(item.line, "[]", empty=True)
        options = tuple(read_match(part, what, globs) for part in item.parts)
        return Match(item.line, "[" + ", ".join(o.shown for o in options) + "]", one_of=options)
    text = "" if item.empty else item.as_text(what)
    shown = text or "none"
    if item.quoted and text.lower() in ("none", "nothing", "empty", "any", "something"):
        return Match(item.line, shown, literal=text)
    if text.lower() in ("", "none", "nothing", "empty", "无"):
        return Match(item.line, shown, empty=True)
    if text.lower() in ("any", "something", "有"):
        return Match(item.line, shown, anything=True)
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        try:
            return Match(item.line, shown, pattern=re.compile(text[1:-1]))
        except re.error as error:
            raise item.fail(f"{what}: `{text}` is not a regular expression ({error}).") from error
    found = _RANGE.fullmatch(text)
    if found is not None and (found[1] or found[2]):
        scale = read_quantity(f"1 {found[3]}" if found[3] else "1")
        if scale is None:
            raise item.fail(f"{what}: the unit `{found[3]}` is not known; use s, ms, min or nothing.")
        low = float(found[1]) * scale if found[1] else None
        high = float(found[2]) * scale if found[2] else None
        if low is not None and high is not None and low > high:
            raise item.fail(f"{what}: in `{text}` the first number is greater than the second.")
        return Match(item.line, shown, low=low, high=high)
    compared = _COMPARE.fullmatch(text)
    if compared is not None:
        number = read_quantity(f"{compared[2]} {compared[3]}")
        if number is None:
            raise item.fail(f"{what}: the unit `{compared[3]}` is not known; use s, ms, min or nothing.")
        if compared[1] in (">", ">=", "≥"):
            return Match(item.line, shown, low=number, open_ends=compared[1] == ">")
        return Match(item.line, shown, high=number, open_ends=compared[1] == "<")
    if globs and "*" in text:
        expression = ".*".join(re.escape(part) for part in text.split("*"))
        return Match(item.line, shown, pattern=re.compile(f"^{expression}$"))
    return Match(item.line, shown, literal=text)


def mismatches(wanted: Mapping[str, Match], got: Mapping[str, Any]) -> list[str]:
    """Sentences `field: expected …, was …` for every field that does not fit."""
    out = []
    for name, match in wanted.items():
        value = got.get(name)
        if not match.fits(value):
            out.append(f"{name}: expected {match.shown}, was {show(value)}")
    return out


def show(value: Any) -> str:
    """A value for people."""
    if value is None or value == "" or value == []:
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(show(v) for v in value) + "]"
    return str(value)


def pair_up(
    wanted: Sequence[Mapping[str, Match]], got: Sequence[Mapping[str, Any]]
) -> tuple[dict[int, int], list[int]]:
    """Give each expectation a different thing that fits, as many as possible.

    Returns ({index wanted: index got}, indices of `got` left over). Expectations that fit several things
    yield to those that fit one (augmenting paths of a bipartite matching).
    """
    fitting = [[g for g, thing in enumerate(got) if not mismatches(w, thing)] for w in wanted]
    owner: dict[int, int] = {}

    def place(w: int, tried: set[int]) -> bool:
        for g in fitting[w]:
            if g in tried:
                continue
            tried.add(g)
            if g not in owner or place(owner[g], tried):
                owner[g] = w
                return True
        return False

    for w in range(len(wanted)):
        place(w, set())
    pairs = {w: g for g, w in owner.items()}
    return pairs, [g for g in range(len(got)) if g not in owner]
