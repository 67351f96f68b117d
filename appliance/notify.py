"""What a process tells systemd: ready, alive, stopping. Where no systemd supervises it, nothing is told.

A process is alive as long as its own loop calls `Watchdog.beat`: the engine from its tick, control from its
event loop, the pages from their worker. A loop that hangs sends nothing, and systemd starts the process anew.
"""

from __future__ import annotations

import os
import time

BEATS_IN_TIMEOUT = 4
"""Signs of life in the time after which systemd gives up waiting for one."""


def _tell(state: str) -> None:
    if "NOTIFY_SOCKET" not in os.environ:
        return
    from systemd import daemon  # needs libsystemd, which a machine without systemd may lack

    daemon.notify(state)


def ready(status: str = "") -> None:
    """The process does its work from now on; `status` is one line for `systemctl status`."""
    _tell("READY=1" + (f"\nSTATUS={status}" if status else ""))


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

    @property
    def every_s(self) -> float | None:
        """Time between two signs; None when nobody waits for them."""
        return self._every_s

    def beat(self) -> None:
        """The loop has come round."""
        if self._every_s is None:
            return
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + self._every_s
            _tell("WATCHDOG=1")
