"""One ear at control for all browsers: the live state, and who wants to hear of it.

A single thread holds the subscription, keeps the last snapshot and copies each
message into the queue of every listening page. A page that reads too slowly
loses old messages, never the newest snapshot; nothing here can hold up control.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from appliance.client import WireError

RETRY_S = 1.0
IDLE_S = 0.5
"""How often the listening thread looks whether it shall end."""
WAITING_MESSAGES = 64
REMEMBERED_CALLS = 50


@dataclass(frozen=True)
class Message:
    """Something for the pages: `topic` as in the control protocol, or one of ours: "away", "back",
    "closing", "nudge"."""

    topic: str
    data: dict[str, Any] = field(default_factory=dict)


class Control(Protocol):
    """What the hub needs of `appliance.client.ControlClient`."""

    def subscribe(self, idle_s: float = ...) -> Iterator[dict[str, Any] | None]:
        """Events, None when idle. Ends with WireError."""


class Hub:
    """Fan-out of control's stream."""

    def __init__(self, control: Control, retry_s: float = RETRY_S) -> None:
        self._control = control
        self._retry_s = retry_s
        self._lock = threading.Lock()
        self._listeners: set[queue.Queue[Message]] = set()
        self._snapshot: dict[str, Any] | None = None
        self._status: dict[str, Any] = {}
        self._pops: dict[str, dict[str, Any]] = {}
        self._handled: dict[str, deque[str]] = {}
        self._connected = False
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------ life
    def start(self) -> None:
        """Begin listening to control; calling it again does nothing."""
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="live-hub", daemon=True)
                self._thread.start()

    def close(self, wait_s: float = 2.0) -> None:
        """Stop, and tell every page that the web server is going. Idempotent."""
        self._closing.set()
        self._send(Message("closing"))
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(wait_s)

    def nudge(self) -> None:
        """Let every listener look whether it may still listen."""
        self._send(Message("nudge"))

    @property
    def closing(self) -> bool:
        """Is the web server going down?"""
        return self._closing.is_set()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._hear_control()
            except WireError:
                self._lost()  # shown as a banner on every page; tried again below
            self._closing.wait(self._retry_s)

    def _hear_control(self) -> None:
        """Take messages until control goes away (WireError) or we are closing.

        Control begins with what it knows: status, live state, pops that are being shown.
        """
        stream = self._control.subscribe(idle_s=IDLE_S)
        with self._lock:
            self._connected = True
            self._pops.clear()
        self._send(Message("back"))
        for message in stream:
            if self._closing.is_set():
                return
            if message is not None:
                self._take(str(message.get("event", "")), message.get("data") or {})

    def _lost(self) -> None:
        with self._lock:
            was, self._connected = self._connected, False
        if was and not self._closing.is_set():
            self._send(Message("away"))

    def _take(self, topic: str, data: dict[str, Any]) -> None:
        with self._lock:
            if topic == "live":
                self._snapshot = data
                for call in data.get("calls", []):
                    self._remember(str(call.get("agent") or ""), str(call.get("id", "")))
            elif topic == "status":
                self._status = data
            elif topic == "pop":
                self._pops[str(data.get("agent", ""))] = data
                self._remember(str(data.get("agent", "")), str(data.get("call", "")))
            elif topic == "pop_end":
                self._end_pop(str(data.get("agent", "")), str(data.get("why", "")))
        self._send(Message(topic, data))

    def _remember(self, agent: str, call: str) -> None:
        if agent:
            calls = self._handled.setdefault(agent, deque(maxlen=REMEMBERED_CALLS))
            if call not in calls:
                calls.append(call)

    def _end_pop(self, agent: str, why: str) -> None:
        """A call that was talked keeps its card for the wrap-up; one that went elsewhere does not."""
        pop = self._pops.pop(agent, None)
        if pop is not None and why == "ended":
            self._pops[agent] = {**pop, "ended": True}

    # ------------------------------------------------------------ reading
    @property
    def connected(self) -> bool:
        """Is control being heard?"""
        with self._lock:
            return self._connected

    @property
    def snapshot(self) -> dict[str, Any] | None:
        """The last live state, None when none was heard yet."""
        with self._lock:
            return self._snapshot

    @property
    def status(self) -> dict[str, Any]:
        """What control said last of the box's health; {} when nothing yet."""
        with self._lock:
            return self._status

    def pop_of(self, agent: str) -> dict[str, Any] | None:
        """The call to show to this agent, if any: offered, talked, or being wrapped up."""
        with self._lock:
            pop = self._pops.get(agent)
            agents = (self._snapshot or {}).get("agents", [])
        if pop is not None and pop.get("ended"):
            wrapping = any(a.get("number") == agent and a.get("state") == "wrap_up" for a in agents)
            return pop if wrapping else None
        return pop

    def handled(self, agent: str, call: str) -> bool:
        """Was this one of the last calls that this agent was offered or talked? Its record may not be stored
        yet."""
        with self._lock:
            return call in self._handled.get(agent, ())

    @contextmanager
    def listen(self) -> Iterator[queue.Queue[Message]]:
        """A queue that receives every message from now on."""
        mailbox: queue.Queue[Message] = queue.Queue(WAITING_MESSAGES)
        with self._lock:
            self._listeners.add(mailbox)
        try:
            yield mailbox
        finally:
            with self._lock:
                self._listeners.discard(mailbox)

    def _send(self, message: Message) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for mailbox in listeners:
            while True:
                try:
                    mailbox.put_nowait(message)
                    break
                except queue.Full:
                    try:
                        mailbox.get_nowait()
                    except queue.Empty:
                        continue
