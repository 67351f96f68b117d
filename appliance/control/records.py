"""Call records and messages on their way from the engine to the store: committed, then acknowledged."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
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
    """One `record` or `message` event. link: the connection it came over; its acknowledgement goes there."""

    call: str
    record: Message
    final: bool
    link: int


@dataclass(frozen=True)
class Kind:
    """What differs between records of calls and messages.

    work: name of the writing; ack: command for the engine; save: write it, returns its row;
    tell: what subscribers hear of the row.
    """

    work: str
    ack: str
    save: Callable[[Store, Received], Message]
    tell: Callable[[Message], list[Effect]]


def _save_call(store: Store, one: Received) -> Message:
    return store.save_call(one.record, one.final)


def _tell_call(row: Message) -> list[Effect]:
    return [Stream("call", {name: row.get(name) for name in SUMMARY})]


CALLS = Kind("record", "ack", _save_call, _tell_call)


class Records:
    """One record is being written at a time, in the order of arrival."""

    def __init__(self, kind: Kind = CALLS) -> None:
        self._kind = kind
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

    def state(self) -> Message:
        """For the status."""
        return {"waiting": self.waiting, "problem": self.problem, "refused": dict(self.refused)}

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
        return [Work("write", self._kind.work, lambda: self._kind.save(store, one))]

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
            acknowledged = ToEngine({"cmd": self._kind.ack, "id": one.call})
            return [*([acknowledged] if one.link == link else []), *self._kind.tell(row)]
        if isinstance(error, StoreError):
            log.warning("the %s %s waits: %s", self._kind.work, one.call, error)
            self.problem = str(error)
            self._retry_s = now + RETRY_S
            if one.link == link:
                self._waiting.appendleft(one)
            return []
        if not isinstance(error, InvalidRow):
            log.error("the %s %s could not be stored", self._kind.work, one.call, exc_info=error)
        self._refuse(one.call, str(error))
        return []

    def due(self) -> float | None:
        """When `step` shall be tried again, None while nothing waits."""
        return self._retry_s if self._waiting and self._writing is None else None

    def _refuse(self, call: str, why: str) -> None:
        log.error("the %s %s was refused and stays with the engine: %s", self._kind.work, call, why)
        self.refused[call] = why
        while len(self.refused) > MAX_REFUSED:
            del self.refused[next(iter(self.refused))]
