"""What a box knows before anybody has told it anything: lines, telephones, two queues, agents."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.store.store import Store

SHIPPED_FLOWS = Path(__file__).parent.parent / "flows"
FIRST_EXTENSION = 801
FIRST_AGENT = 1001
_NAMES = {
    "zh": ("王芳", "李伟", "张敏", "刘洋", "陈静", "杨帆", "赵磊", "黄丽", "周强", "吴婷", "徐明", "孙悦"),
    "en": ("Alice", "Ben", "Carol", "David", "Emma", "Frank", "Grace", "Henry", "Ivy", "Jack", "Kate", "Leo"),
}
_WORDS = {
    "zh": {
        "sales": "销售",
        "service": "客服",
        "operator": "总机",
        "line": "外线",
        "phone": "坐席电话",
        "agent": "坐席",
    },
    "en": {
        "sales": "Sales",
        "service": "Service",
        "operator": "Operator",
        "line": "Line",
        "phone": "Desk",
        "agent": "Agent",
    },
}


class SeedError(Exception):
    """What ships with the product is incomplete; the text says what."""


def seed_defaults(
    store: Store,
    lines: Sequence[str],
    phones: Sequence[str],
    country: str = "CN",
    language: str = "zh",
    flows: Path = SHIPPED_FLOWS,
) -> bool:
    """Fill an empty store for a board with these ports (names such as "sim/0"): queues sales and service
    and what else the shipped flows name, and the shipped flows, published; lines L1…, telephones 801… and
    agents 1001… serving all queues. These three come later to a box that had no card at first.

    Returns False, changing nothing, when the store has any line, telephone or agent already, or has queues
    and there is no port. Raises SeedError when a shipped flow cannot be read.
    """
    definitions = [_flow(path) for path in sorted(flows.glob("*.toml"))]
    if lines and not any(flow["id"] == "main" for flow in definitions):
        raise SeedError(f"{flows / 'main.toml'} is missing; install the product again")
    with store.transaction():
        if any(table.list() for table in (store.lines, store.phones, store.agents)):
            return False
        queues = [row["id"] for row in store.queues.list()]
        if queues and not lines and not phones:
            return False
        store.settings.set("country", country, "first start")
        if not queues:
            store.settings.set("language", language, "first start")
            queues = list(dict.fromkeys(("sales", "service", *_queues_of(definitions))))
            for queue in queues:
                store.queues.put({"id": queue, "name": given_name("queue", queue, language)})
            for flow in definitions:
                store.flows.put(flow, "first start")
                store.flows.publish(flow["id"], who="first start")
        for index, port in enumerate(lines, 1):
            label = given_name("line", f"L{index}", language)
            store.lines.put({"id": f"L{index}", "port": port, "label": label})
        for index, port in enumerate(phones):
            extension = str(FIRST_EXTENSION + index)
            label = given_name("phone", extension, language)
            store.phones.put({"ext": extension, "port": port, "label": label})
            number = str(FIRST_AGENT + index)
            store.agents.put(
                {"number": number, "name": given_name("agent", number, language), "queues": queues}
            )
    return True


def speak_language(store: Store, language: str, who: str) -> None:
    """Make a box whose owner has chosen a language speak it: prompts, and the names given at first start.

    language: "zh" or "en". What somebody has named himself stays as it is.
    """
    with store.transaction():
        store.settings.set("language", language, who)
        for table, kind, key, field in (
            (store.queues, "queue", "id", "name"),
            (store.lines, "line", "id", "label"),
            (store.phones, "phone", "ext", "label"),
            (store.agents, "agent", "number", "name"),
        ):
            for row in table.list():
                if any(row[field] == given_name(kind, row[key], other) for other in _WORDS):
                    table.put({**row, field: given_name(kind, row[key], language)})


def given_name(kind: str, key: str, language: str) -> str:
    """What first start calls the queue, line, phone or agent `key`."""
    words, names = _WORDS[language], _NAMES[language]
    if kind == "queue":
        return words.get(key, key)
    if kind == "agent" and key.isdecimal() and 0 <= int(key) - FIRST_AGENT < len(names):
        return names[int(key) - FIRST_AGENT]
    return f"{words[kind]} {key.removeprefix('L') if kind == 'line' else key}"


def _queues_of(flows: Sequence[dict[str, Any]]) -> list[str]:
    nodes = [node for flow in flows for node in flow["definition"].get("nodes", {}).values()]
    return [node["queue"] for node in nodes if isinstance(node, dict) and isinstance(node.get("queue"), str)]


def _flow(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SeedError(
            f"the shipped flow {path} cannot be read ({error}); install the product again"
        ) from error
    definition = {key: value for key, value in data.items() if key not in ("id", "title")}
    return {"id": data.get("id", path.stem), "title": data.get("title", ""), "definition": definition}
