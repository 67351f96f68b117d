"""A Control whose work is done at once (or when the test lets it), and a fake engine on a real socket."""

from __future__ import annotations

import json
import select
import time
from dataclasses import dataclass, field

from appliance.client import Connection, listen
from appliance.control.control import Control
from appliance.control.effects import Stream, ToClient, ToEngine, Work
from appliance.paths import Home

PATIENCE_S = 60.0
"""For what other processes and threads do: a busy machine lets them wait long."""

FLOW = """
title = "Main"
start = "welcome"

[nodes.welcome]
type = "play"
prompt = ["greeting"]
next = "wait"

[nodes.wait]
type = "queue"
queue = "sales"
"""
SOCKETS = [{"name": f"sim/{i}", "kind": "FXO" if i < 2 else "FXS"} for i in range(5)]


def record(call="c1", **more):
    """A record as the engine sends it."""
    base = {
        "id": call,
        "direction": "in",
        "line": "L1",
        "caller_number": "13800138000",
        "agent": "1001",
        "agents": ["1001"],
        "started_at": 1000.0,
        "connected_at": 1010.0,
        "ended_at": 1070.0,
        "talk_s": 60.0,
        "end_reason": "caller_hangup",
        "recording": f"2026/11/21/{call}.wav",
        "steps": [{"at": 1000.0, "what": "ring"}],
    }
    return base | more


def record_event(call="c1", final=True, **more):
    return {"event": "record", "data": {"id": call, "record": record(call, **more), "final": final}}


@dataclass
class Desk:
    """Drives a Control on a virtual clock. `held`: names of work that waits for `release`."""

    control: Control
    home: Home
    now: float = 0.0
    held: set[str] = field(default_factory=set)
    waiting: list[Work] = field(default_factory=list)
    engine: list[dict] = field(default_factory=list)
    clients: dict[int, list[dict]] = field(default_factory=dict)
    stream: list[tuple[str, dict]] = field(default_factory=list)

    def carry_out(self, effects):
        for effect in effects:
            if isinstance(effect, ToEngine):
                self.engine.append(json.loads(json.dumps(effect.message)))
            elif isinstance(effect, ToClient):
                self.clients.setdefault(effect.client, []).append(json.loads(json.dumps(effect.message)))
            elif isinstance(effect, Stream):
                self.stream.append((effect.topic, json.loads(json.dumps(effect.data))))
            elif effect.name in self.held:
                self.waiting.append(effect)
            else:
                self.do(effect)

    def do(self, work):
        value, failed = None, None
        try:
            value = work.run()
        except Exception as error:
            failed = error
        self.carry_out(self.control.done(work, value, failed, self.now))

    def release(self):
        self.held.clear()
        while self.waiting:
            self.do(self.waiting.pop(0))

    def pass_time(self, seconds):
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, max(self.control.due(self.now), self.now + 0.001))
            self.carry_out(self.control.tick(self.now))

    def hear(self, message):
        self.carry_out(self.control.from_engine(message, self.now))

    def connect(self):
        self.carry_out(self.control.engine_up(self.now))

    def lose_engine(self):
        self.carry_out(self.control.engine_down("gone", self.now))

    def request(self, method, client=1, **params):
        """Sends a request; its answer, None while there is none."""
        self.carry_out(
            self.control.from_client(client, {"id": 7, "method": method, "params": params}, self.now)
        )
        answers = [m for m in self.clients.get(client, []) if m.get("id") == 7]
        return answers[-1] if answers else None

    def commands(self, name):
        return [message for message in self.engine if message["cmd"] == name]

    def topics(self, name):
        return [data for topic, data in self.stream if topic == name]

    @property
    def acks(self):
        return [message["id"] for message in self.commands("ack")]


class FakeEngine:
    """The engine's end of engine.sock, as far as control needs it."""

    def __init__(self, path):
        self._listener = listen(path)
        self._connection = None

    def accept(self, timeout_s=PATIENCE_S):
        self._listener.settimeout(timeout_s)
        sock, _ = self._listener.accept()
        self._connection = Connection(sock, "control")

    def send(self, event, data):
        self._connection.send({"event": event, "data": data})

    def receive(self, timeout_s):
        """The next message; None where none comes."""
        return self._connection.receive(timeout_s)

    def await_cmd(self, cmd, timeout_s=PATIENCE_S):
        """Next message with this command; others are passed over."""
        deadline = time.monotonic() + timeout_s
        while True:
            message = self._connection.receive(max(0.0, deadline - time.monotonic()))
            assert message is not None, f"control did not send {cmd!r}"
            if message["cmd"] == cmd:
                return message

    def disconnect(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self):
        self.disconnect()
        self._listener.close()


def output_of(process, timeout_s=PATIENCE_S):
    """Everything that an ended process has said."""
    process.wait(timeout_s)
    ready, _, _ = select.select([process.stdout], [], [], timeout_s)
    return process.stdout.read().decode() if ready else ""
