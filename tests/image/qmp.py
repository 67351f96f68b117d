"""QEMU's machine protocol (QMP): one command, one answer; events are kept."""

import json
import socket
import time
from collections.abc import Callable


class QmpError(Exception):
    """QEMU refuses a command, or does not answer."""


class Qmp:
    """A connection to the socket of one QEMU."""

    def __init__(self, path: str, timeout_s: float = 120.0, ended: Callable[[], bool] = lambda: False):
        """Connect, waiting for the socket to appear, unless QEMU has `ended`. Raises QmpError."""
        until = time.monotonic() + timeout_s
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        while True:
            try:
                self._line.connect(path)
                break
            except (FileNotFoundError, ConnectionRefusedError) as error:
                if ended() or time.monotonic() > until:
                    raise QmpError(f"QEMU does not open {path}") from error
                time.sleep(0.02)
        self._rest = b""
        self.events: list[dict] = []
        self._message(timeout_s)  # the greeting
        self.command("qmp_capabilities")

    def _message(self, timeout_s: float) -> dict:
        until = time.monotonic() + timeout_s
        while b"\n" not in self._rest:
            self._line.settimeout(max(until - time.monotonic(), 0.001))
            try:
                data = self._line.recv(65536)
            except TimeoutError as error:
                raise QmpError(f"QEMU gave no answer within {timeout_s:.0f} s") from error
            if not data:
                raise QmpError("QEMU has ended")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def command(self, name: str, timeout_s: float = 120.0, **arguments) -> object:
        """What QEMU returns. Arguments are the protocol's own, `_` for its `-`."""
        words = {key.replace("_", "-"): value for key, value in arguments.items()}
        self._line.sendall(json.dumps({"execute": name, "arguments": words}).encode() + b"\n")
        while True:
            message = self._message(timeout_s)
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise QmpError(f"{name}: {message['error'].get('desc', message['error'])}")
            else:
                return message.get("return")

    def wait_event(self, name: str, timeout_s: float = 300.0) -> dict:
        """The first event of this name, also one that has come already (it is taken out)."""
        until = time.monotonic() + timeout_s
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            self.events.append(self._message(max(until - time.monotonic(), 0.001)))

    def monitor(self, line: str) -> str:
        """A line of the human monitor, for what the protocol lacks (snapshots). Raises QmpError."""
        text = str(self.command("human-monitor-command", 600.0, command_line=line))
        if "rror" in text:
            raise QmpError(f"{line}: {text.strip()}")
        return text

    def close(self) -> None:
        """Drop the connection."""
        self._line.close()
