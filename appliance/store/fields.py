"""Fields of configuration rows: type, bounds, default and help in one place."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.store.errors import InvalidRow

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Field:
    """One field. kind: "text", "int", "real", "bool", "choice" or "list" (of text).

    low, high: bounds of a number, or of the length of a text or list.
    pattern: regular expression that a text (or each text of a list) must match;
    meaning: the same in words. default None: the field must be given.
    """

    name: str
    kind: str
    default: Any = None
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    pattern: str = ""
    meaning: str = ""
    help: str = ""

    def check(self, value: Any) -> Any:
        """The value in its type. Raises ValueError with the rest of a sentence."""
        if self.kind == "bool":
            return self._bool(value)
        if self.kind in ("int", "real"):
            return self._number(value)
        if self.kind == "list":
            return self._list(value)
        return self._text(value)

    def _bool(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if value in (0, 1):
            return bool(value)
        if isinstance(value, str) and value.lower() in ("true", "false", "1", "0", "on", "off", "yes", "no"):
            return value.lower() in ("true", "1", "on", "yes")
        raise ValueError(f"must be yes or no, not {value!r}")

    def _number(self, value: Any) -> int | float:
        if isinstance(value, bool):
            raise ValueError(f"must be a number, not {value!r}")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"must be a number, not {value!r}") from None
        if not math.isfinite(number) or (self.kind == "int" and number != int(number)):
            raise ValueError(f"must be a {'whole ' if self.kind == 'int' else ''}number, not {value!r}")
        if not self.low <= number <= self.high:
            raise ValueError(f"must be from {self.low:g} to {self.high:g}, not {number:g}")
        return int(number) if self.kind == "int" else number

    def _text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"must be text, not {value!r}")
        text = value.strip()
        if self.kind == "choice":
            if text not in self.choices:
                raise ValueError(f"must be one of {', '.join(self.choices)}, not {text!r}")
            return text
        if _CONTROL.search(text):
            raise ValueError("must not contain control characters")
        if len(text) < self.low or (not text and self.default is None):
            raise ValueError("must not be empty")
        limit = self.high if math.isfinite(self.high) else 500
        if len(text) > limit:
            raise ValueError(f"must not be longer than {limit:g} characters")
        if self.pattern and text and not re.fullmatch(self.pattern, text):
            raise ValueError(f"must be {self.meaning or self.pattern}, not {text!r}")
        return text

    def _list(self, value: Any) -> list[str]:
        if isinstance(value, str):
            value = [part for part in re.split(r"[,，;；\s]+", value) if part]
        if not isinstance(value, Sequence):
            raise ValueError(f"must be a list, not {value!r}")
        one = Field(self.name, "text", pattern=self.pattern, meaning=self.meaning, low=1, high=100)
        items = list(dict.fromkeys(one.check(item) for item in value))
        if len(items) > (self.high if math.isfinite(self.high) else 100):
            raise ValueError(f"must not have more than {self.high:g} entries")
        return items


def check_row(
    what: str, fields: Sequence[Field], row: Mapping[str, Any], old: Mapping[str, Any]
) -> dict[str, Any]:
    """`row` over `old` over the defaults, in their types. Raises InvalidRow naming every problem."""
    known = {field.name: field for field in fields}
    problems = [f"{what} has no field {name!r}" for name in row if name not in known]
    checked: dict[str, Any] = {}
    for field in fields:
        value = row.get(field.name, old.get(field.name, field.default))
        if value is None:
            problems.append(f"{what}: {field.name} is missing")
            continue
        try:
            checked[field.name] = field.check(value)
        except ValueError as error:
            problems.append(f"{what}: {field.name} {error}")
    if problems:
        raise InvalidRow(problems)
    return checked
