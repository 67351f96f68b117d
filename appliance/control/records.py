"""Call records on their way from the engine to the store: kept until committed, then acknowledged."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import Any

from appliance.control.effects import Effect, Message, Stream, ToEngine, Work
from appliance.store import InvalidRow, Store, StoreError

log = logging.getLogger(__name__)

RETRY_S = 1.0
MAX_REFUSED = 20
SUMMARY = (
    *("id", "direction", "line", "number", "caller_number", "caller_name", "called_number", "queue", "agent"),
    *("customer", "started_at", "connected_at", "ended_at", "talk_s", "wait_s", "end_reason", "recording"),
    "final",
)
"""What subscribers are told of a stored record."""


@dataclass(frozen=True)
class Received:
    """One `record` event. link: which connection it came over; an acknowledgement belongs there only."""

    call: str
    record: Message
    final: bool
    link: int


class Records:
    """One record is being written at a time, in the order of arrival."""

    def __init__(self) -> None:
        self._waiting: deque[Received] = deque()
        self._writing: Received | None = None
        self._retry_s = 0.0
        self.refused: dict[str, str] = {}
        """Records that the store does not take: call -> why. The engine keeps them."""
        self.problem = ""

    @property
    def waiting(self) -> int:
        """How many are not stored yet."""
        return len(self._waiting) + (self._writing is not None)

    def received(self, data: Message, link: int) -> None:
        """Take a `record` event."""
        call, record = data.get("id"), data.get("record")
        if not isinstance(call, str) or not isinstance(record, dict) or record.get("id") != call:
            log.error("the engine sent a record that is none: %.200r", data)
            self._refuse(str(call), "it has no id, or its id is another one")
            return
        self._waiting.append(Received(call, record, data.get("final") is not False, link))

    def link_lost(self) -> None:
        """The engine has gone: it will send everything that is not acknowledged again."""
        self._waiting.clear()

    def step(self, store: Store | None, now: float) -> list[Effect]:
        """Begin to write the next record when that is possible."""
        if store is None or self._writing is not None or not self._waiting or now < self._retry_s:
            return []
        one = self._writing = self._waiting.popleft()
        return [Work("write", "record", lambda: store.calls.save(one.record, one.final))]

    def done(
        self, row: dict[str, Any] | None, error: BaseException | None, link: int, now: float
    ) -> list[Effect]:
        """The record being written is committed (`row`), or was not (`error`)."""
        one, self._writing = self._writing, None
        if one is None:
            return []
        if row is not None:
            self.problem = ""
            self.refused.pop(one.call, None)
            effects: list[Effect] = [ToEngine({"cmd": "ack", "id": one.call})] if one.link == link else []
            return [*effects, Stream("call", {name: row.get(name) for name in SUMMARY})]
        if isinstance(error, StoreError):
            log.warning("the record of call %s waits: %s", one.call, error)
            self.problem = str(error)
            self._retry_s = now + RETRY_S
            if one.link == link:
                self._waiting.appendleft(one)
            return []
        if not isinstance(error, InvalidRow):
            log.error("the record of call %s could not be stored", one.call, exc_info=error)
        self._refuse(one.call, str(error))
        return []

    def due(self) -> float | None:
        """When `step` shall be tried again, None while nothing waits."""
        return self._retry_s if self._waiting and self._writing is None else None

    def _refuse(self, call: str, why: str) -> None:
        log.error("the record of call %s was refused and stays with the engine: %s", call, why)
        self.refused[call] = why
        while len(self.refused) > MAX_REFUSED:
            del self.refused[next(iter(self.refused))]
