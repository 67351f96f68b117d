"""How anything talks to control or to the engine: JSON lines over a Unix socket.

One JSON object per line, UTF-8. Whoever listens uses `listen`; whoever calls
uses `ControlClient`, `EngineClient` or `OfficeClient`. All errors are
`WireError`s whose text can be shown to people:

* `PeerAway`: nobody listens, or the other side went away.
* `CallFailed`: the other side answered, with an error (`code`, text).
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Message = dict[str, Any]

MAX_LINE_BYTES = 8 << 20
"""A longer line is taken for garbage and ends the connection."""

_SOCKET_PATH_BYTES = 100
"""sockaddr_un holds 108 bytes; longer paths go through a directory descriptor."""


class WireError(Exception):
    """Something went wrong between two of our processes; the text is for people."""


class PeerAway(WireError):
    """Nobody listens on the socket, or the other side has gone."""


class CallFailed(WireError):
    """The other side answered with an error."""

    def __init__(self, code: str, message: str, details: Message | None = None) -> None:
        super().__init__(message or code)
        self.code = code
        self.details = details or {}
        """The error as it was sent: code, message, and what else belongs to it."""


# ---------------------------------------------------------------------- lines
def encode(message: Message) -> bytes:
    """One message as a line."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class LineReader:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """Messages completed by `data`. Raises WireError on what is not a JSON object per line."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise WireError(f"a message of more than {MAX_LINE_BYTES} bytes without end was received")
        return [_decode(line) for line in lines if line.strip()]


def _decode(line: bytes) -> Message:
    try:
        message = json.loads(line)
    except ValueError as error:
        raise WireError(f"a line that is not JSON was received: {line[:80]!r}") from error
    if not isinstance(message, dict):
        raise WireError(f"a line that is not a JSON object was received: {line[:80]!r}")
    return message


# -------------------------------------------------------------------- sockets
@contextmanager
def _address(path: Path) -> Iterator[str]:
    """Address of a Unix socket, however long its path is."""
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _is_answering(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, _address(path) as address:
        probe.settimeout(1.0)
        try:
            probe.connect(address)
        except OSError:
            return False
        return True


def listen(path: Path, backlog: int = 16) -> socket.socket:
    """Listening socket at `path`, readable and writable for our own user and group.

    A socket left behind by a process that was killed is replaced.
    Raises WireError when another process answers there.
    """
    if path.exists() and _is_answering(path):
        raise WireError(f"another process already listens on {path}: stop it first")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(path) as address:
            listener.bind(address)
        path.chmod(0o660)
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise WireError(f"cannot listen on {path}: {error.strerror or error}") from error
    return listener


class Connection:
    """One JSON-lines connection. `send` may be used from any thread, `receive` from one."""

    def __init__(self, sock: socket.socket, peer: str) -> None:
        self._sock = sock
        self._peer = peer
        self._reader = LineReader()
        self._ready: list[Message] = []
        self._send_lock = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, path: Path, peer: str, timeout_s: float = 5.0) -> Self:
        """Connect to the socket at `path`; `peer` names the other side in messages.

        Raises PeerAway when nobody listens there. `timeout_s` also bounds each `send`.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout_s)
        try:
            with _address(path) as address:
                sock.connect(address)
        except OSError as error:
            sock.close()
            raise PeerAway(
                f"{peer} is not running (no answer on {path.name}): start it and try again"
            ) from error
        return cls(sock, peer)

    def fileno(self) -> int:
        """Descriptor, to be waited for."""
        return self._sock.fileno()

    def send(self, message: Message) -> None:
        """Send one message whole. Raises PeerAway when the other side is gone or does not read."""
        try:
            with self._send_lock:
                self._sock.sendall(encode(message))
        except OSError as error:
            raise PeerAway(f"{self._peer} went away or does not read: try again") from error

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """Next message; None when `timeout_s` passed without one. Raises PeerAway at the end."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._ready:
            wait_ms = None if deadline_s is None else max(0.0, deadline_s - time.monotonic()) * 1000
            try:
                poll = select.poll()
                poll.register(self._sock, select.POLLIN)
                if not poll.poll(wait_ms):
                    return None
                data = self._sock.recv(1 << 16)
            except (OSError, ValueError) as error:
                raise PeerAway(f"{self._peer} went away: try again") from error
            if not data:
                raise PeerAway(f"{self._peer} closed the connection: try again")
            self._ready = self._reader.feed(data)
        return self._ready.pop(0)

    def close(self) -> None:
        """End the connection; a `receive` waiting in another thread ends with PeerAway. Idempotent."""
        if not self._closed:
            self._closed = True
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
            self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


# -------------------------------------------------------------------- control
class ControlClient:
    """Requests to control. Holds no connection between calls, so it may be shared by threads."""

    def __init__(self, path: Path, timeout_s: float = 10.0, peer: str = "control") -> None:
        """`peer` names the other side in messages: the system daemon speaks the same way."""
        self._path = path
        self._timeout_s = timeout_s
        self._peer = peer
        self._ids = itertools.count(1)

    def call(self, method: str, /, **params: Any) -> Any:
        """Result of `method`.

        Raises PeerAway (control is not running, or gave no answer in time) or
        CallFailed with the `code` that control gave.
        """
        with Connection.open(self._path, self._peer, self._timeout_s) as connection:
            return self._ask(connection, method, params)

    def _ask(self, connection: Connection, method: str, params: Message) -> Any:
        ref = next(self._ids)
        connection.send({"id": ref, "method": method, "params": params})
        deadline_s = time.monotonic() + self._timeout_s
        while True:
            reply = connection.receive(max(0.0, deadline_s - time.monotonic()))
            if reply is None:
                raise PeerAway(
                    f"{self._peer} gave no answer to {method!r} within {self._timeout_s:g} s: try again"
                )
            if reply.get("id") != ref:
                continue
            if "error" in reply:
                error = reply["error"] or {}
                raise CallFailed(str(error.get("code", "error")), str(error.get("message", "")), error)
            return reply.get("result")

    def subscribe(self, idle_s: float = 15.0, **params: Any) -> Iterator[Message | None]:
        """Stream of `{"event": topic, "data": …}`; None whenever `idle_s` passed without one.

        Connects at once, before the first message is asked for. The stream ends
        with PeerAway when control goes away; call again to resume.
        """
        connection = Connection.open(self._path, self._peer, self._timeout_s)
        try:
            self._ask(connection, "subscribe", params)
        except WireError:
            connection.close()
            raise
        return self._stream(connection, idle_s)

    @staticmethod
    def _stream(connection: Connection, idle_s: float) -> Iterator[Message | None]:
        with connection:
            while True:
                message = connection.receive(idle_s)
                if message is None or "event" in message:
                    yield message


# --------------------------------------------------------------------- engine
class EngineClient:
    """Control's end of engine.sock."""

    def __init__(self, path: Path, timeout_s: float = 5.0) -> None:
        self._connection = Connection.open(path, "the engine", timeout_s)

    def events(self, idle_s: float = 5.0) -> Iterator[Message | None]:
        """Stream of `{"event": topic, "data": …}`; None after `idle_s` without one. Ends with PeerAway."""
        while True:
            yield self._connection.receive(idle_s)

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """Next event, None after `timeout_s`."""
        return self._connection.receive(timeout_s)

    def plan(self, plan: Message) -> None:
        """Hand over new compiled settings."""
        self._connection.send({"cmd": "plan", "plan": plan})

    def desk(self, ref: int, verb: str, agent: str, args: Message | None = None) -> None:
        """A desk's request; the outcome arrives as the event `reply` with the same `ref`."""
        self._connection.send({"cmd": "desk", "ref": ref, "verb": verb, "agent": agent, "args": args or {}})

    def answer(self, ref: int, data: Message | None) -> None:
        """Answer to the event `ask` with the same `ref`."""
        self._connection.send({"cmd": "answer", "ref": ref, "data": data})

    def ack(self, record_id: str) -> None:
        """The record has been stored; one acknowledgement for every `record` event."""
        self._connection.send({"cmd": "ack", "id": record_id})

    def ack_message(self, message_id: str) -> None:
        """What a `message` event told has been stored."""
        self._connection.send({"cmd": "ack_message", "id": message_id})

    def sms(self, message_id: str, number: str, text: str, port: str = "") -> None:
        """Send a text by this socket if it can; its fate arrives as `message` events with the same id."""
        message = {"cmd": "sms", "id": message_id, "number": number, "text": text, "port": port}
        self._connection.send(message)

    def line_test(self, ref: str, port: str) -> None:
        """Let a line card test this socket; it is told of as the event `card_work` with the same `ref`."""
        self._connection.send({"cmd": "line_test", "ref": ref, "port": port})

    def firmware(self, ref: str, card: str, data: bytes, force: bool = False) -> None:
        """Give a line card the firmware of this file; told of as `card_work`. force: end its calls."""
        text = base64.b64encode(data).decode("ascii")
        self._connection.send({"cmd": "firmware", "ref": ref, "card": card, "data": text, "force": force})

    def snapshot(self) -> None:
        """Ask for a `live` event now."""
        self._connection.send({"cmd": "snapshot"})

    def close(self) -> None:
        """End the connection. Idempotent."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


# --------------------------------------------------------------------- office
class OfficeClient:
    """The browser's hands on one actor of the simulated office."""

    def __init__(self, path: Path, attach: str, timeout_s: float = 5.0) -> None:
        """`attach`: "caller:NAME" (an outside telephone) or "phone:EXTENSION"."""
        self._connection = Connection.open(path, "the simulated office", timeout_s)
        self._connection.send({"attach": attach})

    def do(self, action: str, **args: Any) -> None:
        """One of call, hang_up, lift, press, flash, answer with its arguments."""
        self._connection.send({"do": action, **args})

    def audio(self, samples: bytes) -> None:
        """Speak: int16 little-endian, 160 samples."""
        self._connection.send({"audio": base64.b64encode(samples).decode("ascii")})

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """Next `{"state": …}`, `{"error": …}` or `{"audio": bytes}`; None after `timeout_s`."""
        message = self._connection.receive(timeout_s)
        if message is not None and "audio" in message:
            message["audio"] = base64.b64decode(message["audio"])
        return message

    def close(self) -> None:
        """Hang up and leave. Idempotent."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
