"""Menu flows as text that people can read and edit: TOML.

`read(write(definition)) == definition` for every definition that the store holds.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class FlowTextError(ValueError):
    """The text is no TOML; `line` is where (1 = the first), 0 where that is not known."""

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


def read(text: str) -> dict[str, Any]:
    """The definition {start, nodes} in the text. Raises FlowTextError."""
    try:
        data = tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        raise FlowTextError(str(error), int(found.group(1)) if found else 0) from None
    return {key: value for key, value in data.items() if key not in ("id", "title")}


def write(definition: Mapping[str, Any]) -> str:
    """TOML text of a definition, nodes in their order."""
    lines = [f"{_key(k)} = {_value(v)}" for k, v in definition.items() if not isinstance(v, Mapping)]
    for name, group in definition.items():
        if isinstance(group, Mapping):
            for node, fields in group.items():
                lines += ["", *_table((name, node), fields)]
            if not group:
                lines += ["", f"[{_key(name)}]"]
    return "\n".join(lines) + "\n"


def _table(path: tuple[str, ...], fields: Any) -> list[str]:
    if not isinstance(fields, Mapping):
        raise FlowTextError(f"{'.'.join(path)} is no group of fields")
    lines = [f"[{'.'.join(_key(p) for p in path)}]"]
    lines += [f"{_key(k)} = {_value(v)}" for k, v in fields.items() if not isinstance(v, Mapping)]
    for name, inner in fields.items():
        if isinstance(inner, Mapping):
            lines += ["", *_table((*path, name), inner)]
    return lines


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    raise FlowTextError(f"{value!r} cannot be written")


TARGETS = ("next", "on_fail", "on_full", "on_timeout", "on_closed", "on_no_answer", "flow")


def outline(definition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The nodes for a picture: [{"name", "type", "what", "ways": [(how, where)]}], start first."""
    nodes = definition.get("nodes")
    if not isinstance(nodes, Mapping):
        return []
    start = definition.get("start")
    order = sorted(nodes, key=lambda name: name != start)
    found = []
    for name in order:
        node = nodes[name] if isinstance(nodes[name], Mapping) else {}
        keys = node.get("keys")
        ways = [(str(k), str(v)) for k, v in keys.items()] if isinstance(keys, Mapping) else []
        ways += [(t, str(node[t])) for t in TARGETS if node.get(t)]
        what = node.get("queue") or node.get("ext") or node.get("prompt") or ""
        found.append(
            {
                "name": name,
                "type": str(node.get("type", "?")),
                "what": ", ".join(what) if isinstance(what, list) else str(what),
                "ways": ways,
                "start": name == start,
            }
        )
    return found
