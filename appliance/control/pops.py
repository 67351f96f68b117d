"""Screen pops: joined with what the store knows of the caller, and never held up by it."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.control.callers import pop_content
from appliance.control.effects import Effect, Message, Stream, Work
from appliance.store import Store

PATIENCE_S = 0.04
"""A pop that the store has not joined by then goes out as it is; the rest follows in a second one."""


@dataclass
class _Pending:
    data: Message
    sent_by_s: float


class Pops:
    """Pops being joined, and those being shown (by agent)."""

    def __init__(self) -> None:
        self._pending: dict[tuple[str, str], _Pending] = {}
        self.shown: dict[str, Message] = {}

    def pop(self, data: Message, store: Store | None, now: float) -> list[Effect]:
        """A call is being offered to an agent."""
        if store is None:
            return self._show(data)
        key = _key(data)
        self._pending[key] = _Pending(data, now + PATIENCE_S)
        number, call, customer = (
            str(data.get("number") or ""),
            str(data.get("call") or ""),
            data.get("customer"),
        )
        about = {"agent": key[0], "call": key[1]}
        return [Work("read", "pop", lambda: pop_content(store, number, call, customer), about)]

    def joined(self, about: Message, content: Message | None) -> list[Effect]:
        """The store has answered (or, None, could not)."""
        key = _key(about)
        pending = self._pending.pop(key, None)
        if pending is not None:
            return self._show(pending.data | (content or {}))
        shown = self.shown.get(key[0])
        if content is not None and shown is not None and _key(shown) == key:
            return self._show(shown | content)
        return []

    def end(self, data: Message) -> list[Effect]:
        """A pop is over; what waits for the store is not shown after it."""
        key = _key(data)
        effects: list[Effect] = []
        pending = self._pending.pop(key, None)
        if pending is not None:
            effects += self._show(pending.data)
        shown = self.shown.get(key[0])
        if shown is not None and (not key[1] or _key(shown) == key):
            del self.shown[key[0]]
        return [*effects, Stream("pop_end", data)]

    def tick(self, now: float) -> list[Effect]:
        """Send what has waited long enough."""
        effects: list[Effect] = []
        for key in [key for key, pending in self._pending.items() if pending.sent_by_s <= now]:
            effects += self._show(self._pending.pop(key).data)
        return effects

    def due(self) -> float | None:
        """When the next pop must go out."""
        return min((pending.sent_by_s for pending in self._pending.values()), default=None)

    def clear(self) -> list[Effect]:
        """The engine has gone: nothing is being offered any more."""
        ended = [
            Stream("pop_end", {"agent": a, "call": d.get("call", ""), "why": "engine_away"})
            for a, d in self.shown.items()
        ]
        self._pending.clear()
        self.shown.clear()
        return list(ended)

    def _show(self, data: Message) -> list[Effect]:
        self.shown[str(data.get("agent", ""))] = data
        return [Stream("pop", data)]


def _key(data: Message) -> tuple[str, str]:
    return str(data.get("agent", "")), str(data.get("call", ""))
