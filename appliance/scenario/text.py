"""Story text with its line numbers: YAML read as plain text, never as guesses.

YAML would turn `013912345678` into an octal number and `no` into False. A story
is about telephone numbers and names, so every scalar stays the text that was
typed; whoever wants a number or a yes/no asks for it here and gets a sentence
that teaches when the text is something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

import yaml


class StoryError(Exception):
    """A story that cannot be understood. `line` is 1-based; the text says what to write instead."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


@dataclass(frozen=True)
class Item:
    """One piece of the file: `text` for a scalar, `parts` for a list, `pairs` for a mapping."""

    line: int
    text: str | None = None
    parts: tuple[Item, ...] | None = None
    pairs: tuple[tuple[str, Item], ...] | None = None
    key_lines: dict[str, int] = field(default_factory=dict, compare=False)

    @property
    def empty(self) -> bool:
        """True for `key:` with nothing after it."""
        return self.text is not None and self.text.strip() in ("", "~", "null")

    def what(self) -> str:
        """What this is, for messages."""
        if self.parts is not None:
            return "a list"
        if self.pairs is not None:
            return "a group of `key: value` lines"
        return "nothing" if self.empty else f"`{self.text}`"

    def fail(self, message: str) -> StoryError:
        """An error at this place."""
        return StoryError(self.line, message)

    # ---------------------------------------------------------- asking for a kind
    def as_text(self, what: str) -> str:
        """The scalar text. Raises StoryError for lists and mappings."""
        if self.text is None:
            raise self.fail(
                f"{what} is a single text, but here is {self.what()}. "
                "If the text contains `: ` put it in quotes."
            )
        return "" if self.empty else self.text.strip()

    def as_number(self, what: str, low: float = float("-inf"), high: float = float("inf")) -> float:
        """The scalar as a number within bounds; a trailing unit (s, dB, dBm0, ms, min) is understood."""
        text = self.as_text(what)
        value = read_quantity(text)
        if value is None:
            raise self.fail(f"{what} is a number, but here is `{text}`. Write for example `{what}: 5`.")
        if not low <= value <= high:
            raise self.fail(f"{what} must be between {low:g} and {high:g}, but here is {text}.")
        return value

    def as_int(self, what: str, low: int, high: int) -> int:
        """The scalar as a whole number within bounds."""
        value = self.as_number(what, low, high)
        if value != int(value):
            raise self.fail(f"{what} is a whole number, but here is `{self.text}`.")
        return int(value)

    def as_bool(self, what: str) -> bool:
        """The scalar as yes or no."""
        text = self.as_text(what).lower()
        if text in ("yes", "true", "on", "是"):
            return True
        if text in ("no", "false", "off", "否"):
            return False
        raise self.fail(f"{what} is `yes` or `no`, but here is `{self.text}`.")

    def as_list(self, what: str) -> tuple[Item, ...]:
        """The list; a single scalar counts as a list of one, nothing as an empty list."""
        if self.parts is not None:
            return self.parts
        if self.pairs is not None:
            raise self.fail(f"{what} is a list: begin each entry with `- `.")
        return () if self.empty else (self,)

    def as_pairs(self, what: str) -> tuple[tuple[str, Item], ...]:
        """The mapping's pairs in file order."""
        if self.pairs is not None:
            return self.pairs
        if self.empty:
            return ()
        raise self.fail(f"{what} is a group of `key: value` lines, but here is {self.what()}.")

    def words(self, what: str) -> tuple[str, ...]:
        """A list of texts; `a, b` on one line counts as two."""
        if self.text is not None:
            return tuple(w.strip() for w in self.text.split(",") if w.strip())
        return tuple(part.as_text(what) for part in self.as_list(what))

    def plain(self) -> object:
        """The piece as plain YAML data (numbers and yes/no resolved), for data such as a flow."""
        if self.parts is not None:
            return [part.plain() for part in self.parts]
        if self.pairs is not None:
            return {key: value.plain() for key, value in self.pairs}
        if self.empty:
            return None
        assert self.text is not None
        if re.fullmatch(r"[-+]?(0|[1-9]\d{0,5})(\.\d+)?", self.text) and not self.quoted:
            return float(self.text) if "." in self.text else int(self.text)
        if not self.quoted and self.text.lower() in ("true", "yes", "false", "no"):
            return self.text.lower() in ("true", "yes")
        return self.text

    quoted: bool = field(default=False, compare=False)


_UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "秒": 1.0, "ms": 0.001,
          "min": 60.0, "minute": 60.0, "minutes": 60.0, "分钟": 60.0, "h": 3600.0, "hour": 3600.0,
          "hours": 3600.0, "db": 1.0, "dbm0": 1.0, "dbm": 1.0, "hz": 1.0, "ppm": 1.0, "%": 0.01}  # fmt: skip


def read_quantity(text: str) -> float | None:
    """`5`, `5 s`, `300 ms`, `2 min`, `-45 dBm0`, `10 %` as a number in base units; None: it is none."""
    found = re.fullmatch(r"\s*([-+]?\d+(?:\.\d+)?)\s*([^\d\s]\S*)?\s*", text)
    unit = (found[2] or "").lower() if found is not None else None
    if found is None or unit not in _UNITS:
        return None
    return round(float(found[1]) * _UNITS[unit], 9)


def read(text: str) -> Item:
    """Parse a whole file. Raises StoryError where it is not YAML or uses YAML that stories do not need."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise StoryError(line, _yaml_hint(error, text, line)) from error
    except yaml.YAMLError as error:
        raise StoryError(1, f"this is not a text file in UTF-8 ({error}).") from error
    if root is None:
        raise StoryError(1, "the file is empty. A story needs at least `story:` and `people:`.")
    return _item(root, set())


def _yaml_hint(error: yaml.MarkedYAMLError, text: str, line: int) -> str:
    lines = text.splitlines()
    here = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    problem = error.problem or "not understood"
    if "\t" in (lines[line - 1] if 0 < line <= len(lines) else ""):
        return "there is a tab; YAML is indented with spaces."
    if "mapping values are not allowed" in problem:
        return f"two colons in `{here}`: put a sentence that contains `: ` in quotes."
    if "alias" in problem or here.lstrip("- ").startswith("*"):
        return f'`{here}`: a text that begins with `*` needs quotes: "{here.lstrip("- ")}".'
    if re.search(r":\s*>=?\s*\d", here):
        return f'`{here}`: a comparison that begins with `>` needs quotes, such as ">= 3".'
    return f"YAML cannot read `{here}` ({problem}). Check indentation, quotes and brackets around this line."


def _item(node: yaml.Node, above: set[int]) -> Item:
    line = node.start_mark.line + 1
    if id(node) in above:
        raise StoryError(line, "a part of the file contains itself (YAML `&` and `*`); write it out.")
    if isinstance(node, yaml.ScalarNode):
        return Item(line, text=node.value, quoted=node.style is not None)
    inside = above | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        return Item(line, parts=tuple(_item(child, inside) for child in node.value))
    pairs: list[tuple[str, Item]] = []
    key_lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise StoryError(key_node.start_mark.line + 1, "a key must be a simple text before a colon.")
        key = str(key_node.value).strip()
        if key in key_lines:
            raise StoryError(
                key_node.start_mark.line + 1,
                f"`{key}` was already written in line {key_lines[key]}; keep one of them.",
            )
        key_lines[key] = key_node.start_mark.line + 1
        pairs.append((key, _item(value_node, inside)))
    return Item(line, pairs=tuple(pairs), key_lines=key_lines)


def closest(word: str, known: Iterable[str]) -> str:
    """` Did you mean …?` or "" for a message about an unknown word."""
    lower = {k.lower(): k for k in known}
    near = get_close_matches(word.lower(), list(lower), n=1, cutoff=0.5)
    return f" Did you mean `{lower[near[0]]}`?" if near else ""


def known_keys(item: Item, what: str, known: Iterable[str]) -> Iterator[tuple[str, Item, int]]:
    """The pairs of a mapping as (key, value, line of the key); an unknown key raises, naming the nearest.

    Keys are compared without regard to case, and space, `-` and `_` are the same.
    """
    names = {_fold(k): k for k in known}
    for key, value in item.as_pairs(what):
        line = item.key_lines[key]
        if _fold(key) not in names:
            raise StoryError(
                line,
                f"{what} has no `{key}`.{closest(key, names.values())} Known: {', '.join(names.values())}.",
            )
        yield names[_fold(key)], value, line


def _fold(key: str) -> str:
    return re.sub(r"[\s_-]+", "_", key.strip().lower())
