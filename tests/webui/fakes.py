"""Doubles that speak the same socket protocols as control and the simulated office."""

import base64
import json
import socket
import threading
from contextlib import suppress

from appliance.client import LineReader, encode, listen

PATIENCE_S = 60.0
"""For what other threads do: a busy machine lets them wait long."""


class SocketDouble:
    """Accepts connections and hands each to `serve(connection)` on its own thread."""

    def __init__(self, path):
        self.path = path
        self._listener = listen(path)
        self._connections = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, connection):
        lines = LineReader()
        with suppress(OSError):
            while data := connection.recv(65536):
                for message in lines.feed(data):
                    self.take(connection, message)
        with self._lock:
            self._connections.discard(connection)
        self.gone(connection)
        connection.close()

    def take(self, connection, message):
        raise NotImplementedError

    def gone(self, connection):
        pass

    def close(self):
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(2)
        self.path.unlink(missing_ok=True)


CARE = (
    *(
        "backup_make",
        "backup_verify",
        "backup_copy",
        "backup_delete",
        "backup_key_printed",
        "restore_prepare",
    ),
    *("restore_commit", "restore_discard", "repair", "support"),
    *("share_try", "share_look"),
)


class FakeControl(SocketDouble):
    """control.sock: answers from `live`, `status`, `problems`; remembers what was asked."""

    def __init__(self, path, live=None):
        self.live = live or {}
        self.status = {}
        self.flow_problems = []
        self.plan = {"published": True, "problems": [], "warnings": []}
        self.prompts = [{"name": "greeting", "languages": ["zh", "en"], "own": []}]
        self.refuse = {}
        self.system = {}
        """Method of the system daemon -> its result, or {"problem": …}; none: this is no flashed box."""
        self.hardware = {"health": {}, "notices": []}
        self.write = None
        """What stores a message that is to be sent, as control does; None: it is refused."""
        self.findings = []
        self.backups = {
            "backups": [],
            "job": None,
            "restore": None,
            "key_on_paper": True,
            "room_bytes": 5_000_000_000,
            "daily_problem": None,
            "sticks": [],
            "share": {
                **{"there": False, "name": "", "has_password": False},
                **{"tried": None, "problem": None, "listed": None},
            },
        }
        self.care_refuses = None
        self.calls = []
        self.on_desk = None
        self._subscribers = set()
        self._changed = threading.Condition()
        super().__init__(path)

    def take(self, connection, message):
        method, params = message["method"], message["params"]
        with self._changed:
            self.calls.append((method, params))
            self._changed.notify_all()
        if method == "subscribe":
            connection.sendall(encode({"id": message["id"], "result": {}}))
            with self._changed:  # no push may fall between the snapshot and the subscription
                connection.sendall(encode({"event": "live", "data": self.live}))
                self._subscribers.add(connection)
                self._changed.notify_all()
            return
        if method in CARE:
            answer = {"error": self.care_refuses} if self.care_refuses else {"result": {"job": method}}
            connection.sendall(encode({"id": message["id"], **answer}))
            return
        if method == "send_message" and self.write is None:
            error = {"code": "bad_request", "message": "'abc' is not a telephone number: write digits"}
            connection.sendall(encode({"id": message["id"], "error": error}))
            return
        answers = {
            "send_message": lambda: self.write(params),
            "hardware": lambda: self.hardware,
            "line_test": lambda: {"ref": "control-1-1"},
            "firmware": lambda: {"ref": "control-1-2"},
            "snapshot": lambda: self.live,
            "status": lambda: self.status,
            "plan_changed": lambda: self.plan,
            "flow_check": lambda: {"problems": self.flow_problems},
            "prompts": lambda: {"prompts": self.prompts},
            "checks": lambda: {"findings": self.findings, "busy": False},
            "backups": lambda: self.backups,
            "backup_key": lambda: {"groups": ["AGE-SE", "CRET-K"], "public": "age1abc", "box": "zongji"},
            "share_password": lambda: {},
            "backup_key_check": lambda: {"fits": params["key"] == "the paper"},
            "system": lambda: {"answer": self._system(params)},
            "desk": lambda: {"error": self.refuse.get(params["verb"], ""), "data": {}},
        }
        connection.sendall(encode({"id": message["id"], "result": answers[method]()}))
        if method == "desk" and self.on_desk:
            self.on_desk(params)

    def _system(self, params):
        found = self.system.get(params["method"])
        if found is None:
            return {"problem": {"code": "no_daemon", "message": "no daemon", "params": {}}}
        found = found(params["params"]) if callable(found) else found
        return found if "problem" in found and len(found) == 1 else {"result": found}

    def gone(self, connection):
        with self._changed:
            self._subscribers.discard(connection)

    def push(self, topic, data):
        """Send an event to every subscriber; `live` becomes the snapshot too."""
        with self._changed:
            if topic == "live":
                self.live = data
            subscribers = list(self._subscribers)
        for connection in subscribers:
            connection.sendall(encode({"event": topic, "data": data}))

    def wait_for(self, method, count=1, timeout_s=PATIENCE_S):
        """Parameters of the calls of a method, once there are `count` of them."""
        with self._changed:
            done = self._changed.wait_for(lambda: sum(m == method for m, _ in self.calls) >= count, timeout_s)
            assert done, f"{method} was not called {count} times: {self.calls}"
            return [p for m, p in self.calls if m == method]

    def wait_for_subscriber(self, timeout_s=PATIENCE_S):
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self._subscribers), timeout_s)


class FakeOffice(SocketDouble):
    """office.sock: every telephone can be lifted and sends back the sound it is given."""

    def __init__(self, path):
        self.done = []
        self.sound = []
        self.actors = {}
        self._states = {}
        self.changed = threading.Condition()
        super().__init__(path)

    def take(self, connection, message):
        if "attach" in message:
            self.actors[connection] = message["attach"]
            self._tell(connection, "idle")
        elif "audio" in message:
            with self.changed:
                self.sound.append(base64.b64decode(message["audio"]))
                self.changed.notify_all()
            if self._states.get(connection) not in ("idle", "ringing"):
                connection.sendall((json.dumps({"audio": message["audio"]}) + "\n").encode())
        else:
            with self.changed:
                self.done.append((self.actors[connection], message))
                self.changed.notify_all()
            new = {"call": "calling", "lift": "off_hook", "answer": "talking", "hang_up": "idle"}.get(
                message["do"]
            )
            if new:
                self._tell(connection, new)

    def wait_done(self, count):
        """Until so many wishes have come."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.done) >= count, PATIENCE_S), self.done

    def ring(self, actor, bell=True):
        for connection, name in list(self.actors.items()):
            if name == actor:
                self._states[connection] = "ringing"
                display = {"number": "13812345678", "name": "李雷", "presentation": "shown"}
                told = {"state": "ringing", "bell": bell, "display": display, "lamp": True}
                connection.sendall(encode(told))

    def _tell(self, connection, state):
        self._states[connection] = state
        extra = {"number": "13900000001"} if self.actors[connection].startswith("caller") else {"bell": False}
        connection.sendall(encode({"state": state, **extra}))

    def gone(self, connection):
        self.actors.pop(connection, None)
