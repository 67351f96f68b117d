"""What a process tells systemd: ready, alive, stopping. Where no systemd supervises it, nothing is told.

A process is alive as long as its own loop calls `Watchdog.beat`: the engine from its tick, control from its
event loop, the pages from their worker. A loop that hangs sends nothing, and systemd starts the process anew.
"""

from __future__ import annotations

import os
import socket
import time

BEATS_IN_TIMEOUT = 4
"""Signs of life in the time after which systemd gives up waiting for one."""


def _tell(state: str, patience_s: float = 0.0) -> bool:
    """Send one datagram (sd_notify(3)); False when systemd does not take it within `patience_s`. It must
    never hold up a loop that has calls to carry."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
        to.settimeout(patience_s)
        try:
            to.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
        except OSError:  # it is too busy, or gone: the next sign of life tries again
            return False
    return True


def ready(status: str = "", patience_s: float = 5.0) -> bool:
    """The process does its work from now on; `status` is one line for `systemctl status`. False: it could not
    be told, and systemd will end the process: who has a loop lets `Watchdog.ready` tell it."""
    return _tell("READY=1" + (f"\nSTATUS={status}" if status else ""), patience_s)


def stopping() -> None:
    """The process ends because it was asked to."""
    _tell("STOPPING=1")


def timeout_s(environment: dict[str, str] | None = None) -> float | None:
    """After how long without a sign of life systemd starts this process anew; None: it does not watch it.

    Raises ValueError when the unit gives nonsense.
    """
    found = os.environ if environment is None else environment
    if "NOTIFY_SOCKET" not in found or "WATCHDOG_USEC" not in found:
        return None
    return int(found["WATCHDOG_USEC"]) / 1e6


class Watchdog:
    """Signs of life, as often as needed and no oftener: `beat` may be called every tick."""

    def __init__(self, timeout: float | None = None) -> None:
        """timeout: seconds, by default what systemd asks for."""
        wanted = timeout_s() if timeout is None else timeout
        self._every_s = wanted / BEATS_IN_TIMEOUT if wanted else None
        self._due_s = 0.0
        self._untold: str | None = None
        """The status that `ready` has to be told with."""

    @property
    def every_s(self) -> float | None:
        """Time between two signs; None when nobody waits for them."""
        return self._every_s

    def ready(self, status: str) -> None:
        """The process does its work from now on. What systemd does not take at once the next `beat`s tell."""
        self._untold = None if ready(status, patience_s=0.0) else status

    def beat(self) -> None:
        """The loop has come round."""
        if self._untold is not None:
            self.ready(self._untold)
        if self._every_s is None:
            return
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + self._every_s
            _tell("WATCHDOG=1")
