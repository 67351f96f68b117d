"""The menu flows of a story, checked by the rules by which the box publishes them."""

from __future__ import annotations

import re
from typing import Any

from appliance.core.flow import FIELDS as NODE_FIELDS
from appliance.core.flow import validate_flow
from appliance.paths import SHIPPED_PROMPTS
from appliance.scenario.model import Row, Story
from appliance.scenario.text import Item, StoryError, read


def read_flows(story: Story, given: dict[str, Item]) -> None:
    """Fill `story.box.flows`, once queues and telephones are known. Raises StoryError."""
    if not (SHIPPED_PROMPTS / story.box.language).is_dir():
        raise StoryError(1, "the shipped prompts have not been made yet: run `make setup` once.")
    flows = story.box.flows
    if "flow" in given:
        flows["main"] = _flow(story, "main", given["flow"])
    if "flows" in given:
        for name, value in given["flows"].as_pairs("flows"):
            flows[name] = _flow(story, name, value)
    if "main" not in flows:
        flows["main"] = default_flow(story)


def _flow(story: Story, name: str, item: Item) -> Row:
    plain: Any
    straight = re.fullmatch(r"queue\s+(\S+)", item.text.strip()) if item.text is not None else None
    if straight is not None:
        plain = {"start": "wait", "nodes": {"wait": {"type": "queue", "queue": straight[1]}}}
    elif item.text is not None and not item.empty:
        path = story.path.parent / item.as_text(f"flow {name}")
        try:
            plain = _flow_data(read(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise item.fail(f"flow {name}: cannot read {path} ({error.strerror}).") from error
        except (StoryError, UnicodeDecodeError) as error:
            raise item.fail(f"flow {name}: {path.name}: {error}") from error
    else:
        plain = _flow_data(item)
    if not isinstance(plain, dict):
        raise item.fail(f"flow {name} needs `start:` and `nodes:`; docs/scenarios.md shows one.")
    problems = validate_flow({**plain, "id": name}, known_prompts(story), box_queues(story), story.box.phones)
    if problems:
        raise item.fail("; ".join(problems) + ".")
    return Row(
        item.line, {"title": str(plain.get("title", name)), "start": plain["start"], "nodes": plain["nodes"]}
    )


def _flow_data(item: Item) -> Any:
    """Plain data in which only the fields that hold numbers are numbers: an extension is a text."""
    plain = item.plain()

    def mend(value: Any, holds: str) -> Any:
        if isinstance(value, dict):
            return {key: mend(inner, holds) for key, inner in value.items()}
        if isinstance(value, list):
            return [mend(inner, holds) for inner in value]
        return value if holds in ("seconds", "count") or value is None else str(value)

    if not isinstance(plain, dict) or not isinstance(plain.get("nodes"), dict):
        return plain
    for node in plain["nodes"].values():
        if isinstance(node, dict):
            known = NODE_FIELDS.get(str(node.get("type")), {})
            for key in node:
                node[key] = mend(node[key], known.get(key, ("", False))[0])
    return plain


def known_prompts(story: Story) -> set[str]:
    """Names of the shipped prompts of the box's language and of the story's own."""
    return {p.stem for p in (SHIPPED_PROMPTS / story.box.language).glob("*.wav")} | set(story.box.prompts)


def box_queues(story: Story) -> set[str]:
    """Ids of the queues."""
    return set(story.box.queues)


def default_flow(story: Story) -> Row:
    """The flow of a story that brings none: greeting, menu with a key for each queue, the first queue."""
    queues = list(story.box.queues)
    keys = {str(n): f"to_{queue}" for n, queue in enumerate(queues[:9], 1)}
    keys["0"] = f"to_{queues[0]}"
    nodes: dict[str, Any] = {
        "hello": {"type": "play", "prompt": "greeting", "next": "choose"},
        "choose": {
            "type": "menu",
            "prompt": "menu_main",
            "timeout_s": 5,
            "repeats": 2,
            "keys": keys,
            "on_fail": f"to_{queues[0]}",
        },
    }
    nodes |= {f"to_{queue}": {"type": "queue", "queue": queue} for queue in queues[:9]}
    return Row(1, {"title": "main", "start": "hello", "nodes": nodes})
