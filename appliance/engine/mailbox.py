"""What goes between the engine and control: messages out, commands in, open questions."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

log = logging.getLogger(__name__)

Message = dict[str, Any]
Publish = Callable[[str, Message], bool]
"""`publish(topic, data)`; False when nobody listened."""

MAX_COMMANDS_PER_TICK = 64
MAX_UNDELIVERED = 200


class Mailbox:
    """Owned by the tick thread; `put`, `publish` and `notice_later` may be called from any."""

    def __init__(self, publish: Publish | None) -> None:
        self._publish = publish
        self._inbox: deque[Message] = deque()
        self._undelivered: deque[Message] = deque(maxlen=MAX_UNDELIVERED)
        self._later: deque[tuple[str, Message]] = deque(maxlen=MAX_UNDELIVERED)
        self._asks: dict[int, float] = {}

    @property
    def listened(self) -> bool:
        """Whether there can be a listener at all."""
        return self._publish is not None

    # ------------------------------------------------------------------ out
    def publish(self, topic: str, data: Message) -> bool:
        """Tell whoever listens; False when nobody does."""
        return self._publish(topic, data) if self._publish is not None else False

    def notice(self, code: str, data: Message, level: str, unix_s: float) -> None:
        """Tell supervisors; kept for the next listener when there is none now."""
        message = {"level": level, "code": code, "data": data, "at": unix_s}
        log.warning("notice %s: %s", code, data)
        if not self.publish("notice", message):
            self._undelivered.append(message)

    def notice_later(self, code: str, data: Message) -> None:
        """A notice of a helper thread, told in the next tick."""
        self._later.append((code, data))

    def take_later(self) -> tuple[str, Message] | None:
        """The oldest notice of a helper thread."""
        return self._later.popleft() if self._later else None

    def deliver(self) -> None:
        """Somebody listens (again): what nobody has heard is told."""
        waiting = list(self._undelivered)
        self._undelivered.clear()
        for message in waiting:
            if not self.publish("notice", message):
                self._undelivered.append(message)

    # ------------------------------------------------------------------- in
    def put(self, message: Message) -> None:
        """A command has come."""
        self._inbox.append(message)

    def take(self) -> Iterator[Message]:
        """Commands for this tick; what is too much for one waits for the next."""
        for _ in range(MAX_COMMANDS_PER_TICK):
            if not self._inbox:
                return
            yield self._inbox.popleft()

    # ------------------------------------------------------------ questions
    def ask(self, ref: int, question: str, data: Message, deadline_s: float, now: float) -> bool:
        """Put a question to control; False when nobody is there to answer it."""
        asked = {"ref": ref, "question": question, "data": data, "deadline_s": deadline_s}
        self._asks[ref] = now + deadline_s
        if self.publish("ask", asked):
            return True
        self._asks.pop(ref, None)
        return False

    def close_question(self, ref: int) -> bool:
        """An answer has come; False when the question is not open (any more)."""
        return self._asks.pop(ref, None) is not None

    def overdue(self, now: float) -> list[int]:
        """Questions whose deadline has passed; they are closed."""
        late = [ref for ref, due_s in self._asks.items() if due_s <= now]
        for ref in late:
            del self._asks[ref]
        return late
