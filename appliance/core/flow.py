"""What a menu flow may look like, and precise sentences about what is wrong with one.

A flow is a group `id, title, start, nodes`; each node has a `type`:

* `play`      prompt, next
* `menu`      prompt, timeout_s, repeats, keys, invalid_prompt, timeout_prompt, on_fail
* `queue`     queue, on_full, on_timeout, on_closed
* `extension` ext, ring_s, on_no_answer
* `goto`      flow
* `hangup`    prompt
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from appliance.core.plan import Flow, PlanError

KEYS = "0123456789*#"
PROMPT = "prompt"
PROMPTS = "prompts"
NODE = "node"

FIELDS: dict[str, dict[str, tuple[str, bool]]] = {
    "play": {"prompt": (PROMPTS, True), "next": (NODE, True)},
    "menu": {
        "prompt": (PROMPTS, True),
        "timeout_s": ("seconds", True),
        "repeats": ("count", False),
        "keys": ("keys", True),
        "invalid_prompt": (PROMPT, False),
        "timeout_prompt": (PROMPT, False),
        "on_fail": (NODE, True),
    },
    "queue": {
        "queue": ("queue", True),
        "on_full": (NODE, False),
        "on_timeout": (NODE, False),
        "on_closed": (NODE, False),
    },
    "extension": {"ext": ("extension", True), "ring_s": ("seconds", False), "on_no_answer": (NODE, True)},
    "goto": {"flow": ("flow", True)},
    "hangup": {"prompt": (PROMPTS, False)},
}
"""Node type -> field -> (what it holds, whether it must be there)."""

BUILT_IN_PROMPTS = {"menu": {"invalid_prompt": "invalid_key", "timeout_prompt": "no_key"}}


def validate_flow(
    flow: Any,
    prompts: Collection[str] | None,
    queues: Collection[str],
    extensions: Collection[str],
    flows: Collection[str] | None = None,
) -> list[str]:
    """One sentence per problem; an empty list when the flow can be published.

    `prompts` are the names that can be played (None: not checked here), `flows` the ids
    that `goto` may name (None: not checked here).
    """
    if not isinstance(flow, Mapping):
        return ["a flow is a group with id, start and nodes; this is something else"]
    label = f"flow {flow.get('id') or '(no id)'}"
    found: list[str] = []
    for key in sorted(set(flow) - {"id", "title", "start", "nodes"}, key=str):
        found.append(f"{label}: unknown setting {key!r}; remove it")
    for key in ("id", "start"):
        if not isinstance(flow.get(key), str) or not flow[key]:
            found.append(f"{label}: {key!r} is missing; add it")
    nodes = flow.get("nodes")
    if not isinstance(nodes, Mapping) or not nodes:
        return [*found, f"{label}: there are no nodes; add at least one"]
    names = {"queue": queues, "extension": extensions, "flow": flows, PROMPT: prompts, NODE: nodes}
    for name, node in nodes.items():
        found += _node_problems(f"{label}, node {name}", node, names)
    start = flow.get("start")
    if isinstance(start, str) and start:
        if start not in nodes:
            found.append(
                f"{label}: it starts at node {start!r}, which does not exist; add it or start elsewhere"
            )
        elif not found:
            for name in sorted(set(nodes) - reachable(nodes, start)):
                found.append(f"{label}: no way leads to node {name!r}; connect it or remove it")
            found += _play_circles(label, nodes)
    return found


def _node_problems(place: str, node: Any, names: Mapping[str, Collection[str] | None]) -> list[str]:
    if not isinstance(node, Mapping):
        return [f"{place}: it is not a group of settings; write type = …"]
    kind = node.get("type")
    if not isinstance(kind, str) or kind not in FIELDS:
        return [f"{place}: type is {kind!r}; use one of: {', '.join(FIELDS)}"]
    wanted = FIELDS[kind]
    found = [
        f"{place}: unknown setting {key!r}; a {kind} node has: {', '.join(wanted)}"
        for key in sorted(set(node) - set(wanted) - {"type"}, key=str)
    ]
    for key, (holds, needed) in wanted.items():
        if key not in node:
            if needed:
                found.append(f"{place}: {key!r} is missing; {_why(kind, key)}")
            default = BUILT_IN_PROMPTS.get(kind, {}).get(key)
            if default is not None:
                found += _value_problems(f"{place}, {key}", holds, default, names)
        else:
            found += _value_problems(f"{place}, {key}", holds, node[key], names)
    return found


def _why(kind: str, key: str) -> str:
    if (kind, key) == ("menu", "timeout_s"):
        return "say how many seconds a caller has to press a key"
    if (kind, key) == ("menu", "keys"):
        return "say where each key leads"
    if (kind, key) in (("menu", "on_fail"), ("extension", "on_no_answer")):
        return "say where the caller goes then, so that nobody ends in silence"
    return "add it"


def _value_problems(
    place: str, holds: str, value: Any, names: Mapping[str, Collection[str] | None]
) -> list[str]:
    if holds == "seconds":
        good = isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 120
        return [] if good else [f"{place}: is {value!r}; use 1 to 120 seconds"]
    if holds == "count":
        good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 9
        return [] if good else [f"{place}: is {value!r}; use 0 to 9"]
    if holds == "keys":
        return _key_problems(place, value, names)
    if holds == PROMPTS:
        items = value if isinstance(value, list | tuple) else [value]
        if not items:
            return [f"{place}: is empty; name a prompt"]
        return [text for item in items for text in _value_problems(place, PROMPT, item, names)]
    if not isinstance(value, str) or not value:
        return [f"{place}: is {value!r}; write the name of a {holds}"]
    known = names[holds]
    if known is None or value in known:
        return []
    return [f"{place}: there is no {holds} {value!r}; {_cure(holds)}"]


def _cure(holds: str) -> str:
    return "record or upload it, or choose another one" if holds == PROMPT else "add it or choose another one"


def _key_problems(place: str, value: Any, names: Mapping[str, Collection[str] | None]) -> list[str]:
    if not isinstance(value, Mapping) or not value:
        return [f"{place}: no key leads anywhere; add at least one"]
    found = []
    for key, target in value.items():
        if not isinstance(key, str) or len(key) != 1 or key not in KEYS:
            found.append(f"{place}: {key!r} is not a key of a telephone; use one of {KEYS}")
        found += _value_problems(f"{place}, {key}", NODE, target, names)
    return found


def next_nodes(node: Mapping[str, Any]) -> list[str]:
    """Names of the nodes that a node can lead to."""
    out = [node[key] for key, (holds, _) in FIELDS[node["type"]].items() if holds == NODE and key in node]
    return out + list(node.get("keys", {}).values())


def reachable(nodes: Mapping[str, Mapping[str, Any]], start: str) -> set[str]:
    """Names of all nodes that a caller can get to."""
    seen: set[str] = set()
    open_ = [start]
    while open_:
        name = open_.pop()
        if name not in seen:
            seen.add(name)
            open_ += next_nodes(nodes[name])
    return seen


def _play_circles(label: str, nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A ring of plain announcements would hold a caller for ever."""
    found = []
    for name in nodes:
        seen = []
        here = name
        while nodes[here]["type"] == "play" and here not in seen:
            seen.append(here)
            here = nodes[here]["next"]
        if here == name and seen and name == min(seen):
            found.append(f"{label}: {' → '.join([*seen, name])} is a circle without a way out; break it")
    return found


def flow_from_dict(
    data: Any, prompts: Collection[str] | None, queues: Collection[str], extensions: Collection[str]
) -> Flow:
    """A validated flow. Raises PlanError with one sentence per problem."""
    problems = validate_flow(data, prompts, queues, extensions)
    if problems:
        raise PlanError(problems)
    nodes = {name: dict(node) for name, node in data["nodes"].items()}
    return Flow(id=data["id"], start=data["start"], nodes=nodes, title=str(data.get("title", "")))
