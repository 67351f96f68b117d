"""Reads plain data into dataclasses: one place that knows types, bounds, defaults and unknown keys.

Problems are collected as sentences, so that a person sees all of them at once.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


class Rule:
    """What a value must keep to, beside its type."""

    def __init__(
        self,
        low: float | None = None,
        high: float | None = None,
        choices: Sequence[str] | None = None,
        charset: str = "",
        filled: bool = False,
    ) -> None:
        self.low, self.high, self.choices, self.charset, self.filled = low, high, choices, charset, filled

    def complaint(self, value: Any) -> str:
        """What is wrong with a value of the right type; "" when nothing is."""
        if self.choices is not None and value not in self.choices:
            return f"is {value!r}; use one of: {', '.join(self.choices)}"
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.low is not None and value < self.low:
                return f"is {value}; use {self.low} or more"
            if self.high is not None and value > self.high:
                return f"is {value}; use {self.high} or less"
        if isinstance(value, str):
            if self.filled and not value:
                return "is empty; fill it in"
            wrong = sorted(set(value) - set(self.charset)) if self.charset else []
            if wrong:
                return f"is {value!r}; {''.join(wrong)!r} cannot be dialled, use only {self.charset}"
        return ""


Rules = Mapping[tuple[str, str], Rule]
"""(dataclass name, field name) -> what its values must keep to."""


def read(cls: type[T], data: Any, place: str, problems: list[str], rules: Rules) -> T | None:
    """A `cls` made from a mapping; None (and sentences in `problems`) when that cannot be done.

    `place` says in the sentences where the data stands ("line 2").
    """
    if not isinstance(data, Mapping):
        problems.append(
            f"{place}: expected a group of settings, found {_name(data)}; write it as key = value"
        )
        return None
    assert is_dataclass(cls)
    known = {item.name: item for item in fields(cls)}
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    before = len(problems)
    for key in data:
        if key not in known:
            hint = ", ".join(sorted(known))
            problems.append(f"{place}: unknown setting {key!r}; remove it or use one of: {hint}")
    for name, item in known.items():
        if name not in data:
            if _required(item):
                problems.append(f"{place}: {name!r} is missing; add it")
            continue
        values[name] = _value(hints[name], data[name], f"{place}, {name}", problems, rules)
        rule = rules.get((cls.__name__, name))
        if rule is not None and values[name] is not None:
            for one in values[name] if isinstance(values[name], tuple) else (values[name],):
                complaint = rule.complaint(one)
                if complaint:
                    problems.append(f"{place}, {name}: {complaint}")
    if len(problems) > before:
        return None
    return cls(**values)


def _required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _value(kind: Any, value: Any, place: str, problems: list[str], rules: Rules) -> Any:
    origin = get_origin(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return read(kind, value, place, problems, rules)
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, Sequence):
            problems.append(f"{place}: expected a list, found {_name(value)}")
            return None
        inner = get_args(kind)[0]
        items = [_value(inner, one, f"{place} {n}", problems, rules) for n, one in enumerate(value, 1)]
        return tuple(items) if all(one is not None for one in items) else None
    if origin is dict:
        if not isinstance(value, Mapping):
            problems.append(f"{place}: expected a group of settings, found {_name(value)}")
            return None
        inner = get_args(kind)[1]
        if inner is Any:
            return dict(value)
        return {str(key): _value(inner, one, f"{place} {key}", problems, rules) for key, one in value.items()}
    if isinstance(origin, types.UnionType):
        raise TypeError(f"{place}: the reader does not know {kind}")
    return _plain(kind, value, place, problems)


def _plain(kind: Any, value: Any, place: str, problems: list[str]) -> Any:
    good = {
        bool: isinstance(value, bool),
        int: isinstance(value, int) and not isinstance(value, bool),
        float: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
        str: isinstance(value, str),
    }[kind]
    if not good:
        wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[kind]
        problems.append(f"{place}: expected {wanted}, found {_name(value)}")
        return None
    return float(value) if kind is float else value


def _name(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return f"the text {value!r}"
    return "a list" if isinstance(value, Sequence) else "a group of settings"
