"""The interpreter of menu flows: keys and time in, what to do next out. Knows no telephony."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.core.plan import Flow

DEFAULT_REPEATS = 2
"""A wrong key or none repeats the menu twice, then the caller goes to an agent (feature C1)."""

MAX_HOPS = 50
"""Nodes that may be passed without a word being said: more can only be flows that send callers in circles."""


@dataclass(frozen=True)
class Step:
    """Base of what the interpreter wants done next."""


@dataclass(frozen=True)
class Say(Step):
    """Play the prompts, then call `said`; a key may come in between."""

    prompts: tuple[str, ...]


@dataclass(frozen=True)
class Listen(Step):
    """Wait for a key; without one call `timed_out` after `timeout_s`."""

    timeout_s: float


@dataclass(frozen=True)
class JoinQueue(Step):
    """Put the caller into a queue. `node` holds on_full, on_timeout and on_closed."""

    queue: str
    node: dict[str, Any]


@dataclass(frozen=True)
class RingExtension(Step):
    """Ring one telephone; go on at node `on_no_answer` when nobody lifts it."""

    ext: str
    ring_s: float
    on_no_answer: str


@dataclass(frozen=True)
class Bye(Step):
    """Play the prompts (there may be none), then hang up."""

    prompts: tuple[str, ...]


def prompt_names(value: Any) -> tuple[str, ...]:
    """A prompt or a list of prompts, as a flow may write it."""
    return (value,) if isinstance(value, str) else tuple(value)


@dataclass
class FlowRun:
    """One caller on the way through the flows. Keys pressed early are kept (type-ahead)."""

    flows: Mapping[str, Flow]
    flow_id: str
    node_id: str = ""
    trail: list[tuple[str, str]] = field(default_factory=list)
    """(flow, node) passed so far, in order."""
    _ahead: list[str] = field(default_factory=list)
    _failures: int = 0
    _lead: tuple[str, ...] = ()

    @property
    def node(self) -> dict[str, Any]:
        """The node the caller is at."""
        return self.flows[self.flow_id].nodes[self.node_id]

    def start(self) -> Step:
        """Enter the flow at its beginning."""
        return self.enter(self.flows[self.flow_id].start)

    def enter(self, node_id: str) -> Step:
        """Go to a node of the present flow."""
        for _ in range(MAX_HOPS):
            self.node_id = node_id
            self.trail.append((self.flow_id, node_id))
            self._failures, self._lead = 0, ()
            node = self.node
            match node["type"]:
                case "goto":
                    self.flow_id = node["flow"]
                    node_id = self.flows[self.flow_id].start
                    continue
                case "play" if self._ahead:
                    node_id = node["next"]
                    continue
                case "play":
                    return Say(prompt_names(node["prompt"]))
                case "menu":
                    return self._menu()
                case "queue":
                    return JoinQueue(node["queue"], node)
                case "extension":
                    return RingExtension(node["ext"], float(node.get("ring_s", 20.0)), node["on_no_answer"])
                case _:
                    return Bye(prompt_names(node.get("prompt", ())))
        return Bye(("sorry_busy",))

    def key(self, key: str) -> Step | None:
        """The caller pressed a key. None: nothing to do now, the key is kept for later."""
        self._ahead.append(key)
        node = self.node
        if node["type"] == "play":
            return self.enter(node["next"])
        if node["type"] == "menu":
            return self._menu()
        return None

    def said(self, failed: bool = False) -> Step:
        """The prompts of `Say` are over; `failed`: they could not be played."""
        node = self.node
        if node["type"] == "play":
            return self.enter(node["next"])
        if failed:
            # A menu that nobody can hear helps nobody: a person must take over.
            return self.enter(node["on_fail"])
        return Listen(float(node["timeout_s"]))

    def timed_out(self) -> Step:
        """No key came in time."""
        return self._fail(self.node.get("timeout_prompt", "no_key"))

    def _menu(self) -> Step:
        node = self.node
        if self._ahead:
            key = self._ahead.pop(0)
            if key in node["keys"]:
                return self.enter(node["keys"][key])
            self._ahead.clear()
            return self._fail(node.get("invalid_prompt", "invalid_key"))
        return Say((*self._lead, *prompt_names(node["prompt"])))

    def _fail(self, prompt: str) -> Step:
        self._failures += 1
        if self._failures > int(self.node.get("repeats", DEFAULT_REPEATS)):
            return self.enter(self.node["on_fail"])
        self._lead = (prompt,)
        return self._menu()
